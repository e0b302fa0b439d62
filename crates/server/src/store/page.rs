//! Lists in pages: a stable order, a bounded limit and a cursor after which to go on.
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reckoner_domain::time::Timestamp;

/// Rows of a page when nothing is said.
pub const LIMIT_DEFAULT: u32 = 50;
/// Most rows of a page.
pub const LIMIT_MAX: u32 = 1_000;
/// Most rows of a list on the compatible paths.
pub const LIMIT_COMPATIBLE_MAX: u32 = 10_000;

/// How many rows a page has: 1 to [`LIMIT_MAX`], on the compatible paths more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u32);

impl Limit {
    /// This many; `None` when out of range.
    pub fn new(rows: u32) -> Option<Self> {
        (1..=LIMIT_MAX).contains(&rows).then_some(Self(rows))
    }

    /// This many, or the nearest in range; for constants.
    pub const fn at_most(rows: u32) -> Self {
        match rows {
            0 => Self(1),
            1..=LIMIT_MAX => Self(rows),
            _ => Self(LIMIT_MAX),
        }
    }

    /// This many, or the nearest that the compatible paths allow: 1 to [`LIMIT_COMPATIBLE_MAX`].
    pub fn compatible(rows: u32) -> Self {
        Self(rows.clamp(1, LIMIT_COMPATIBLE_MAX))
    }

    /// How many rows.
    pub fn rows(self) -> u32 {
        self.0
    }

    /// One more than fits the page: whether it comes tells whether the list goes on.
    pub(super) fn probe(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(LIMIT_DEFAULT)
    }
}

/// The last row of a page: the instant the list is ordered by, and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What the list is ordered by.
    pub time: Timestamp,
    /// Decides between equal times.
    pub id: String,
}

/// A text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the next_cursor of an earlier answer")]
pub struct CursorError;

impl Cursor {
    /// As clients carry it.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}.{}", self.time.as_micros(), self.id))
    }

    /// Reads what [`Cursor::to_text`] wrote.
    pub fn parse(text: &str) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let text = String::from_utf8(bytes).map_err(|_| CursorError)?;
        let (micros, id) = text.split_once('.').ok_or(CursorError)?;
        if id.contains('\0') {
            return Err(CursorError);
        }
        let micros = micros.parse().map_err(|_| CursorError)?;
        Ok(Self { time: Timestamp::from_micros(micros).ok_or(CursorError)?, id: id.to_owned() })
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// From at most [`Limit::probe`] rows.
    pub(super) fn new(mut items: Vec<T>, limit: Limit, cursor: impl Fn(&T) -> Cursor) -> Self {
        let rows = limit.0 as usize;
        let more = items.len() > rows;
        items.truncate(rows);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back() {
        let cursor = Cursor { time: Timestamp::from_micros_clamped(-5), id: "a.b/ü_daily_2026".into() };
        assert_eq!(Cursor::parse(&cursor.to_text()), Ok(cursor));
        for bad in ["", "!", "MTIz", "eC55", "MS4A"] {
            assert_eq!(Cursor::parse(bad), Err(CursorError), "{bad}");
        }
    }

    #[test]
    fn a_page_ends_where_the_list_does() {
        let cursor = |n: &u32| Cursor { time: Timestamp::default(), id: n.to_string() };
        let limit = Limit::new(2).expect("in range");
        assert_eq!(Page::new(vec![1, 2], limit, cursor).next, None);
        let page = Page::new(vec![1, 2, 3], limit, cursor);
        assert_eq!((page.items.len(), page.next.map(|c| c.id)), (2, Some("2".to_owned())));
        assert_eq!((Limit::new(0), Limit::new(LIMIT_MAX + 1)), (None, None));
    }
}
