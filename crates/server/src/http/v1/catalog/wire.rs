//! Catalogues between the wire and the domain: both write the same fields.
use crate::http::error::{ApiError, choice_error, field_error};
use reckoner_api::error::FieldError;
use reckoner_api::plan::{NewCoupon, NewPlan};
use reckoner_domain::catalog::{Catalog, CatalogForm};
use reckoner_domain::coupon::{Coupon, CouponForm};
use reckoner_domain::plan::{Plan, PlanForm};
use reckoner_domain::problem::{Problem, Problems};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The same fields as another type; a test holds that they are the same.
pub fn rewritten<T: DeserializeOwned>(value: &impl Serialize) -> Result<T, ApiError> {
    let written = serde_json::to_value(value).and_then(serde_json::from_value);
    written.map_err(ApiError::internal)
}

/// The plan that is meant, as its first version.
pub fn plan(new: &NewPlan) -> Result<Plan, ApiError> {
    let form: PlanForm = rewritten(new)?;
    read(|problems| form.read(1, problems))
}

/// The coupon that is meant.
pub fn coupon(new: &NewCoupon) -> Result<Coupon, ApiError> {
    let form: CouponForm = rewritten(new)?;
    read(|problems| form.read(problems))
}

/// The catalogue that is meant; what is wrong is noted.
pub fn catalog(
    plans: &[NewPlan],
    coupons: &[NewCoupon],
    errors: &mut Vec<FieldError>,
) -> Result<Option<Catalog>, ApiError> {
    let (plans, coupons) = (rewritten(&plans)?, rewritten(&coupons)?);
    let form = CatalogForm { plans, coupons, ..CatalogForm::default() };
    let read = form.into_catalog();
    Ok(read.map_err(|problems| errors.extend(to_api_errors(problems))).ok())
}

fn read<T>(read: impl FnOnce(&mut Problems) -> Option<T>) -> Result<T, ApiError> {
    let mut problems = Problems::default();
    let value = read(&mut problems);
    problems.into_result(value).map_err(|problems| ApiError::invalid(to_api_errors(problems).collect()))
}

/// What is wrong, as the API shows it.
pub fn to_api_errors(problems: Vec<Problem>) -> impl Iterator<Item = FieldError> {
    problems.into_iter().map(|Problem { field, reason, allowed }| {
        if allowed.is_empty() { field_error(&field, reason) } else { choice_error(&field, allowed) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reckoner_domain::catalog::SAMPLES;

    #[test]
    fn wire_and_domain_write_the_same_fields() {
        for (name, text) in SAMPLES {
            let form: CatalogForm = serde_json::from_str(text).expect(name);
            let plans: Vec<NewPlan> = rewritten(&form.plans).expect("the same fields");
            assert_eq!(serde_json::to_value(&plans).ok(), serde_json::to_value(&form.plans).ok(), "{name}");
        }
        let every_field = r#"{"key":"p","name":"n","currency":"USD","base_price":"1","interval":"month","billing":"calendar",
            "trial_days":1,"commitment":"2","tax":"t","entitlements":[{"feature":"f","type":"metered","value":"v","meter":"m",
            "behaviour":"block","limit":"1","thresholds":[80],"reset":"day"}],"prices":[{"key":"k","model":"volume",
            "meter":"m","amount":"1","unit_price":"1","package_size":"1","package_price":"1","tiers":[{"up_to":"1",
            "unit_price":"1","flat_fee":"1"}],"percent":"1","event_fee":"1","unit_size":"1","included":"1",
            "minimum":"1","maximum":"1","tax":"t"}]}"#;
        let form: PlanForm = serde_json::from_str(every_field).expect("a form");
        let wire: NewPlan = serde_json::from_str(every_field).expect("on the wire");
        assert_eq!(rewritten::<PlanForm>(&wire).ok(), Some(form.clone()));
        assert_eq!(rewritten::<NewPlan>(&form).ok(), Some(wire));
        let coupon = r#"{"key":"c","percent":"1","amount":"1","currency":"USD","periods":2}"#;
        let form: CouponForm = serde_json::from_str(coupon).expect("a form");
        let wire: NewCoupon = serde_json::from_str(coupon).expect("on the wire");
        assert_eq!(rewritten::<CouponForm>(&wire).ok(), Some(form));
    }
}
