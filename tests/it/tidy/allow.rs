//! The list of what is tolerated.
use super::Violation;

/// Most entries the list may have; lower it when the list gets shorter.
const ENTRIES_MAX: usize = 0;

const LIST: &str = "tests/it/tidy_allow.txt";

/// Takes out what the list tolerates and adds entries that tolerate nothing.
pub fn apply(found: Vec<Violation>, list: &str) -> Vec<Violation> {
    apply_at_most(found, list, ENTRIES_MAX)
}

fn apply_at_most(found: Vec<Violation>, list: &str, entries_max: usize) -> Vec<Violation> {
    let entries: Vec<(usize, &str)> = (1..)
        .zip(list.lines().map(str::trim))
        .filter(|(_, entry)| !entry.is_empty() && !entry.starts_with('#'))
        .collect();
    let (allowed, mut left): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|v| entries.iter().any(|(_, entry)| *entry == v.key()));
    for (line, entry) in &entries {
        if !allowed.iter().any(|v| v.key() == *entry) {
            let message = format!("nothing violates `{entry}` any more: take the entry out");
            left.push(Violation::new("allow-list", LIST, *line, entry, message));
        }
    }
    if entries.len() > entries_max {
        let message = format!("{} entries, at most {entries_max}: the list may only shrink", entries.len());
        left.push(Violation::new("allow-list", LIST, 0, "length", message));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted() -> Violation {
        Violation::new("words", "a.rs", 3, "dbg!", "no".into())
    }

    #[test]
    fn an_entry_tolerates_its_violation_only() {
        assert_eq!(apply_at_most(vec![planted()], "# why\nwords a.rs dbg!\n", 1), []);
        assert_eq!(apply_at_most(vec![planted()], "", 1), [planted()]);
    }

    #[test]
    fn a_stale_entry_is_a_violation() {
        let left = apply_at_most(vec![], "words a.rs dbg!", 1);
        assert_eq!(left.iter().map(|v| (v.check, v.line)).collect::<Vec<_>>(), [("allow-list", 1)]);
    }

    #[test]
    fn the_list_may_not_grow() {
        let left = apply_at_most(vec![planted()], "words a.rs dbg!", 0);
        assert_eq!(left.iter().map(|v| v.what.as_str()).collect::<Vec<_>>(), ["length"]);
    }
}
