//! Production starts with nothing missing, weak or left in its place.
use crate::support::command::reckoner;
use serde_json::Value;
use tempfile::TempDir;

const STRONG: [&str; 3] = [
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13",
];

/// What `config check` says, with this `reckoner.toml` and environment.
fn check(toml: &str, env: &[(&str, &str)]) -> Value {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("reckoner.toml");
    std::fs::write(&file, toml).expect("written");
    reckoner(&["config", "check", "--json", "--config", &file.display().to_string()], env).json()
}

/// The settings with problems, each with its reason.
fn problems(told: &Value) -> Vec<(String, String)> {
    assert_eq!(told["valid"], false, "{told}");
    let text = |one: &Value, name: &str| one[name].as_str().expect("a text").to_owned();
    let all = told["problems"].as_array().expect("problems").iter();
    let mut all: Vec<_> = all.map(|one| (text(one, "setting"), text(one, "reason"))).collect();
    all.sort();
    all
}

const WEAK: &str = r#"
    [services.gateway]
    secret = "your-service-secret-change-it-before-use"
    permissions = []
    [services.reader]
    secret = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    permissions = []
    [[webhook_endpoints]]
    url = "https://example.com/hook"
    secret = "whsec_9f86d081884c"
    project = "live"
"#;
const WEAK_ENV: [(&str, &str); 5] = [
    ("JWT_SECRET", "your-super-secret-jwt-key-change-in-production"),
    ("RECKONER_BOOTSTRAP_API_KEY", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ("RECKONER_BOOTSTRAP_TEST_API_KEY", STRONG[0]),
    ("RECKONER_BOOTSTRAP_ADMIN_EMAIL", "root@example.com"),
    ("RECKONER_BOOTSTRAP_ADMIN_PASSWORD", "Password1234"),
];

#[test]
fn everything_weak_refuses_production_at_once() {
    for name in ["NODE_ENV", "ENVIRONMENT", "RECKONER_ENVIRONMENT"] {
        let told = check(WEAK, &[&WEAK_ENV[..], &[(name, "production")]].concat());
        let expected = [
            ("bootstrap_admin_password", "looks like a placeholder"),
            ("bootstrap_api_key", "looks like a placeholder"),
            ("jwt_secret", "looks like a placeholder"),
            ("secret_key", "must be set in production"),
            ("services.gateway.secret", "looks like a placeholder"),
            ("services.reader.secret", "is that of bootstrap_test_api_key too"),
            ("webhook_endpoints[0].secret", "has fewer than 32 characters"),
        ];
        let problems = problems(&told);
        assert_eq!(problems.len(), expected.len(), "{name}: {problems:?}");
        for ((setting, reason), (wanted, begin)) in problems.iter().zip(expected) {
            assert!(setting == wanted && reason.starts_with(begin), "{setting}: {reason}");
        }
        let shown = told.to_string();
        assert!(!shown.contains(STRONG[0]) && !shown.contains("super-secret"), "{shown}");
    }
}

#[test]
fn what_is_weak_is_a_warning_elsewhere() {
    for environment in ["development", "test", "staging"] {
        let told = check(WEAK, &[&WEAK_ENV[..], &[("NODE_ENV", environment)]].concat());
        let warnings = told["warnings"].to_string();
        for setting in ["jwt_secret", "services.gateway.secret", "webhook_endpoints[0].secret"] {
            assert!(warnings.contains(&format!("\"{setting} ")), "{setting} in {warnings}");
        }
        assert!(warnings.contains("(https://example.com/...) has fewer than 32"), "{warnings}");
    }
    assert_eq!(problems(&check("environment = 'prod'", &[]))[0].0, "environment");
}

#[test]
fn production_says_what_follows_from_what_is_left_out() {
    let secrets = [("RECKONER_SECRET_KEY", STRONG[0]), ("JWT_SECRET", STRONG[1]), ("NODE_ENV", "production")];
    let unused = [("JWT_REFRESH_SECRET", STRONG[2]), ("REDIS_URL", "redis://x"), ("CRON_SECRET", "")];
    let told = check("", &[&secrets[..], &unused].concat());
    assert_eq!(told["valid"], true, "{told}");
    let warnings: Vec<&str> =
        told["warnings"].as_array().expect("warnings").iter().filter_map(Value::as_str).collect();
    for begin in [
        "bootstrap_api_key is not set: ",
        "public_url is not set: ",
        "http.trusted_proxies is not set: ",
        "mail.smtp_host is not set: ",
        "JWT_REFRESH_SECRET is set and has no effect: ",
        "REDIS_URL is set and has no effect: ",
    ] {
        assert!(warnings.iter().any(|warning| warning.starts_with(begin)), "{begin} in {warnings:?}");
    }
    assert!(!warnings.iter().any(|warning| warning.contains("CRON_SECRET")), "{warnings:?}");
}

#[test]
fn a_start_is_refused_with_the_same_words() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let line = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &data.display().to_string()];
    let ended = reckoner(&line, &[("NODE_ENV", "production"), ("JWT_SECRET", "short")]);
    assert_eq!(ended.code, 2, "{ended:?}");
    for line in ["- jwt_secret: must have at least 32", "- secret_key: must be set in production"] {
        assert!(ended.err.contains(line), "{line} in {ended:?}");
    }
    assert!(!data.exists() && !ended.err.contains("short"));
}
