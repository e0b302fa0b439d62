//! System B's invoices: a month of a workspace or an organisation, generated, finalised and paid by hand.
use super::billed::{Billing, as_stored, month_of, not_found, owner_of};
use super::figures::Reader;
use super::months::{Month, Months, NO_MONTH};
use super::numbers::number;
use super::resources::Meters;
use super::{Owner, Params, all_wrong, data, documents, failed, given, object, page, read_object, wrong};
use crate::auth::caller::Caller;
use crate::clock;
use crate::http::compat::{Asked as Query, Named};
use crate::http::extract::By;
use crate::http::state::App;
use crate::random;
use crate::store::audit::{self, Change};
use crate::store::invoices::{Series, next_number};
use crate::store::workspace_invoices::{self as stored, Stored};
use crate::store::{StoreError, Tx};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reckoner_domain::billing_details::BillTo;
use reckoner_domain::id::InvoiceId;
use reckoner_domain::invoice::{Draft, FinalInvoice, Header, Line};
use reckoner_domain::money::Money;
use reckoner_domain::resource_invoice::{RESOURCES, used_in};
use serde_json::{Value, json};

/// Where an invoice of system B stands.
const STATUSES: [&str; 3] = ["draft", "finalized", "paid"];

/// Invoices of a workspace or an organisation, of the latest month first.
#[utoipa::path(
    get, path = "/api/usage/invoices", operation_id = "list_workspace_invoices", tag = "system B",
    params(
        ("workspaceId" = Option<String>, Query, description = "The workspace; it or `organizationId` is required."),
        ("organizationId" = Option<String>, Query, description = "The organisation."),
        ("period" = Option<String>, Query, description = "Only of this month: `2026-01`."),
        ("limit" = Option<u32>, Query, description = "1 to 1,000, 50 by default."),
        ("offset" = Option<u32>, Query, description = "0 to 100,000."),
    ),
    responses(
        (status = 200, description = "`{data: {documents: [{$id, invoiceId, workspaceId, period, trafficGB, storageAvgGB, computeUnits, totalCost, aggregationSnapshotId, status}], total}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn list(
    State(app): State<App>,
    By(caller): By,
    Query(params): Query<Params>,
) -> Result<Json<Value>, Response> {
    let owner = Owner::of(&params)?;
    let mut wrongs = Vec::new();
    let (limit, offset) = page(&params, &mut wrongs);
    let asked = Asked::of(&app, &caller, &owner).await?;
    let only = given(params.period.as_ref());
    if only.as_deref().is_some_and(|name| asked.months.named(name).is_none()) {
        wrongs.push(format!("period {NO_MONTH}"));
    }
    if !wrongs.is_empty() {
        return Err(all_wrong(&wrongs));
    }
    let all = stored::of_owner(&app.db, caller.project, &as_stored(&owner)).await.map_err(failed)?;
    let asked_for = |one: &&Stored| only.as_ref().is_none_or(|only| one.period == *only);
    let total = all.iter().filter(asked_for).count() as u64;
    let mut shown = Vec::new();
    for invoice in all.iter().filter(asked_for).skip(offset).take(limit) {
        let draft = match invoice.content {
            Some(_) => None,
            None => Some(asked.billing(&app).draft(&month_of(&asked.months, invoice)?, &all).await?),
        };
        shown.push(document(invoice, draft.as_ref()));
    }
    Ok(data(documents(shown, total)))
}

/// Generate the invoice of a month: a draft, which follows its usage until it is finalised.
#[utoipa::path(
    post, path = "/api/usage/invoices/generate", operation_id = "generate_workspace_invoice", tag = "system B",
    request_body(content = Object, description = "`{workspaceId, period}`, or `{organizationId, period}`", content_type = "application/json"),
    responses(
        (status = 201, description = "`{data: {$id, invoiceId, workspaceId, period, trafficGB, storageAvgGB, computeUnits, totalCost, aggregationSnapshotId, status}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 404, description = "`{error}`", body = Object),
        (status = 413, description = "`{error}`", body = Object),
        (status = 415, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn generate(
    State(app): State<App>,
    By(caller): By,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    let fields = read_object(&app, &headers, body).await?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (workspace, organization) = (text("workspaceId"), text("organizationId"));
    let period = text("period").filter(|_| workspace.or(organization).is_some());
    let period = period.ok_or_else(|| wrong("workspaceId and period are required"))?;
    let owner = Owner::new(workspace.map(str::to_owned), organization.map(str::to_owned))?;
    let asked = Asked::of(&app, &caller, &owner).await?;
    let now = app.clock.of_project(caller.project);
    let month = asked.months.asked(Some(period), now)?;
    let billing = asked.billing(&app);
    if month.window.start > now || billing.used(month.window).await?.is_none() {
        return Err(not_found("No aggregation found for this period"));
    }
    let invoice = Stored {
        id: InvoiceId::from_bits(random::id_bits(app.clock.real()).map_err(failed)?),
        project: caller.project,
        owner: as_stored(&owner).into_owned(),
        period: month.name.clone(),
        created_at: now,
        content: None,
        paid_at: None,
    };
    let all = stored::of_owner(&app.db, caller.project, &invoice.owner).await.map_err(failed)?;
    let draft = billing.draft(&month, &all).await?;
    let shown = document(&invoice, Some(&draft));
    let mut tx = app.db.begin().await.map_err(failed)?;
    match stored::insert(&mut tx, &invoice).await {
        Err(StoreError::Conflict) => return Err(wrong("Invoice already exists for this period")),
        other => other.map_err(failed)?,
    }
    let noted = Change::new(Some(caller.project), &caller.actor, "workspace_invoice.generated", &invoice.id);
    end(&app, tx, noted.after(shown.clone())).await?;
    Ok((StatusCode::CREATED, data(shown)).into_response())
}

/// Finalise a draft of a month that is over: it never changes again, and its month is locked.
#[utoipa::path(
    patch, path = "/api/usage/invoices/{id}/finalize", operation_id = "finalize_workspace_invoice", tag = "system B",
    params(("id" = String, Path, description = "`inv_...`")),
    responses(
        (status = 200, description = "`{data: {$id, invoiceId, ..., status}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 404, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn finalize(
    State(app): State<App>,
    By(caller): By,
    Named(id): Named,
) -> Result<Json<Value>, Response> {
    let invoice = find(&app, &caller, &id).await?;
    let owner = owner_of(&invoice);
    let asked = Asked::of(&app, &caller, &owner).await?;
    let (month, now) = (month_of(&asked.months, &invoice)?, app.clock.of_project(caller.project));
    let no_draft = || wrong("Only draft invoices can be finalized");
    if invoice.content.is_some() {
        return Err(no_draft());
    }
    if month.window.end > now {
        return Err(wrong("Only invoices of months that are over can be finalized"));
    }
    let mut tx = app.db.begin().await.map_err(failed)?;
    // Numbers are held first: what is billed of other months of the owner does not change meanwhile.
    let number = next_number(&mut tx, caller.project, Series::WorkspaceInvoice).await.map_err(failed)?;
    let invoice = stored::lock(&mut tx, caller.project, &invoice.id).await.map_err(failed)?;
    if invoice.content.is_some() {
        return Err(no_draft());
    }
    let all = stored::of_owner(&mut tx, caller.project, &invoice.owner).await.map_err(failed)?;
    let draft = asked.billing(&app).draft(&month, &all).await?;
    let header = Header {
        number,
        customer: owner.name().to_owned(),
        period: month.window,
        finalized_at: now,
        due_at: app.billing.invoicing.due_at(now),
        time_zone_data: clock::time_zone_data().to_owned(),
        bill_to: BillTo::default(),
    };
    let content = FinalInvoice::new(draft, header);
    stored::finalize(&mut tx, &invoice, &content).await.map_err(failed)?;
    let shown = document(&Stored { content: Some(content), ..invoice.clone() }, None);
    let noted = Change::new(Some(caller.project), &caller.actor, "workspace_invoice.finalized", &invoice.id);
    end(&app, tx, noted.before(json!({"status": "draft"})).after(shown.clone())).await?;
    Ok(data(shown))
}

/// Note that a final invoice is paid.
#[utoipa::path(
    patch, path = "/api/usage/invoices/{id}/pay", operation_id = "pay_workspace_invoice", tag = "system B",
    params(("id" = String, Path, description = "`inv_...`")),
    responses(
        (status = 200, description = "`{data: {$id, invoiceId, ..., status}}`", body = Object),
        (status = 400, description = "`{error}`", body = Object),
        (status = 401, description = "`{error}`", body = Object),
        (status = 403, description = "`{error}`", body = Object),
        (status = 404, description = "`{error}`", body = Object),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn pay(State(app): State<App>, By(caller): By, Named(id): Named) -> Result<Json<Value>, Response> {
    let found = find(&app, &caller, &id).await?;
    let now = app.clock.of_project(caller.project);
    let mut tx = app.db.begin().await.map_err(failed)?;
    let invoice = stored::lock(&mut tx, caller.project, &found.id).await.map_err(failed)?;
    if invoice.paid_at.is_some() {
        return Err(wrong("Invoice is already paid"));
    }
    if invoice.content.is_none() {
        return Err(wrong("Only finalized invoices can be paid"));
    }
    stored::set_paid(&mut tx, &invoice, now).await.map_err(failed)?;
    let shown = document(&Stored { paid_at: Some(now), ..invoice.clone() }, None);
    let noted = Change::new(Some(caller.project), &caller.actor, "workspace_invoice.paid", &invoice.id);
    end(&app, tx, noted.before(json!({"status": "finalized"})).after(shown.clone())).await?;
    Ok(data(shown))
}

/// What is asked about an owner.
struct Asked<'a> {
    caller: &'a Caller,
    owner: &'a Owner,
    months: Months,
    meters: Meters,
}

impl<'a> Asked<'a> {
    async fn of(app: &App, caller: &'a Caller, owner: &'a Owner) -> Result<Self, Response> {
        let months = Months::of(app, caller.project, owner).await?;
        let meters = Meters::of(&app.recorder.catalogues.of(caller.project))?;
        Ok(Self { caller, owner, months, meters })
    }

    fn billing<'b>(&'b self, app: &'b App) -> Billing<'b> {
        let project = self.caller.project;
        let reader = Reader {
            events: &app.events,
            project,
            meters: &self.meters,
            owner: self.owner,
            now: app.clock.of_project(project),
            as_of: None,
        };
        Billing { app, reader }
    }
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<Stored, Response> {
    let none = || not_found("Invoice not found");
    let id = InvoiceId::parse(id).map_err(|_| none())?;
    match stored::get(&app.db, caller.project, &id).await {
        Err(StoreError::NotFound) => Err(none()),
        other => other.map_err(failed),
    }
}

/// Writes the record of a change and ends its transaction.
async fn end(app: &App, mut tx: Tx, noted: Change) -> Result<(), Response> {
    audit::write(&mut tx, &app.clock, vec![noted]).await.map_err(failed)?;
    tx.commit().await.map_err(failed)
}

/// An invoice as clients see it; one that is not final says what its draft does.
fn document(invoice: &Stored, draft: Option<&Draft>) -> Value {
    let (lines, total): (&[Line], Option<Money>) = match (&invoice.content, draft) {
        (Some(content), _) => (content.lines(), Some(content.totals().total)),
        (None, Some(draft)) => (&draft.lines, Some(draft.totals.total)),
        (None, None) => (&[], None),
    };
    let owner = owner_of(invoice);
    let status = match (&invoice.content, invoice.paid_at) {
        (None, _) => STATUSES[0],
        (Some(_), None) => STATUSES[1],
        (Some(_), Some(_)) => STATUSES[2],
    };
    let [traffic, storage, compute] = RESOURCES.map(|resource| number(used_in(lines, resource)));
    let mut shown = object([
        ("$id", json!(invoice.id.as_str())),
        ("invoiceId", json!(invoice.id.as_str())),
        ("period", json!(invoice.period)),
        ("trafficGB", traffic),
        ("storageAvgGB", storage),
        ("computeUnits", compute),
        ("totalCost", total.map_or(Value::Null, |total| number(total.exact()))),
        ("aggregationSnapshotId", json!(snapshot_id(&owner, &invoice.period))),
        ("status", json!(status)),
    ]);
    owner.put(&mut shown);
    shown
}

/// The id of the document of a month.
pub fn snapshot_id(owner: &Owner, period: &str) -> String {
    format!("{}_monthly_{}", owner.name(), period.replace('-', ""))
}

/// What makes a month final: an invoice of the owner.
pub fn final_of<'a>(all: &'a [Stored], month: &Month) -> Option<(&'a Stored, &'a FinalInvoice)> {
    let of_month = all.iter().find(|one| one.period == month.name)?;
    Some((of_month, of_month.content.as_ref()?))
}
