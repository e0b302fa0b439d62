//! Aggregations as rows of an export.
use super::to_api;
use crate::http::export::{Cell, Column, Kind, Row};
use crate::store::Limit;
use crate::store::aggregations::Aggregation;

/// Aggregations that are held at once.
pub const PAGE_AGGREGATIONS: Limit = Limit::at_most(500);

impl Row for Aggregation {
    const COLUMNS: &'static [Column] = &[
        Column::new("id", Kind::Text),
        Column::new("customer", Kind::Text),
        Column::new("period", Kind::Text),
        Column::new("period_key", Kind::Text),
        Column::new("period_start", Kind::Time),
        Column::new("period_end", Kind::Time),
        Column::new("values", Kind::Text),
        Column::new("event_counts", Kind::Text),
        Column::new("event_count", Kind::Whole),
        Column::new("complete", Kind::Truth),
        Column::new("revision", Kind::Whole),
        Column::new("created_at", Kind::Time),
        Column::new("updated_at", Kind::Time),
        Column::optional("imported_at", Kind::Time),
    ];

    fn into_cells(self) -> Vec<Cell> {
        let (start, end) = (self.span.start, self.span.end);
        let (created_at, updated_at) = (self.created_at, self.updated_at);
        let imported_at = self.imported.as_ref().map(|imported| imported.at);
        let revision = u64::from(self.revision);
        let shown = to_api(self);
        vec![
            shown.id.into(),
            shown.customer.into(),
            shown.period.into(),
            shown.period_key.into(),
            start.into(),
            end.into(),
            serde_json::to_string(&shown.values).unwrap_or_default().into(),
            serde_json::to_string(&shown.event_counts).unwrap_or_default().into(),
            shown.event_count.into(),
            shown.complete.into(),
            revision.into(),
            created_at.into(),
            updated_at.into(),
            Cell::of(imported_at),
        ]
    }

    fn into_json(self) -> String {
        serde_json::to_string(&to_api(self)).unwrap_or_default()
    }
}
