//! Takes what paths lead to out of the text of JSON, without making a tree of it.
//!
//! What is found means what the tree means: of a repeated name the last counts, and what is no JSON has
//! nothing. Texts are checked as they are walked over. What is rare and would make this long is left to
//! the tree: names with escapes or a leading `$`, halves of surrogate pairs, deep nesting, and whatever
//! does not read as JSON.
use super::walk::{Odd, Walk};
use super::{Path, Properties, Step, text_of};
use crate::decimal::{Decimal, Excess};
use serde_json::Value;
use std::borrow::Cow;
use std::ops::Range;

/// Most digits of a number that is shown as it is written.
const PLAIN_DIGITS_MAX: usize = 18;

/// A place that some path leads to or through, by its number.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// The places below it in an object, by name.
    pub keys: Vec<(String, usize)>,
    /// The places below it in a list.
    pub indexes: Vec<(usize, usize)>,
}

/// Takes what some paths lead to out of texts, one after another.
#[derive(Clone, Debug)]
pub struct Extractor {
    nodes: Vec<Node>,
    paths: Vec<(Path, usize)>,
    /// Where in the text the value of each place lies.
    found: Vec<Option<Range<usize>>>,
}

/// What was found in one text.
#[derive(Debug)]
pub struct Extracted<'e, 't> {
    of: &'e Extractor,
    text: &'t str,
    /// What was read where the text was left to the tree.
    tree: Option<Value>,
}

impl Extractor {
    /// Takes out what these paths lead to.
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut made = Self { nodes: vec![Node::default()], paths: Vec::new(), found: Vec::new() };
        for path in paths {
            if made.place_of(path).is_none() {
                let place = path.steps.iter().fold(0, |place, step| made.below(place, step));
                made.paths.push((path.clone(), place));
            }
        }
        made.found = vec![None; made.nodes.len()];
        made
    }

    /// The place that a step leads to, made where there is none.
    fn below(&mut self, place: usize, step: &Step) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(place) else { return place };
        let known = match step {
            Step::Key(key) => node.keys.iter().find(|(known, _)| known == key).map(|(_, place)| *place),
            Step::Index(index) => node.indexes.iter().find(|(known, _)| known == index).map(|(_, at)| *at),
        };
        if let Some(known) = known {
            return known;
        }
        match step {
            Step::Key(key) => node.keys.push((key.clone(), next)),
            Step::Index(index) => node.indexes.push((*index, next)),
        }
        self.nodes.push(Node::default());
        next
    }

    fn place_of(&self, path: &Path) -> Option<usize> {
        self.paths.iter().find(|(known, _)| known.leads_as(path)).map(|(_, place)| *place)
    }

    /// Looks through the text of an event's properties; there are none where it is `None`.
    pub fn read<'t>(&mut self, text: Option<&'t str>) -> Extracted<'_, 't> {
        self.found.fill(None);
        let Some(text) = text else { return Extracted { of: self, text: "", tree: Some(Value::Null) } };
        if self.paths.is_empty() {
            return Extracted { of: self, text, tree: None };
        }
        let walked = Walk::new(text, &self.nodes, &mut self.found).all();
        let tree = walked.err().map(|Odd| serde_json::from_str(text).unwrap_or_default());
        Extracted { of: self, text, tree }
    }
}

impl<'t> Extracted<'_, 't> {
    /// Whether the text was not left to the tree.
    #[cfg(test)]
    pub fn is_of_the_walk(&self) -> bool {
        self.tree.is_none()
    }

    /// The text of the value that a path leads to.
    fn raw(&self, path: &Path) -> Result<Option<&'t str>, Odd> {
        let place = self.of.place_of(path).ok_or(Odd)?;
        let range = self.of.found.get(place).and_then(Clone::clone);
        Ok(range.and_then(|range| self.text.get(range)))
    }

    /// Looks a path up that it was not made for.
    fn otherwise<T>(&self, path: &Path, look: impl FnOnce(&Path, &Value) -> Option<T>) -> Option<T> {
        look(path, &serde_json::from_str(self.text).unwrap_or_default())
    }
}

impl Properties for Extracted<'_, '_> {
    fn text(&self, path: &Path) -> Option<Cow<'_, str>> {
        match (&self.tree, self.raw(path)) {
            (Some(tree), _) => path.find_text(tree).map(Cow::Owned),
            (None, Ok(raw)) => text_of_raw(raw?),
            (None, Err(Odd)) => self.otherwise(path, Path::find_text).map(Cow::Owned),
        }
    }

    fn decimal(&self, path: &Path, excess: Excess) -> Option<Decimal> {
        let in_tree = |path: &Path, tree: &Value| path.find_decimal(tree, excess);
        match (&self.tree, self.raw(path)) {
            (Some(tree), _) => in_tree(path, tree),
            (None, Ok(raw)) => decimal_of_raw(raw?, excess),
            (None, Err(Odd)) => self.otherwise(path, in_tree),
        }
    }
}

/// A text without escapes, of a value that is one.
fn plain_text(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"').filter(|inner| !inner.contains('\\'))
}

fn tree_of(raw: &str) -> Option<Value> {
    serde_json::from_str(raw).ok()
}

/// Whether a value is a number without an exponent, which trees write in another way.
fn is_plain_number(raw: &str) -> bool {
    raw.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
}

/// What [`text_of`] tells of a value, of its text.
fn text_of_raw(raw: &str) -> Option<Cow<'_, str>> {
    if let Some(plain) = plain_text(raw) {
        return Some(Cow::Borrowed(plain));
    }
    match raw {
        "null" => None,
        "true" | "false" => Some(Cow::Borrowed(raw)),
        _ if raw.len() <= PLAIN_DIGITS_MAX && raw.bytes().all(|digit| digit.is_ascii_digit()) => {
            Some(Cow::Borrowed(raw))
        }
        _ => {
            let number = if is_plain_number(raw) { Decimal::parse(raw).ok() } else { None };
            let text = number.map(|number| number.to_string());
            text.or_else(|| tree_of(raw).and_then(|value| text_of(&value))).map(Cow::Owned)
        }
    }
}

/// What [`Path::find_decimal`] tells of a value, of its text.
fn decimal_of_raw(raw: &str, excess: Excess) -> Option<Decimal> {
    if is_plain_number(raw) {
        return Decimal::parse_with(raw, excess).ok();
    }
    match plain_text(raw) {
        Some(plain) => Decimal::parse_with(plain, excess).ok(),
        None => super::decimal_of(&tree_of(raw)?, excess),
    }
}
