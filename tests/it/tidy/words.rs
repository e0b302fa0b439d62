//! Words that mean something is not finished or not meant.
use super::Violation;
use super::source::{Source, words};

/// Notes to oneself, in code and comments.
const NOTES: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];
/// Calls and attributes, in code.
const CALLS: [&str; 6] = ["dbg!", "todo!", "unimplemented!", "#[allow(", "#![allow(", "#[ignore"];

/// Every banned word.
pub fn check(files: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        for word in NOTES {
            for at in words(&file.code, word).chain(words(&file.comments, word)) {
                let message = format!("`{word}`: do it now, or write it into the tracker");
                found.push(Violation::new("words", &file.path, file.line(at), word, message));
            }
        }
        if !file.is_rust() {
            continue;
        }
        for call in CALLS {
            for (at, _) in file.code.match_indices(call) {
                let message = format!("`{call}` does not stay (for lints: `#[expect(.., reason = \"..\")]`)");
                found.push(Violation::new("words", &file.path, file.line(at), call, message));
            }
        }
    }
    found
}

#[test]
fn banned_words_are_caught_where_they_count() {
    let whats = |path: &str, text: &str| {
        check(&[Source::new(path, text)]).into_iter().map(|v| (v.line, v.what)).collect::<Vec<_>>()
    };
    assert_eq!(whats("a.rs", "\n// TODO: later\n"), [(2, "TODO".to_owned())]);
    assert_eq!(
        whats("a.rs", "#[allow(dead_code)]\nfn a() { dbg!(1); }"),
        [(2, "dbg!".into()), (1, "#[allow(".into())]
    );
    assert_eq!(whats("a.rs", "fn a() { unimplemented!() }"), [(1, "unimplemented!".to_owned())]);
    assert_eq!(whats("scripts/a", "# FIXME\n"), [(1, "FIXME".to_owned())]);
    assert_eq!(whats("a.rs", "const A: &str = \"TODO dbg!\"; // METHODOLOGY"), []);
}
