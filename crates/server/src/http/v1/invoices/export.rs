//! Invoices as rows of an export. Their lines are rows of another one in tables.
use super::wire;
use crate::http::export::{Cell, Column, Kind, Row};
use crate::store::invoices::Stored;

impl Row for Stored {
    const COLUMNS: &'static [Column] = &[
        Column::new("id", Kind::Text),
        Column::new("number", Kind::Whole),
        Column::new("status", Kind::Text),
        Column::new("customer", Kind::Text),
        Column::new("subscription", Kind::Text),
        Column::new("period_start", Kind::Time),
        Column::new("period_end", Kind::Time),
        Column::new("finalized_at", Kind::Time),
        Column::new("due_at", Kind::Time),
        Column::new("currency", Kind::Text),
        Column::new("subtotal", Kind::Decimal),
        Column::new("tax", Kind::Decimal),
        Column::new("total", Kind::Decimal),
        Column::new("wallet", Kind::Decimal),
        Column::new("amount_due", Kind::Decimal),
        Column::new("amount_left", Kind::Decimal),
        Column::new("hash", Kind::Text),
        Column::new("time_zone_data", Kind::Text),
        Column::optional("bill_to", Kind::Text),
        Column::new("changed_at", Kind::Time),
        Column::new("version", Kind::Whole),
    ];

    fn into_cells(self) -> Vec<Cell> {
        let (header, totals) = (self.invoice.header(), self.invoice.totals());
        let bill_to = wire::bill_to(&header.bill_to);
        vec![
            self.id.to_string().into(),
            header.number.into(),
            self.status.as_str().to_owned().into(),
            self.external_id.clone().into(),
            self.subscription.to_string().into(),
            header.period.start.into(),
            header.period.end.into(),
            header.finalized_at.into(),
            header.due_at.into(),
            totals.due.currency().code().to_owned().into(),
            totals.subtotal.into(),
            totals.tax.into(),
            totals.total.into(),
            totals.wallet.into(),
            totals.due.into(),
            self.left().into(),
            self.invoice.hash().to_owned().into(),
            header.time_zone_data.clone().into(),
            Cell::of(bill_to.map(|bill_to| serde_json::to_string(&bill_to).unwrap_or_default())),
            self.changed_at.into(),
            u64::from(self.version).into(),
        ]
    }

    fn into_json(self) -> String {
        serde_json::to_string(&wire::to_api(&self)).unwrap_or_default()
    }
}
