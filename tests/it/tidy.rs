//! Keeps the house in order: who may know whom, lengths, banned words, dead files.
//!
//! Every violation of the tree is reported at once. `tidy_allow.txt` lists what is tolerated, one
//! violation a line; an entry that matches nothing any more fails too, so the list can only shrink.
mod allow;
mod crates;
mod dead;
mod homes;
mod order;
mod size;
mod source;
mod tree;
mod words;

use std::fmt;

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    /// The file, relative to the root of the repository.
    path: String,
    /// The line, from 1; 0 stands for the whole file.
    line: usize,
    /// Which check found it.
    check: &'static str,
    /// What stays the same while lines move: the allow-list names this.
    what: String,
    /// What is wrong and what to do, for a person.
    message: String,
}

impl Violation {
    fn new(check: &'static str, path: &str, line: usize, what: &str, message: String) -> Self {
        Self { path: path.to_owned(), line, check, what: what.to_owned(), message }
    }

    /// How an entry of the allow-list names this violation.
    fn key(&self) -> String {
        format!("{} {} {}", self.check, self.path, self.what)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}  [{}]", self.path, self.line, self.message, self.key())
    }
}

/// Looks at a whole tree.
type Check = fn(&[source::Source]) -> Vec<Violation>;

/// All violations of a tree, in order of place.
fn violations(files: &[source::Source]) -> Vec<Violation> {
    let checks: [Check; 6] =
        [order::check, crates::check, homes::check, size::check, words::check, dead::check];
    let mut found: Vec<Violation> = checks.iter().flat_map(|check| check(files)).collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn the_tree_is_tidy() {
    let files = tree::read();
    assert!(files.iter().any(|file| file.path == "crates/domain/src/lib.rs"), "the tree was not found");
    println!("{}", size::report(&files));
    let left = allow::apply(violations(&files), include_str!("tidy_allow.txt"));
    let list: Vec<String> = left.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} violations:\n{}", list.len(), list.join("\n"));
}
