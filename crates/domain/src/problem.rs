//! Everything that is wrong with what was given, collected before it is refused.
use std::fmt;

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Which field, as a path such as `prices[0].tiers[1].up_to`.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
    /// The values that are allowed, where they can be listed.
    pub allowed: &'static [&'static str],
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)?;
        if self.allowed.is_empty() { Ok(()) } else { write!(f, " (one of {})", self.allowed.join(", ")) }
    }
}

/// The problems found so far, and the path of what is being looked at.
#[derive(Debug, Default)]
pub struct Problems {
    path: String,
    found: Vec<Problem>,
}

impl Problems {
    /// Whether nothing was found; otherwise everything that was.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Vec<Problem>> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(self.found),
        }
    }

    /// Notes what is wrong with a field.
    pub fn note(&mut self, field: &str, reason: impl fmt::Display) {
        self.note_choice(field, reason, &[]);
    }

    /// Notes what is wrong with a field whose values can be listed.
    pub fn note_choice(&mut self, field: &str, reason: impl fmt::Display, allowed: &'static [&'static str]) {
        let joint = if self.path.is_empty() || field.is_empty() { "" } else { "." };
        let field = format!("{}{joint}{field}", self.path);
        self.found.push(Problem { field, reason: reason.to_string(), allowed });
    }

    /// The value, or a note why there is none.
    pub fn keep<T, E: fmt::Display>(&mut self, field: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.note(field, error)).ok()
    }

    /// A field that must be there.
    pub fn required<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.note(field, "is required");
        }
        value
    }

    /// One of the named values.
    pub fn choose<T: Copy>(
        &mut self,
        field: &str,
        name: &str,
        names: &'static [&'static str],
        values: &[T],
    ) -> Option<T> {
        let found = names.iter().zip(values).find(|(known, _)| **known == name).map(|(_, value)| *value);
        if found.is_none() {
            self.note_choice(field, "is not known", names);
        }
        found
    }

    /// Looks at a part: its fields are noted under its name.
    pub fn within<T>(&mut self, part: &str, look: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(part);
        let result = look(self);
        self.path.truncate(before);
        result
    }

    /// Looks at each element of a list; `None` when any of them could not be read.
    pub fn each<I, T>(
        &mut self,
        list: &str,
        items: &[I],
        mut look: impl FnMut(&mut Self, &I) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut all = Some(Vec::with_capacity(items.len()));
        for (index, item) in items.iter().enumerate() {
            let read = self.within(&format!("{list}[{index}]"), |problems| look(problems, item));
            all = all.zip(read).map(|(mut all, read)| {
                all.push(read);
                all
            });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_kept_with_its_path() {
        let mut problems = Problems::default();
        problems.note("name", "is required");
        let list = problems.each("list", &["a", "7", "x"], |problems, text| {
            problems.within("inner", |problems| {
                problems.keep("n", text.parse::<u8>().map_err(|_| "must be a number"))
            })
        });
        assert_eq!(list, None);
        assert_eq!(problems.choose("kind", "c", &["a", "b"], &[1, 2]), None);
        assert_eq!(problems.choose("kind", "b", &["a", "b"], &[1, 2]), Some(2));
        let shown: Vec<String> =
            problems.into_result(Some(())).unwrap_err().iter().map(ToString::to_string).collect();
        let expected = [
            "name: is required",
            "list[0].inner.n: must be a number",
            "list[2].inner.n: must be a number",
            "kind: is not known (one of a, b)",
        ];
        assert_eq!(shown, expected);
        assert_eq!(Problems::default().into_result(Some(1)), Ok(1));
    }
}
