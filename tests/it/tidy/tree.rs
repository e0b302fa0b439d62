//! Reads the tree that is checked.
use super::source::Source;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold no source of ours.
const SKIPPED: [&str; 7] = ["target", "node_modules", "data", "dist", "snapshots", "fixtures", "__pycache__"];
/// Kinds of files that are read.
const KINDS: [&str; 8] = ["rs", "toml", "py", "mjs", "js", "ts", "sh", "sql"];

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every source file, by path.
pub fn read() -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    walk(&root, &root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                walk(root, &path, files);
            }
        } else if is_source(&path) {
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let relative = path.strip_prefix(root).expect("a path under the root");
            files.push(Source::new(&relative.to_string_lossy(), &text));
        }
    }
}

/// By its kind, or a script without one.
fn is_source(path: &Path) -> bool {
    match path.extension().and_then(|kind| kind.to_str()) {
        Some(kind) => KINDS.contains(&kind),
        None => path.parent().is_some_and(|folder| folder.ends_with("scripts")),
    }
}

#[test]
fn scripts_and_known_kinds_are_read() {
    assert!(is_source(Path::new("crates/a/src/lib.rs")));
    assert!(is_source(Path::new("scripts/bench")));
    assert!(!is_source(Path::new("LICENSE")));
    assert!(!is_source(Path::new("Cargo.lock")));
}
