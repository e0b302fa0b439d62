//! Texts numbered in the order of their first appearance.
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::sync::Arc;

/// Texts numbered from 0.
#[derive(Default)]
pub struct Interner {
    numbers: HashMap<Arc<str>, u32, RandomState>,
    texts: Vec<Arc<str>>,
}

impl Interner {
    /// A number that no text has.
    pub const NOBODY: u32 = u32::MAX;

    /// The number of a text, given now if it is new.
    pub fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    /// The number of a text seen before.
    pub fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// The text with a number.
    pub fn text(&self, number: u32) -> Arc<str> {
        self.texts.get(number as usize).cloned().unwrap_or_else(|| "".into())
    }

    /// All texts, in the order of their numbers.
    pub fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }
}
