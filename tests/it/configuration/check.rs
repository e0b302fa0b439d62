//! Every problem at once, from `config check` and from `serve`.
use crate::support::command::reckoner;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const BAD_TOML: &str = r#"
listen = "nowhere"
periods = ["hourly", "often"]
surprise = 1
[webhooks]
allow_private = "perhaps"
[ingest]
body_bytes_max = 1
[log]
level = "info,=="
[[meters]]
key = "a b"
aggregation = "median"
[[meters]]
key = "tokens"
aggregation = 7
colour = "red"
[[meters]]
key = "twice"
aggregation = "sum"
[[meters]]
key = "twice"
aggregation = "max"
[[webhook_endpoints]]
url = "ftp://x"
enabeld = false
"#;

const PROBLEMS: [&str; 16] = [
    "bootstrap_api_key",
    "ingest.body_bytes_max",
    "listen",
    "log.level",
    "meters[0].aggregation",
    "meters[0].key",
    "meters[1].aggregation",
    "meters[1].colour",
    "meters[3].key",
    "periods[1]",
    "surprise",
    "systemconfig.events.x.op",
    "webhook_endpoints[0].enabeld",
    "webhook_endpoints[0].secret",
    "webhook_endpoints[0].url",
    "webhooks.allow_private",
];

struct Files {
    dir: TempDir,
}

impl Files {
    fn new(toml: &str, system: &Value) -> Self {
        let dir = TempDir::new().expect("a directory");
        std::fs::write(dir.path().join("reckoner.toml"), toml).expect("written");
        std::fs::write(dir.path().join("system.json"), system.to_string()).expect("written");
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        path(&self.dir.path().join(name))
    }
}

fn path(path: &Path) -> String {
    PathBuf::from(path).display().to_string()
}

fn bad() -> Files {
    Files::new(BAD_TOML, &json!({"events": {"x": {"op": "median"}}}))
}

#[test]
fn the_check_lists_every_problem_and_fails() {
    let files = bad();
    let (config, system) = (files.path("reckoner.toml"), files.path("system.json"));
    let line = ["config", "check", "--config", &config, "--systemconfig", &system];
    let env = [("RECKONER_BOOTSTRAP_API_KEY", "short-secret")];
    let ended = reckoner(&[&line[..], &["--json"]].concat(), &env);
    assert_eq!((ended.code, ended.err.as_str()), (1, ""));
    let told = ended.json();
    assert_eq!(told["valid"], false);
    let mut settings: Vec<&str> = told["problems"]
        .as_array()
        .expect("problems")
        .iter()
        .filter_map(|one| one["setting"].as_str())
        .collect();
    settings.sort_unstable();
    assert_eq!(settings, PROBLEMS);
    let ended = reckoner(&line, &env);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    for setting in PROBLEMS {
        assert!(ended.err.contains(&format!("- {setting}: ")), "{setting} in {}", ended.err);
    }
    assert!(!ended.err.contains("short-secret"));
}

#[test]
fn every_url_that_no_endpoint_may_have_is_listed() {
    let toml = r#"
        [[webhook_endpoints]]
        url = "https://user:hunter2@example.com/"
        secret = "whsec_0123456789"
        [[webhook_endpoints]]
        url = "https://example.com/#top"
        [[webhook_endpoints]]
        url = "https://example.com:0/"
        secret = "whsec_0123456789"
        [[webhook_endpoints]]
        url = "https://EXAMPLE.com:443/a/../hook"
        secret = "whsec_0123456789"
        project = "test"
        [[webhook_endpoints]]
        url = "https://example.com/hook"
        secret = "whsec_0123456789"
        project = "live""#;
    let long = format!("https://example.com/{}", "a".repeat(2_048));
    let hook = |url: &str| json!({"url": url, "secret": "whsec_0123456789"});
    let system = json!({"events": {"x": {"op": "median"}}, "webhooks": [hook(&long), hook("https://example.com/hook")]});
    let files = Files::new(toml, &system);
    let (config, system) = (files.path("reckoner.toml"), files.path("system.json"));
    let ended = reckoner(&["config", "check", "--config", &config, "--systemconfig", &system, "--json"], &[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let told = ended.json();
    let problems = told["problems"].as_array().expect("problems").iter();
    let mut settings: Vec<&str> = problems.filter_map(|one| one["setting"].as_str()).collect();
    settings.sort_unstable();
    let expected = [
        "systemconfig.events.x.op",
        "systemconfig.webhooks[0].url",
        "webhook_endpoints[0].url",
        "webhook_endpoints[1].secret",
        "webhook_endpoints[1].url",
        "webhook_endpoints[2].url",
        "webhook_endpoints[3].url",
        "webhook_endpoints[4].url",
    ];
    assert_eq!(settings, expected, "{told}");
    assert!(!ended.out.contains("hunter2"), "{ended:?}");
}

#[test]
fn serve_lists_every_problem_and_does_not_start() {
    let files = bad();
    // The environment names the files where no flag does; a flag's own fault is listed with the rest.
    let env = [
        ("RECKONER_CONFIG", files.path("reckoner.toml")),
        ("RECKONER_SYSTEMCONFIG", files.path("system.json")),
        ("RECKONER_BOOTSTRAP_API_KEY", "short-secret".to_owned()),
    ];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    let data = files.path("data");
    let ended = reckoner(&["serve", "--data-dir", &data, "--listen", "here"], &env);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.contains("16 problem(s)"), "{}", ended.err);
    for setting in PROBLEMS {
        assert!(ended.err.contains(&format!("- {setting}: ")), "{setting} in {}", ended.err);
    }
    assert!(!Path::new(&data).exists(), "nothing is made by a server that does not start");
}

#[test]
fn a_good_configuration_is_shown_without_its_secrets() {
    let toml = r#"
        [[meters]]
        key = "tokens"
        aggregation = "sum"
        starts_at = 2026-01-01T00:00:00Z
        [[webhook_endpoints]]
        url = "https://example.com/hook"
        secret = "whsec_0123456789""#;
    let files = Files::new(toml, &json!({"periods": ["daily"], "events": {"_note": 1, "x": {"op": "sum"}}}));
    let (config, system) = (files.path("reckoner.toml"), files.path("system.json"));
    let line = ["config", "check", "--config", &config, "--systemconfig", &system];
    let key = "9f86d081884c7d659a2feaa0c55ad015";
    let env = [
        ("RECKONER_BOOTSTRAP_API_KEY", key),
        ("DATABASE_URL", "postgres://root:hunter2@db/x"),
        ("DRY_RUN", "1"),
    ];
    let ended = reckoner(&[&line[..], &["--json", "--data-dir", "d"]].concat(), &env);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let told = ended.json();
    let setting = |name: &str| {
        let found = told["settings"].as_array().expect("settings").iter().find(|one| one["setting"] == name);
        let one = found.unwrap_or_else(|| panic!("{name}"));
        (one["value"].as_str().expect("text").to_owned(), one["source"].as_str().expect("text").to_owned())
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(setting("data_dir"), pair("d", "flag"));
    assert_eq!(setting("dry_run"), pair("1", "environment"));
    assert_eq!(setting("bootstrap_api_key"), pair("(set)", "environment"));
    assert_eq!(setting("listen"), pair("127.0.0.1:8080", "default"));
    assert_eq!(told["warnings"].as_array().map(Vec::len), Some(4), "{told}");
    let text = reckoner(&line, &env);
    assert!(text.code == 0 && text.out.contains("the configuration is valid"), "{text:?}");
    for ended in [&ended, &text] {
        for secret in [key, "hunter2", "whsec_0123456789"] {
            assert!(!ended.out.contains(secret) && !ended.err.contains(secret), "{secret}: {ended:?}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_or_no_file_at_all_is_told() {
    let files = Files::new("= 1", &json!([]));
    let (config, system) = (files.path("reckoner.toml"), files.path("system.json"));
    let ended = reckoner(&["config", "check", "--config", &config, "--systemconfig", &system], &[]);
    assert!(ended.code == 1 && ended.err.contains("- config: is no TOML"), "{ended:?}");
    assert!(ended.err.contains("- systemconfig: must be a JSON object"), "{ended:?}");
    let gone = files.path("gone.toml");
    let ended = reckoner(&["config", "check", "--config", &gone], &[]);
    assert!(ended.code == 1 && ended.err.contains(&format!("- {gone}: cannot be read")), "{ended:?}");
    assert_eq!(reckoner(&["serve", "--no-such-flag"], &[]).code, 2);
}

#[test]
fn a_line_that_is_no_toml_is_named_and_not_shown() {
    for line in ["secret_key = \"hunter2", "secret_key = hunter2", "secret_key hunter2", "[[a]\nhunter2 ="] {
        let files = Files::new(&format!("listen = \"127.0.0.1:0\"\n\n{line}\n"), &json!({}));
        let ended = reckoner(&["config", "check", "--config", &files.path("reckoner.toml")], &[]);
        assert!(ended.code == 1 && ended.err.contains(" in line "), "{ended:?}");
        assert!(!ended.err.contains("hunter2"), "{ended:?}");
    }
}

#[test]
fn a_database_that_does_not_answer_is_told_without_its_password() {
    let dir = TempDir::new().expect("a directory");
    let data = path(&dir.path().join("data"));
    let env = [("RECKONER_DATABASE_URL", "postgres://somebody:hunter2@127.0.0.1:1/none")];
    let ended = reckoner(&["serve", "--data-dir", &data, "--listen", "127.0.0.1:0"], &env);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{ended:?}");
    assert!(ended.err.contains("the control plane") && !ended.err.contains("hunter2"), "{ended:?}");
}
