//! Files that no `mod` names.
use super::Violation;
use super::source::{Source, first_word, is_rust, words};
use std::collections::BTreeSet;

/// Rust files that are neither roots nor reached from one.
pub fn check(files: &[Source]) -> Vec<Violation> {
    let named: BTreeSet<String> = files.iter().filter(|file| file.is_rust()).flat_map(names).collect();
    let dead = |file: &&Source| file.is_rust() && !is_root(&file.path) && !named.contains(&file.path);
    files
        .iter()
        .filter(dead)
        .map(|file| Violation::new("dead-file", &file.path, 0, "file", "no `mod` names this file".into()))
        .collect()
}

/// Files that cargo itself finds.
fn is_root(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    matches!(name, "lib.rs" | "main.rs" | "build.rs")
        || ["/bin/", "/benches/", "/examples/", "/fuzz_targets/"].iter().any(|folder| path.contains(folder))
        || path.strip_prefix("benches/").is_some_and(|rest| !rest.contains('/'))
        || path
            .split_once("/tests/")
            .is_some_and(|(_, rest)| path.starts_with("crates/") && !rest.contains('/'))
}

/// The paths that a file's `mod` declarations, `#[path]` and `include!` may mean.
fn names(file: &Source) -> Vec<String> {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let stem = name.trim_end_matches(".rs");
    let home = if matches!(stem, "lib" | "main" | "mod") || is_root(&file.path) {
        folder.to_owned()
    } else {
        format!("{folder}/{stem}")
    };
    let inline: Vec<_> = file.blocks().into_iter().filter(|block| block.keyword == "mod").collect();
    let mut found = Vec::new();
    for at in words(&file.code, "mod") {
        let rest = file.code.get(at + 3..).unwrap_or_default().trim_start();
        let module = first_word(rest);
        let outer = inline.iter().filter(|m| m.start < at && at < m.end).map(|m| m.name.as_str());
        let place: Vec<&str> = [home.as_str()].into_iter().chain(outer).collect();
        let place = place.join("/");
        found.extend([format!("{place}/{module}.rs"), format!("{place}/{module}/mod.rs")]);
    }
    let texts = file.literals.iter().filter(|(_, text)| is_rust(text));
    found.extend(texts.map(|(_, text)| format!("{folder}/{text}")));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        check(&files).into_iter().map(|v| v.path).collect()
    }

    #[test]
    fn a_file_that_nothing_names_is_caught() {
        let files =
            [("a/src/lib.rs", "pub mod b;"), ("a/src/b.rs", ""), ("a/src/c.rs", ""), ("a/src/b/d.rs", "")];
        assert_eq!(dead(&files), ["a/src/c.rs", "a/src/b/d.rs"]);
        assert_eq!(dead(&[("a/src/lib.rs", "// mod b;"), ("a/src/b.rs", "")]), ["a/src/b.rs"]);
    }

    #[test]
    fn every_way_to_name_a_file_is_known() {
        let files = [
            ("a/src/lib.rs", "mod b; mod c { mod d; } #[path = \"odd/e.rs\"] mod x;"),
            ("a/src/b/mod.rs", "mod f;"),
            ("a/src/b/f.rs", "mod g;"),
            ("a/src/b/f/g.rs", ""),
            ("a/src/c/d.rs", ""),
            ("a/src/odd/e.rs", ""),
            ("a/src/bin/tool.rs", ""),
        ];
        assert_eq!(dead(&files), Vec::<String>::new());
    }
}
