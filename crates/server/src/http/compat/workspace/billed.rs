//! What invoices of an owner bill: what was used of each month, and what changed of the months before.
use super::figures::{Figures, Reader};
use super::months::{Month, Months};
use super::{Owner, Refusal, failed};
use crate::http::compat::failure;
use crate::http::error::ApiError;
use crate::http::state::App;
use crate::store::workspace_invoices::{self as stored, Stored};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use reckoner_domain::currency::Currency;
use reckoner_domain::invoice::{Draft, FinalInvoice};
use reckoner_domain::money::{Money, MoneyError};
use reckoner_domain::ratio::Ratio;
use reckoner_domain::resource_invoice::{
    self as billing, Earlier, PerResource, RESOURCES, billed_in, month_draft,
};
use reckoner_domain::window::Window;
use serde_json::json;
use std::borrow::Cow;

/// How many final months before the one that is billed are looked at again.
const MONTHS_BACK: usize = 24;

/// The error code of whoever would calculate anew what is billed for ever.
pub const LOCKED: &str = "BILLING_PERIOD_LOCKED";

/// 409: a month that is billed for ever is not calculated anew.
pub fn locked(month: &Month) -> Response {
    metrics::counter!("billing_lock_errors_total").increment(1);
    let error =
        format!("{} is billed for ever: what changes of it is an adjustment of the next invoice", month.name);
    (StatusCode::CONFLICT, Json(json!({"error": error, "code": LOCKED}))).into_response()
}

/// The owner as invoices have it.
pub fn as_stored(owner: &Owner) -> stored::Owner<'_> {
    let name = |name: &Option<String>| Cow::Owned(name.clone().unwrap_or_default());
    stored::Owner { workspace: name(&owner.workspace), organization: name(&owner.organization) }
}

/// The owner of an invoice.
pub fn owner_of(invoice: &Stored) -> Owner {
    let name = |name: &str| Some(name).filter(|name| !name.is_empty()).map(str::to_owned);
    Owner { workspace: name(&invoice.owner.workspace), organization: name(&invoice.owner.organization) }
}

/// The currency of system B's rates.
pub fn currency() -> Result<Currency, ApiError> {
    "USD".parse().map_err(ApiError::internal)
}

/// What is read to bill an owner.
pub struct Billing<'a> {
    /// The server's parts.
    pub app: &'a App,
    /// Where usage is read.
    pub reader: Reader<'a>,
}

impl Billing<'_> {
    /// What was used in a month; `None` where nothing is.
    pub async fn used(&self, window: Window) -> Result<Option<PerResource<Ratio>>, Response> {
        let figures = self.reader.of(&[window]).await.map_err(failed)?;
        let figures = figures.first().filter(|figures| **figures != Figures::default());
        Ok(figures.map(Figures::billed))
    }

    /// The draft of a month as it stands; `all` are the owner's invoices, the latest first.
    pub async fn draft(&self, month: &Month, all: &[Stored]) -> Result<Draft, Response> {
        let used = self.used(month.window).await?.unwrap_or_default();
        let usd = currency().map_err(failed)?;
        let wrong = |error: MoneyError| failed(ApiError::internal(error));
        let finals: Vec<&FinalInvoice> = all.iter().filter_map(|one| one.content.as_ref()).collect();
        // With the edges that they were billed with, whatever the owner's time zone is now.
        let of_final = |one: &Stored| {
            let window = one.content.as_ref()?.header().period;
            Some(Month { name: one.period.clone(), window })
        };
        let before = all.iter().filter(|one| one.period < month.name);
        let before: Vec<Month> = before.filter_map(of_final).take(MONTHS_BACK).collect();
        let mut earlier = Vec::new();
        // Windows go forward, one at a time: an owner need not have an invoice of every month.
        for month in before.into_iter().rev() {
            let used = self.used(month.window).await?.unwrap_or_default();
            let billed = billed_so_far(&finals, month.window, usd).map_err(wrong)?;
            earlier.push(Earlier { month: in_domain(&month, used), billed });
        }
        let rates = &self.app.config.workspace;
        let rates = [rates.rate_traffic_gb, rates.rate_storage_gb_month, rates.rate_compute_unit];
        month_draft(&in_domain(month, used), &earlier, &rates.map(Ratio::from), usd).map_err(wrong)
    }
}

fn in_domain(month: &Month, used: PerResource<Ratio>) -> billing::Month {
    billing::Month { name: month.name.clone(), window: month.window, used }
}

/// What final invoices bill of a month, those of later months included.
fn billed_so_far(
    finals: &[&FinalInvoice],
    window: Window,
    currency: Currency,
) -> Result<PerResource<Money>, MoneyError> {
    let mut billed = [Money::zero(currency); 3];
    for (billed, resource) in billed.iter_mut().zip(RESOURCES) {
        for invoice in finals {
            *billed = billed.plus(billed_in(invoice.lines(), resource, window, currency)?)?;
        }
    }
    Ok(billed)
}

/// 404 in system B's words.
pub fn not_found(text: &str) -> Response {
    failure(StatusCode::NOT_FOUND, text, None)
}

/// The month of an invoice.
pub fn month_of(months: &Months, invoice: &Stored) -> Result<Month, Refusal> {
    months.named(&invoice.period).ok_or_else(|| Refusal::wrong("period is no month"))
}
