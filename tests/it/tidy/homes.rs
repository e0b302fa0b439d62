//! Things that have one home: SQL, wire types, the environment.
use super::Violation;
use super::source::{Source, words};

const SERVER: &str = "crates/server/src/";

/// A name in code that only some folders may use.
struct Home {
    name: &'static str,
    /// Prefixes of paths, below the server's sources.
    rooms: &'static [&'static str],
    why: &'static str,
}

const HOMES: [Home; 4] = [
    Home { name: "reckoner_api", rooms: &["http", "cli"], why: "wire types stay at the edge" },
    Home { name: "sqlx", rooms: &["store", "events"], why: "SQL lives under store/ and events/" },
    Home {
        name: "std::env",
        rooms: &["config", "cli", "main.rs"],
        why: "config alone reads the environment",
    },
    Home { name: "SystemTime", rooms: &["clock", "cli/wall.rs"], why: "clock alone reads time" },
];

/// Names and SQL texts away from home; code that only tests see may use them.
pub fn check(files: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let Some(inside) = file.path.strip_prefix(SERVER) else { continue };
        for home in &HOMES {
            if home.rooms.iter().any(|room| inside.starts_with(room)) {
                continue;
            }
            for at in words(&file.code, home.name).filter(|at| !file.is_test(*at)) {
                let message = format!("`{}` is not for here: {}", home.name, home.why);
                found.push(Violation::new("home", &file.path, file.line(at), home.name, message));
            }
        }
        if !inside.starts_with("store") && !inside.starts_with("events") {
            for (at, text) in file.literals.iter().filter(|(at, text)| is_sql(text) && !file.is_test(*at)) {
                let start: String = text.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
                let message = format!("SQL (`{start} ...`) lives under store/ and events/");
                found.push(Violation::new("sql", &file.path, file.line(*at), &start, message));
            }
        }
    }
    found
}

/// Whether a text reads like a statement.
fn is_sql(text: &str) -> bool {
    let text = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let starts = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    starts(&[
        "insert into ",
        "delete from ",
        "create table ",
        "create index ",
        "create unique index ",
        "pragma ",
    ]) || (text.starts_with("select ") && text.contains(" from "))
        || (text.starts_with("update ") && text.contains(" set "))
        || (text.starts_with("with ") && text.contains(" as (select "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<String> {
        check(&[Source::new(&format!("{SERVER}{path}"), text)]).into_iter().map(|v| v.what).collect()
    }

    #[test]
    fn sql_outside_its_home_is_caught() {
        let text = "fn f() { q(\"SELECT id\\n FROM meters\") }";
        assert_eq!(whats("http/meters.rs", "f(\"select id from meters\")"), ["select id from"]);
        assert_eq!(whats("billing.rs", "f(r#\"update a\n set b = 1\"#)"), ["update a set"]);
        assert_eq!(whats("store/meters.rs", text), Vec::<String>::new());
        assert_eq!(
            whats("http/meters.rs", "f(\"select a meter\"); f(\"update the settings\")"),
            Vec::<String>::new()
        );
        assert_eq!(
            whats("jobs.rs", "#[cfg(test)] mod tests { const A: &str = \"delete from a\"; }"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn names_away_from_home_are_caught() {
        assert_eq!(whats("ingest/parse.rs", "use reckoner_api::Event;"), ["reckoner_api"]);
        assert_eq!(whats("webhooks/send.rs", "let a = std::env::var(\"A\");"), ["std::env"]);
        assert_eq!(whats("auth.rs", "let db: sqlx::SqlitePool;"), ["sqlx"]);
        assert_eq!(whats("jobs.rs", "SystemTime::now()"), ["SystemTime"]);
        let at_home = [
            ("http/v1.rs", "reckoner_api::A"),
            ("config/env.rs", "std::env::vars()"),
            ("clock.rs", "SystemTime"),
        ];
        assert!(at_home.iter().all(|(path, text)| whats(path, text).is_empty()));
    }
}
