//! Entries as rows of an export.
use super::to_api;
use crate::http::export::{Cell, Column, Kind, Row};
use crate::store::Limit;
use crate::store::audit::Stored;

/// Entries that are held at once, each at most tens of kilobytes.
pub const PAGE_ENTRIES: Limit = Limit::at_most(200);

impl Row for Stored {
    const COLUMNS: &'static [Column] = &[
        Column::new("number", Kind::Whole),
        Column::new("created_at", Kind::Time),
        Column::new("project_time", Kind::Time),
        Column::new("actor", Kind::Text),
        Column::new("action", Kind::Text),
        Column::new("object", Kind::Text),
        Column::new("before", Kind::Text),
        Column::new("after", Kind::Text),
        Column::new("previous_hash", Kind::Text),
        Column::new("hash", Kind::Text),
        Column::optional("redacted_by", Kind::Text),
    ];

    fn into_cells(self) -> Vec<Cell> {
        let (at, project_time) = (self.entry.at, self.entry.project_time);
        let entry = to_api(self);
        vec![
            entry.number.into(),
            at.into(),
            project_time.into(),
            entry.actor.into(),
            entry.action.into(),
            entry.object.into(),
            entry.before.to_string().into(),
            entry.after.to_string().into(),
            entry.previous_hash.into(),
            entry.hash.into(),
            Cell::of(entry.redacted_by),
        ]
    }

    fn into_json(self) -> String {
        serde_json::to_string(&to_api(self)).unwrap_or_default()
    }
}
