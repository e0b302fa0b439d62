//! `/v1/catalog`: meters, plans and coupons that are applied together.
pub mod wire;

use super::meters;
use crate::auth::caller::Caller;
use crate::billing::catalog::{self, EntryChange, Place};
use crate::http::error::{ApiError, field_error};
use crate::http::extract::{By, Json as JsonBody};
use crate::http::state::App;
use crate::store::audit::{self, Change};
use crate::store::catalog::{self as stored, Entry, Stored};
use crate::store::meters::Source;
use crate::store::{StoreError, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use reckoner_api::error::{FieldError, Problem};
use reckoner_api::meter::NewMeter;
use reckoner_api::plan::{CatalogApplication, CatalogChange, CatalogChanges, FieldChange};
use reckoner_domain::catalog::{CATALOG_ENTRIES_MAX, Catalog};
use reckoner_domain::id::ProjectId;
use reckoner_domain::meter::{Catalogue, Meter};
use reckoner_domain::plan::{Difference, Plan};

/// Apply a catalogue: all of it, or nothing.
///
/// What differs becomes a new version; what is the same stays. With `dry_run` the answer tells what
/// would change, and nothing does. Subscriptions stay on their versions.
#[utoipa::path(
    post, path = "/v1/catalog/apply", operation_id = "apply_catalog", tag = "plans",
    request_body = CatalogApplication,
    responses(
        (status = 200, body = CatalogChanges),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another request made a version at the same time", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn apply(
    State(app): State<App>,
    By(caller): By,
    JsonBody(wanted): JsonBody<CatalogApplication>,
) -> Result<Json<CatalogChanges>, ApiError> {
    let CatalogApplication { meters, missing_meters, plans, coupons, prune, dry_run } = wanted;
    let mut errors = Vec::new();
    let meters = read_meters("meters", meters, &mut errors);
    let missing = read_meters("missing_meters", missing_meters, &mut errors);
    let catalog = wire::catalog(&plans, &coupons, &mut errors)?;
    let Some(catalog) = catalog.filter(|_| errors.is_empty()) else { return Err(ApiError::invalid(errors)) };
    let _changing = app.meters_changing.lock().await;
    let (mut tx, mut noted) = (app.db.begin().await?, Vec::new());
    let mut changes = put_meters(&app, &mut tx, &caller, (meters, missing), &mut noted).await?;
    let known = meters::in_force(&mut tx, caller.project).await?;
    let unknown: Vec<FieldError> =
        wire::to_api_errors(catalog::check_meters(&catalog.plans, &known)).collect();
    if !unknown.is_empty() {
        return Err(ApiError::invalid(unknown));
    }
    let of_entries = put_entries(&app, &mut tx, &caller, (&catalog, prune), &mut noted).await?;
    changes.list.extend(of_entries.list);
    if dry_run {
        tx.rollback().await?;
    } else {
        audit::write(&mut tx, &app.clock, noted).await?;
        tx.commit().await?;
        app.recorder.catalogues.put(caller.project, known);
        changed(&app, caller.project);
        app.billing.trials.adopt(caller.project).await?;
    }
    let unchanged = changes.unchanged + of_entries.unchanged;
    Ok(Json(CatalogChanges { applied: !dry_run, changes: changes.list, unchanged }))
}

/// Changes, and how many of those named stay as they are.
struct Counted {
    list: Vec<CatalogChange>,
    unchanged: u32,
}

fn read_meters(list: &str, meters: Vec<NewMeter>, errors: &mut Vec<FieldError>) -> Vec<Meter> {
    let mut read: Vec<Meter> = Vec::new();
    if meters.len() > CATALOG_ENTRIES_MAX {
        errors.push(field_error(list, format!("must be at most {CATALOG_ENTRIES_MAX}")));
        return read;
    }
    for (index, meter) in meters.into_iter().enumerate() {
        match meters::from_api(meter) {
            Ok(meter) if read.iter().any(|known| known.key == meter.key) => {
                errors.push(field_error(&format!("{list}[{index}].key"), "must be named once"));
            }
            Ok(meter) => read.push(meter),
            Err(faults) => errors.extend(
                faults
                    .into_iter()
                    .map(|fault| FieldError { field: format!("{list}[{index}].{}", fault.field), ..fault }),
            ),
        }
    }
    read
}

async fn put_meters(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    (meters, missing): (Vec<Meter>, Vec<Meter>),
    noted: &mut Vec<Change>,
) -> Result<Counted, ApiError> {
    let mut counted = Counted { list: Vec::new(), unchanged: 0 };
    let before: Catalogue = meters::in_force(&mut *tx, caller.project).await?;
    let is_there = |meter: &Meter| {
        before.get(meter.key.as_str()).is_some() || meters.iter().any(|named| named.key == meter.key)
    };
    let missing: Vec<Meter> = missing.into_iter().filter(|meter| !is_there(meter)).collect();
    for meter in meters.into_iter().chain(missing) {
        let (key, known) = (meter.key.to_string(), before.get(meter.key.as_str()).is_some());
        let by = (&caller.actor, caller.project);
        let (made, stored) = meters::put_in(tx, &app.clock, by, meter, Source::Api, noted).await?;
        if !made {
            counted.unchanged += 1;
            continue;
        }
        let action = if known { "update" } else { "create" };
        counted.list.push(CatalogChange {
            kind: "meter".to_owned(),
            key,
            action: action.to_owned(),
            version: stored.meter.version,
            ..CatalogChange::default()
        });
    }
    Ok(counted)
}

async fn put_entries(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    (catalog, prune): (&Catalog, bool),
    noted: &mut Vec<Change>,
) -> Result<Counted, ApiError> {
    let mut place = Place { tx, clock: &app.clock, project: caller.project, by: &caller.actor, audit: noted };
    let mut changes = catalog::put(&mut place, &catalog.plans, prune).await?;
    changes.extend(catalog::put(&mut place, &catalog.coupons, prune).await?);
    let named = catalog.plans.len() + catalog.coupons.len();
    let changed = changes.iter().filter(|change| change.action != catalog::Action::Archive).count();
    let unchanged = u32::try_from(named.saturating_sub(changed)).unwrap_or(u32::MAX);
    Ok(Counted { list: changes.into_iter().map(to_api).collect(), unchanged })
}

/// What is wrong between a plan and the project's meters.
pub fn check_plan(app: &App, project: ProjectId, plan: &Plan) -> Result<(), ApiError> {
    let meters = app.recorder.catalogues.of(project);
    let problems = catalog::check_meters(std::slice::from_ref(plan), &meters);
    let errors: Vec<FieldError> = wire::to_api_errors(problems)
        .map(|error| FieldError { field: error.field.replacen("plans[0].", "", 1), ..error })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(errors)) }
}

/// Puts one plan or coupon in force; says with the status whether it is a new version.
pub async fn put_one<E: Entry>(
    app: &App,
    caller: &Caller,
    entry: E,
) -> Result<(StatusCode, Stored<E>), ApiError> {
    let (mut tx, mut changes) = (app.db.begin().await?, Vec::new());
    let mut place = Place {
        tx: &mut tx,
        clock: &app.clock,
        project: caller.project,
        by: &caller.actor,
        audit: &mut changes,
    };
    let changed = catalog::put(&mut place, std::slice::from_ref(&entry), false).await?;
    let versions = stored::versions::<E>(&mut tx, caller.project, entry.key()).await?;
    let newest = versions.into_iter().next().ok_or(StoreError::NotFound)?;
    audit::write(&mut tx, &app.clock, changes).await?;
    tx.commit().await?;
    if !changed.is_empty() {
        self::changed(app, caller.project);
    }
    Ok((if changed.is_empty() { StatusCode::OK } else { StatusCode::CREATED }, newest))
}

/// Lets everybody see what is in force.
pub fn changed(app: &App, project: ProjectId) {
    app.billing.standings.forget_all(project);
    app.recorder.used.set_limited(project, true);
}

/// A field that differs, as the API shows it.
pub fn field_change(Difference { field, before, after }: Difference) -> FieldChange {
    FieldChange { field, before, after }
}

fn to_api(change: EntryChange) -> CatalogChange {
    CatalogChange {
        kind: change.kind.to_owned(),
        key: change.key,
        action: change.action.as_str().to_owned(),
        version: change.version,
        subscriptions_staying: change.subscriptions_staying,
        fields: change.fields.into_iter().map(field_change).collect(),
    }
}
