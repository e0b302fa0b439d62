//! Reads settings from flags, environment and file, in that order, and notes every problem.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as named in the file.
    pub setting: String,
    /// What is wrong and what is allowed.
    pub reason: String,
}

impl Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.setting, self.reason)
    }
}

/// A setting as documented and as in force.
#[derive(Clone, Debug)]
pub struct SettingDoc {
    /// The name in the file; the environment name follows from it.
    pub name: &'static str,
    /// What it does, with its unit.
    pub about: &'static str,
    /// Further environment names that are honoured.
    pub aliases: &'static [&'static str],
    /// The value when nothing is set; empty where there is none.
    pub default: String,
    /// The value in force, masked for secrets.
    pub value: String,
    /// Where the value came from.
    pub source: &'static str,
}

impl SettingDoc {
    /// The environment variable of this setting.
    pub fn env_name(&self) -> String {
        env_name(self.name)
    }
}

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Given on the command line, by setting name.
    pub flags: BTreeMap<&'static str, String>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The configuration file.
    pub file: toml::Table,
}

/// Reads typed settings and collects problems and documentation on the way.
pub(super) struct Reader<'a> {
    sources: &'a Sources,
    pub(super) problems: Vec<Problem>,
    pub(super) docs: Vec<SettingDoc>,
    known: BTreeSet<&'static str>,
}

/// What a setting is called, and what it is for.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Further environment names that are honoured.
    pub(super) aliases: &'static [&'static str],
    pub(super) secret: bool,
}

pub(super) const fn named(name: &'static str, about: &'static str) -> Named {
    Named { name, about, aliases: &[], secret: false }
}

impl Named {
    pub(super) const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    pub(super) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }
}

fn env_name(name: &str) -> String {
    format!("RECKONER_{}", name.replace('.', "_").to_uppercase())
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self { sources, problems: Vec::new(), docs: Vec::new(), known: BTreeSet::new() }
    }

    pub(super) fn problem(&mut self, setting: &str, reason: impl Into<String>) {
        self.problems.push(Problem { setting: setting.to_owned(), reason: reason.into() });
    }

    /// The text of a setting and where it came from.
    fn text(&mut self, named: Named) -> Option<(String, &'static str)> {
        self.known.insert(named.name);
        if let Some(text) = self.sources.flags.get(named.name) {
            return Some((text.clone(), "flag"));
        }
        let own = env_name(named.name);
        let mut names = std::iter::once(own.as_str()).chain(named.aliases.iter().copied());
        let set = |name: &str| self.sources.env.get(name).filter(|text| !text.is_empty()).cloned();
        if let Some(text) = names.find_map(set) {
            return Some((text, "environment"));
        }
        match find(&self.sources.file, named.name)? {
            toml::Value::String(text) => Some((text.clone(), "file")),
            value @ (toml::Value::Integer(_) | toml::Value::Boolean(_) | toml::Value::Float(_)) => {
                Some((value.to_string(), "file"))
            }
            toml::Value::Array(items) => {
                let texts: Vec<&str> = items.iter().filter_map(toml::Value::as_str).collect();
                if texts.len() != items.len() {
                    self.problem(named.name, "must be a list of texts");
                }
                Some((texts.join(","), "file"))
            }
            _ => {
                self.problem(named.name, "must be a single value");
                None
            }
        }
    }

    /// What the file says under a name, where that is no single setting.
    pub(super) fn of_file(&self, name: &str) -> Option<&'a toml::Value> {
        self.sources.file.get(name)
    }

    /// An environment variable that is set.
    pub(super) fn of_environment(&self, name: &str) -> Option<&'a str> {
        self.sources.env.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A setting that need not be there.
    pub(super) fn optional<T: FromStr>(&mut self, named: Named, allowed: &str) -> Option<T> {
        let found = self.text(named);
        let shown = match &found {
            None => "",
            Some(_) if named.secret => "(set)",
            Some((text, _)) => text,
        };
        self.docs.push(SettingDoc {
            name: named.name,
            about: named.about,
            aliases: named.aliases,
            default: String::new(),
            value: shown.to_owned(),
            source: found.as_ref().map_or("default", |(_, source)| source),
        });
        let (text, _) = found?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.problem(named.name, format!("must be {allowed}"));
        }
        parsed
    }

    /// A setting with a default.
    pub(super) fn value<T: FromStr + Display>(&mut self, named: Named, default: T, allowed: &str) -> T {
        let parsed = self.optional(named, allowed);
        if let Some(doc) = self.docs.last_mut() {
            doc.default = default.to_string();
            if doc.source == "default" {
                doc.value.clone_from(&doc.default);
            }
        }
        parsed.unwrap_or(default)
    }

    /// A whole number within a range.
    pub(super) fn number(&mut self, named: Named, default: u64, range: RangeInclusive<u64>) -> u64 {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        let number = self.value(named, default, &allowed);
        if range.contains(&number) {
            return number;
        }
        self.problem(named.name, format!("must be {allowed}"));
        default
    }

    /// `true`, `false`, `1` or `0`.
    pub(super) fn flag(&mut self, named: Named, default: bool) -> bool {
        self.value(named, Switch(default), "true, false, 1 or 0").0
    }

    /// Notes every key of the file that no setting has.
    pub(super) fn refuse_unknown(&mut self, besides: &[&str]) {
        let mut names = Vec::new();
        flatten(&self.sources.file, "", &mut names);
        for name in names {
            let known = self.known.contains(name.as_str());
            let other = besides.iter().any(|prefix| name.split('.').next() == Some(prefix));
            if !known && !other {
                self.problem(&name, "is no setting; `reckoner config check` lists them all");
            }
        }
    }
}

/// A truth value as the environment writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Switch(bool);

impl FromStr for Switch {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(Self(true)),
            "false" | "0" => Ok(Self(false)),
            _ => Err(()),
        }
    }
}

impl Display for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn find<'t>(table: &'t toml::Table, name: &str) -> Option<&'t toml::Value> {
    match name.split_once('.') {
        None => table.get(name),
        Some((head, rest)) => find(table.get(head)?.as_table()?, rest),
    }
}

fn flatten(table: &toml::Table, prefix: &str, names: &mut Vec<String>) {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value.as_table() {
            Some(inner) => flatten(inner, &name, names),
            None => names.push(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(file: &str, env: &[(&str, &str)]) -> Sources {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Sources { flags: BTreeMap::new(), env, file: file.parse().expect("TOML") }
    }

    #[test]
    fn flags_win_over_environment_over_file() {
        let mut all = sources("[a]\nb = 1", &[("RECKONER_A_B", "2"), ("OLD_B", "5")]);
        let name = named("a.b", "").also(&["OLD_B"]);
        assert_eq!(Reader::new(&all).number(name, 9, 0..=9), 2);
        all.flags.insert("a.b", "3".into());
        assert_eq!(Reader::new(&all).number(name, 9, 0..=9), 3);
        assert_eq!(Reader::new(&sources("[a]\nb = 1", &[])).number(name, 9, 0..=9), 1);
        assert_eq!(Reader::new(&sources("", &[("OLD_B", "5")])).number(name, 9, 0..=9), 5);
        assert_eq!(Reader::new(&sources("", &[("RECKONER_A_B", "")])).number(name, 9, 0..=9), 9);
    }

    #[test]
    fn every_problem_is_noted() {
        let all = sources("x = 1\n[a]\nb = 99\nc = 'maybe'\nz = 1", &[]);
        let mut reader = Reader::new(&all);
        reader.number(named("a.b", ""), 1, 0..=9);
        reader.flag(named("a.c", ""), false);
        reader.refuse_unknown(&[]);
        let settings: Vec<&str> = reader.problems.iter().map(|problem| problem.setting.as_str()).collect();
        assert_eq!(settings, ["a.b", "a.c", "a.z", "x"]);
    }
}
