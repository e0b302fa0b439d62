//! Which crate may depend on which.
use super::Violation;
use super::source::Source;

/// The siblings that each crate may name; a crate that is not here may name none.
const DIRECTIONS: [(&str, &[&str]); 6] = [
    ("domain", &[]),
    ("api", &[]),
    ("eventlog", &["domain"]),
    ("client", &["api"]),
    ("bench", &[]),
    ("server", &["domain", "api", "eventlog", "client"]),
];

/// Dependencies on siblings that the directions do not have.
pub fn check(files: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        let Some(name) = file.path.strip_prefix("crates/").and_then(|path| path.strip_suffix("/Cargo.toml"))
        else {
            continue;
        };
        let allowed =
            DIRECTIONS.iter().find(|(crate_name, _)| *crate_name == name).map_or(&[][..], |(_, to)| to);
        for (line, sibling) in siblings(&file.text) {
            if !allowed.contains(&sibling) {
                let message = format!("crate `{name}` may not depend on `{sibling}`");
                found.push(Violation::new("crates", &file.path, line, sibling, message));
            }
        }
    }
    found
}

/// The siblings that a manifest depends on, with their lines.
fn siblings(manifest: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(manifest.lines()).filter_map(|(line, text)| {
        let key =
            text.trim_start().trim_start_matches("[dependencies.").split(['.', ' ', '=', ']']).next()?;
        key.strip_prefix("reckoner-").map(|sibling| (line, sibling))
    })
}

#[test]
fn a_dependency_against_the_direction_is_caught() {
    let planted = |name: &str, manifest: &str| {
        let files = [Source::new(&format!("crates/{name}/Cargo.toml"), manifest)];
        check(&files).into_iter().map(|v| v.what).collect::<Vec<_>>()
    };
    assert_eq!(planted("domain", "[dependencies]\nreckoner-api.workspace = true"), ["api"]);
    assert_eq!(planted("eventlog", "[dev-dependencies]\nreckoner-server = { path = \"..\" }"), ["server"]);
    assert_eq!(planted("eventlog", "reckoner-domain.workspace = true"), Vec::<String>::new());
    assert_eq!(planted("other", "[dependencies.reckoner-domain]"), ["domain"]);
    assert_eq!(planted("api", "[package]\nname = \"reckoner-api\""), Vec::<String>::new());
}
