//! Who may know whom inside the server.
use super::Violation;
use super::source::{Source, closing, first_word, words};
use std::collections::{BTreeMap, BTreeSet};

const SERVER: &str = "crates/server/src/";

/// Where a module of the server stands; a module may use those that stand lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// Used by all, uses none of the others.
    Base,
    /// Keeps state; knows nothing of its neighbours.
    Storage,
    /// Does the work; neighbours may call each other, but not in a circle.
    Service,
    /// Lets the outside in.
    Edge,
    /// Puts everything together; used by nothing but its like.
    Root,
}

/// The place of each module.
const PLACES: [(Level, &[&str]); 5] = [
    (Level::Base, &["config", "clock", "telemetry", "random"]),
    (Level::Storage, &["store", "events", "counters"]),
    (
        Level::Service,
        &[
            "alerts",
            "billing",
            "calls",
            "documents",
            "ingest",
            "entitlements",
            "webhooks",
            "payments",
            "auth",
            "mail",
            "zones",
        ],
    ),
    (Level::Edge, &["http", "jobs", "gateway", "dashboard"]),
    (Level::Root, &["app", "cli", "main", "lib"]),
];

/// Modules that use what they may not, circles, and modules without a place.
pub fn check(files: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut uses: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let Some(from) = module(&file.path) else { continue };
        let Some(level) = place(from) else {
            let message =
                format!("module `{from}` has no place in the order: give it one in tests/it/tidy/order.rs");
            found.push(Violation::new("order", &file.path, 0, from, message));
            continue;
        };
        for (offset, to) in mentions(file) {
            let Some(to_level) = place(&to).filter(|_| to != from) else { continue };
            if may_use(level, to_level) {
                uses.entry(from).or_default().insert(to);
            } else {
                let message = format!("`{from}` ({level:?}) may not know `{to}` ({to_level:?})");
                found.push(Violation::new("order", &file.path, file.line(offset), &to, message));
            }
        }
    }
    found.extend(circles(&uses));
    found
}

/// The top module of a file of the server.
fn module(path: &str) -> Option<&str> {
    path.strip_prefix(SERVER).map(first_word)
}

fn place(module: &str) -> Option<Level> {
    PLACES.iter().find(|(_, modules)| modules.contains(&module)).map(|(level, _)| *level)
}

fn may_use(from: Level, to: Level) -> bool {
    match from {
        Level::Base | Level::Storage => to == Level::Base,
        Level::Service | Level::Edge => to <= from,
        Level::Root => true,
    }
}

/// The top modules that a file names, with where.
fn mentions(file: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate", "reckoner_server"] {
        for at in words(&file.code, root) {
            let path = at + root.len();
            let rest = file.code.get(path..).unwrap_or_default();
            let Some(after) = rest.strip_prefix("::") else { continue };
            found.extend(heads(&file.code, path + 2, after).into_iter().map(|name| (at, name)));
        }
    }
    found.extend(climbs(file));
    found
}

/// The first names after `::`: one, or those of a braced list.
fn heads(code: &str, offset: usize, after: &str) -> Vec<String> {
    if !after.starts_with('{') {
        return vec![first_word(after).to_owned()];
    }
    let list = code.get(offset + 1..closing(code, offset)).unwrap_or_default();
    let mut depth = 0_usize;
    let parts = list.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(|part| first_word(part.trim()).to_owned()).collect()
}

/// Names reached by `super::super::...` from the root of the crate.
fn climbs(file: &Source) -> Vec<(usize, String)> {
    let inside =
        file.path.strip_prefix(SERVER).unwrap_or_default().trim_end_matches(".rs").trim_end_matches("/mod");
    let modules: Vec<_> = file.blocks().into_iter().filter(|block| block.keyword == "mod").collect();
    let mut found = Vec::new();
    for at in words(&file.code, "super") {
        if file.code.get(..at).is_some_and(|before| before.ends_with("super::")) {
            continue;
        }
        let mut rest = file.code.get(at..).unwrap_or_default();
        let mut steps = 0;
        while let Some(next) = rest.strip_prefix("super::") {
            (rest, steps) = (next, steps + 1);
        }
        let depth = inside.split('/').count() + modules.iter().filter(|m| m.start < at && at < m.end).count();
        if steps == depth {
            found.extend(heads(rest, 0, rest).into_iter().map(|name| (at, name)));
        }
    }
    found
}

/// Services and edges that reach themselves through others.
fn circles(uses: &BTreeMap<&str, BTreeSet<String>>) -> Vec<Violation> {
    let mut found = Vec::new();
    for start in uses.keys().filter(|module| place(module).is_some_and(|level| level < Level::Root)) {
        let mut reached = BTreeSet::new();
        let mut next = vec![(*start).to_owned()];
        while let Some(module) = next.pop() {
            let direct = uses.get(module.as_str()).into_iter().flatten();
            next.extend(direct.filter(|to| reached.insert((*to).clone())).cloned());
        }
        if reached.contains(*start) {
            let message = format!("`{start}` reaches itself through the modules it uses: break the circle");
            found.push(Violation::new("circle", &format!("{SERVER}{start}"), 0, start, message));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<Source> =
            files.iter().map(|(path, text)| Source::new(&format!("{SERVER}{path}"), text)).collect();
        check(&files).into_iter().map(|v| format!("{} {}", v.check, v.what)).collect()
    }

    #[test]
    fn upward_is_caught_however_it_is_written() {
        for text in [
            "use crate::http::Router;",
            "use crate::{config::Config, http};",
            "fn f() { crate::http::v1::f() }",
            "use super::super::http;",
            "mod tests { use super::super::super::http; }",
        ] {
            assert_eq!(whats(&[("store/meters.rs", text)]), ["order http"], "{text}");
        }
        assert_eq!(whats(&[("ingest.rs", "use crate::jobs;")]), ["order jobs"]);
        assert_eq!(whats(&[("http/mod.rs", "use crate::app::App;")]), ["order app"]);
    }

    #[test]
    fn sideways_is_caught_among_storage_and_from_the_base() {
        assert_eq!(whats(&[("store.rs", "use crate::events::Log;")]), ["order events"]);
        assert_eq!(whats(&[("clock.rs", "use crate::store::Db;")]), ["order store"]);
        assert_eq!(whats(&[("billing.rs", "use crate::webhooks::Outbox;")]), Vec::<String>::new());
    }

    #[test]
    fn downward_and_inward_are_fine() {
        let text = "use crate::{store::Db, ingest, clock::Clock}; use super::http; // crate::app\nconst A: &str = \"crate::cli\";";
        assert_eq!(
            whats(&[("http/v1/events.rs", text), ("app.rs", "use crate::http;")]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn circles_and_modules_without_a_place_are_caught() {
        let pair = [("auth.rs", "use crate::mail::send;"), ("mail.rs", "use crate::auth::User;")];
        assert_eq!(whats(&pair), ["circle auth", "circle mail"]);
        assert_eq!(whats(&[("helpers/strings.rs", "")]), ["order helpers"]);
    }
}
