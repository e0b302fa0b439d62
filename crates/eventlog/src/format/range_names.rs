//! Names of files that are about some segments: the first and the last of them, 16 hex digits each.

/// What such files are called.
pub struct RangeNames {
    /// What every name begins with.
    pub prefix: &'static str,
    /// What every name ends in, once the file is whole.
    pub suffix: &'static str,
}

impl RangeNames {
    /// The name of the file about these segments.
    pub fn of(&self, first: u64, last: u64) -> String {
        format!("{}{first:016x}-{last:016x}{}", self.prefix, self.suffix)
    }

    /// What that file is called while it is written.
    pub fn temporary(&self, first: u64, last: u64) -> String {
        format!("{}new-{first:016x}-{last:016x}.tmp", self.prefix)
    }

    /// The first and last segment in a name.
    pub fn parse(&self, name: &str) -> Option<(u64, u64)> {
        let digits = name.strip_prefix(self.prefix)?.strip_suffix(self.suffix)?;
        let (first, last) = digits.split_once('-')?;
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        let (first, last) = (number(first)?, number(last)?);
        (self.of(first, last) == name && first <= last).then_some((first, last))
    }

    /// Whether a file is one of these, whole or not.
    pub fn has(&self, name: &str) -> bool {
        self.parse(name).is_some()
            || name.strip_prefix(self.prefix).is_some_and(|rest| rest.starts_with("new-"))
    }
}
