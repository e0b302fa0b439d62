//! `/v1/customers/{customer}/billing-details`.
use super::catalog::wire::{rewritten, to_api_errors};
use super::customers;
use crate::http::error::ApiError;
use crate::http::extract::{By, Change};
use crate::http::state::App;
use crate::store::StoreError;
use crate::store::audit::{self, Change as Noted};
use crate::store::billing_details::{self, Stored};
use axum::Json;
use axum::extract::{Path, State};
use reckoner_api::billing_details::{BillingDetails as ApiDetails, StoredBillingDetails};
use reckoner_api::error::Problem;
use reckoner_domain::billing_details::{BillingDetails, BillingDetailsForm};
use reckoner_domain::problem::Problems;

/// Whom a customer's invoices are made out to, and what it is taxed with.
#[utoipa::path(
    get, path = "/v1/customers/{customer}/billing-details", operation_id = "get_billing_details", tag = "customers",
    params(("customer" = String, Path, description = "The customer's own id, or `cus_...`")),
    responses(
        (status = 200, body = StoredBillingDetails),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["read"])),
)]
pub async fn get(
    State(app): State<App>,
    By(caller): By,
    Path(name): Path<String>,
) -> Result<Json<StoredBillingDetails>, ApiError> {
    let customer = customers::find(&app, &caller, &name).await?;
    let stored = billing_details::get(&app.db, caller.project, &customer.id).await?;
    Ok(Json(to_api(&stored)?))
}

/// Write whom a customer's invoices are made out to, and what it is taxed with: all of it, from the next invoice
/// on. Final invoices stay as they are.
#[utoipa::path(
    put, path = "/v1/customers/{customer}/billing-details", operation_id = "set_billing_details", tag = "customers",
    request_body = ApiDetails,
    params(
        ("customer" = String, Path, description = "The customer's own id, or `cus_...`"),
        ("If-Match" = Option<String>, Header, description = "The version that is changed, 0 for none."),
    ),
    responses(
        (status = 200, body = StoredBillingDetails),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It changed since it was read", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["admin"])),
)]
pub async fn put(
    State(app): State<App>,
    By(caller): By,
    Path(name): Path<String>,
    Change { body, version, faults: mut errors }: Change<ApiDetails>,
) -> Result<Json<StoredBillingDetails>, ApiError> {
    let customer = customers::find(&app, &caller, &name).await?;
    let form: BillingDetailsForm = rewritten(&body)?;
    let mut problems = Problems::default();
    let read = form.read(&mut problems);
    let details = problems.into_result(read).map_err(|problems| errors.extend(to_api_errors(problems)));
    let details: BillingDetails = match details {
        Ok(details) if errors.is_empty() => details,
        _ => return Err(ApiError::invalid(errors)),
    };
    let mut tx = app.db.begin().await?;
    let before = billing_details::get(&mut tx, caller.project, &customer.id).await?;
    if version.is_some_and(|version| version != before.version) {
        return Err(StoreError::Stale.into());
    }
    let version = before.version;
    billing_details::put(&mut tx, caller.project, &customer.id, &details, version).await?;
    let after = Stored { details, version: version + 1 };
    let shown =
        |stored: &Stored| serde_json::to_value(BillingDetailsForm::from(&stored.details)).unwrap_or_default();
    let action = "customer.billing_details_changed";
    let change = Noted::new(Some(caller.project), &caller.actor, action, &customer.id);
    let change = change.before(shown(&before)).after(shown(&after));
    audit::write(&mut tx, &app.clock, vec![change]).await?;
    tx.commit().await?;
    Ok(Json(to_api(&after)?))
}

fn to_api(stored: &Stored) -> Result<StoredBillingDetails, ApiError> {
    let details = rewritten(&BillingDetailsForm::from(&stored.details))?;
    Ok(StoredBillingDetails { details, version: stored.version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_and_domain_write_the_same_fields() {
        let every_field = r#"{"name":"n","email":"a@b","address":["l"],"tax_id":"i","tax_mode":"inclusive",
            "taxes":[{"key":"k","name":"n","percent":"1"}]}"#;
        let form: BillingDetailsForm = serde_json::from_str(every_field).expect("a form");
        let wire: ApiDetails = serde_json::from_str(every_field).expect("on the wire");
        assert_eq!(rewritten::<BillingDetailsForm>(&wire).ok(), Some(form.clone()));
        assert_eq!(rewritten::<ApiDetails>(&form).ok(), Some(wire));
    }
}
