//! Which invoices are asked for: in pages, or all of them in a form.
use crate::auth::caller::Caller;
use crate::http::error::{ApiError, choice_error};
use crate::http::export::{Form, asked, pages};
use crate::http::pagination;
use crate::http::state::App;
use crate::http::v1::customers::{self, Narrowed};
use crate::http::v1::time;
use crate::store::invoices::{self as stored, Filter, Stored};
use crate::store::{Cursor, Db, Limit, Page, StoreError};
use axum::http::HeaderMap;
use futures_util::Stream;
use reckoner_api::error::FieldError;
use reckoner_domain::id::{CustomerId, ProjectId, SubscriptionId};
use reckoner_domain::invoice::InvoiceStatus;
use reckoner_domain::time::Timestamp;
use serde::Deserialize;
use std::str::FromStr;
use utoipa::IntoParams;

/// Invoices that are held at once, with all their lines.
pub const PAGE_INVOICES: Limit = Limit::at_most(100);

/// Which invoices are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct InvoiceParams {
    /// Those of this customer: its own id, or `cus_...`.
    customer: Option<String>,
    /// Those of this subscription: `sub_...`.
    subscription: Option<String>,
    /// Those that stand so: `finalized`, `paid`, `void` or `uncollectible`.
    status: Option<String>,
    /// Those that became final at this time or later.
    from: Option<String>,
    /// Those that became final before this time.
    to: Option<String>,
    /// Everything as one answer: `csv`, `json` (an array), `ndjson` or `parquet`; else as `Accept` says.
    format: Option<String>,
    /// Most rows of a page: 1 to 1,000, by default 50. Not for exports.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// `next_cursor` of the page before. Not for exports.
    pub(super) cursor: Option<String>,
}

/// What is asked for.
pub struct Asked {
    /// The form of everything; `None` for a page.
    pub form: Option<Form>,
    /// Which invoices; `None` where there are none that could be meant.
    pub wanted: Option<Wanted>,
    /// Rows of the page.
    pub limit: Limit,
    /// After which the page begins.
    pub after: Option<Cursor>,
}

/// Which invoices.
#[derive(Clone, Debug)]
pub struct Wanted {
    project: ProjectId,
    customer: Option<CustomerId>,
    subscription: Option<SubscriptionId>,
    status: Option<InvoiceStatus>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl Asked {
    /// Checks all of a request.
    pub async fn read(
        app: &App,
        caller: &Caller,
        headers: &HeaderMap,
        mut params: InvoiceParams,
        mut faults: Vec<FieldError>,
    ) -> Result<Self, ApiError> {
        let paging = (&mut params.limit, &mut params.cursor);
        let form = asked(headers, params.format.as_deref(), paging, &mut faults);
        let status = params.status.as_deref().map(InvoiceStatus::from_str).transpose();
        if status.is_err() {
            faults.push(choice_error("status", &InvoiceStatus::NAMES));
        }
        let (from, to) = time::read_range(params.from.as_deref(), params.to.as_deref(), &mut faults);
        let (limit, after) = pagination::page(params.limit.as_deref(), params.cursor.as_deref(), faults)?;
        let subscription = params.subscription.as_deref().map(SubscriptionId::parse).transpose();
        let wanted = match (customers::narrowed(app, caller, params.customer.as_deref()).await?, subscription)
        {
            (Some(Narrowed(customer)), Ok(subscription)) => Some(Wanted {
                project: caller.project,
                customer,
                subscription,
                status: status.unwrap_or_default(),
                from,
                to,
            }),
            _ => None,
        };
        Ok(Self { form, wanted, limit, after })
    }
}

impl Wanted {
    /// A page of them.
    pub async fn page(
        &self,
        db: &Db,
        after: Option<&Cursor>,
        limit: Limit,
    ) -> Result<Page<Stored>, StoreError> {
        let filter = Filter {
            customer: self.customer.as_ref(),
            subscription: self.subscription.as_ref(),
            status: self.status,
            from: self.from,
            to: self.to,
        };
        stored::list(db, self.project, &filter, after, limit).await
    }
}

/// All of them.
pub fn all(
    db: Db,
    wanted: Option<Wanted>,
) -> impl Stream<Item = Result<Vec<Stored>, StoreError>> + Send + 'static {
    pages(move |after| {
        let (db, wanted) = (db.clone(), wanted.clone());
        async move {
            match wanted {
                Some(wanted) => wanted.page(&db, after.as_ref(), PAGE_INVOICES).await,
                None => Ok(Page { items: Vec::new(), next: None }),
            }
        }
    })
}
