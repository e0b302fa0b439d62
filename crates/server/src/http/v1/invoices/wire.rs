//! Invoices as the API shows them.
use crate::billing::invoicing::Upcoming;
use crate::store::invoices::Stored;
use crate::store::subscriptions::Stored as Subscription;
use reckoner_api::invoice::{BillTo, Invoice, InvoiceDetail, InvoiceLine, InvoiceShare, Money as ApiMoney};
use reckoner_domain::invoice::{Line, Totals};
use reckoner_domain::money::Money;
use reckoner_domain::rate::Detail;
use reckoner_domain::window::Window;
use serde::Serialize;

/// A final invoice.
pub fn to_api(stored: &Stored) -> Invoice {
    let header = stored.invoice.header();
    let body = body(stored.invoice.lines(), stored.invoice.totals(), header.period);
    Invoice {
        id: Some(stored.id.to_string()),
        number: Some(header.number),
        status: stored.status.as_str().to_owned(),
        customer: stored.external_id.clone(),
        subscription: stored.subscription.to_string(),
        finalized_at: Some(header.finalized_at.to_string()),
        due_at: Some(header.due_at.to_string()),
        hash: Some(stored.invoice.hash().to_owned()),
        time_zone_data: Some(header.time_zone_data.clone()),
        bill_to: bill_to(&header.bill_to),
        changed_at: Some(stored.changed_at.to_string()),
        version: Some(stored.version),
        amount_left: money(stored.left()),
        ..body
    }
}

/// What the next invoice of a subscription would be; `None` where nothing is billed.
pub fn to_api_draft(subscription: &Subscription, upcoming: &Upcoming) -> Option<Invoice> {
    let draft = upcoming.draft.as_ref()?;
    Some(Invoice {
        customer: subscription.external_id.clone(),
        subscription: subscription.id.to_string(),
        ..body(&draft.lines, draft.totals, period_of(upcoming))
    })
}

/// Whom an invoice or credit note is made out to, where that is known.
pub fn bill_to(known: &reckoner_domain::billing_details::BillTo) -> Option<BillTo> {
    (!known.is_empty()).then(|| BillTo {
        name: known.name.clone(),
        address: known.address.clone(),
        tax_id: known.tax_id.clone(),
    })
}

/// The period that the next invoice closes; an empty one where billing only begins.
pub fn period_of(upcoming: &Upcoming) -> Window {
    let at = upcoming.closing.at;
    upcoming.closing.period.as_ref().map_or(Window { start: at, end: at }, |one| one.window)
}

/// What drafts and final invoices have in common.
fn body(lines: &[Line], totals: Totals, period: Window) -> Invoice {
    Invoice {
        id: None,
        number: None,
        status: "draft".to_owned(),
        customer: String::new(),
        subscription: String::new(),
        period_start: period.start.to_string(),
        period_end: period.end.to_string(),
        finalized_at: None,
        due_at: None,
        lines: lines.iter().map(line).collect(),
        subtotal: money(totals.subtotal),
        tax: money(totals.tax),
        total: money(totals.total),
        wallet: money(totals.wallet),
        amount_due: money(totals.due),
        amount_left: money(totals.due),
        hash: None,
        time_zone_data: None,
        bill_to: None,
        changed_at: None,
        version: None,
    }
}

/// A line of either.
pub fn line(line: &Line) -> InvoiceLine {
    let (measured, source) = (line.measured.as_ref(), line.source.as_ref());
    InvoiceLine {
        kind: name(&line.kind),
        description: line.description.clone(),
        period_start: line.period.map(|period| period.start.to_string()),
        period_end: line.period.map(|period| period.end.to_string()),
        share: line.share.map(|share| InvoiceShare { part_s: share.part_s, whole_s: share.whole_s }),
        units: measured.map(|measured| measured.units.to_string()),
        included: measured.map(|measured| measured.included.to_string()),
        details: line.details.iter().map(detail).collect(),
        exact: line.exact.map(|exact| exact.to_string()),
        amount: money(line.amount),
        net: line.net.map(money),
        tax: line.tax.as_ref().map(ToString::to_string),
        plan: source.map(|source| source.plan.to_string()),
        plan_version: source.map(|source| source.plan_version),
        price: source.and_then(|source| source.price.as_ref()).map(ToString::to_string),
        meter: source.and_then(|source| source.meter.as_ref()).map(ToString::to_string),
        aggregation: source.and_then(|source| source.aggregation.clone()),
    }
}

fn detail(detail: &Detail) -> InvoiceDetail {
    InvoiceDetail {
        of: name(&detail.of),
        tier: detail.tier,
        quantity: detail.quantity.to_string(),
        price: detail.price.to_string(),
        flat_fee: detail.flat_fee.to_string(),
        amount: detail.amount.to_string(),
    }
}

/// An amount.
pub fn money(money: Money) -> ApiMoney {
    ApiMoney { amount: money.amount(), currency: money.currency().code().to_owned() }
}

/// The name in the API of what is one.
fn name(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
