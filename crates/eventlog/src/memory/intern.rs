//! Texts numbered in the order of their first appearance.
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::collections::BTreeSet;
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

    /// All texts, in no order.
    pub fn texts(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.numbers.keys()
    }

    /// Forgets all texts but those with these numbers; whoever still knows another number is shown what it
    /// was.
    pub fn keep(&mut self, numbers: &BTreeSet<u32>) {
        self.numbers.retain(|_, number| numbers.contains(number));
    }

    /// Forgets a text that nothing has any more; whoever still knows its number is shown another one.
    pub fn forget(&mut self, text: &str, shown_as: &str) {
        let Some(number) = self.numbers.remove(text) else { return };
        if let Some(shown) = self.texts.get_mut(number as usize) {
            *shown = shown_as.into();
        }
    }
}
