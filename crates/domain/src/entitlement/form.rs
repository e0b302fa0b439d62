//! How entitlements are written in catalogues and requests.
use super::{Entitlement, Grant, VALUE_BYTES_MAX};
use crate::decimal::Decimal;
use crate::key::FeatureKey;
use crate::meter::MeterKey;
use crate::problem::Problems;
use crate::quota::{DEFAULT_THRESHOLDS, Limit, Quota, Reset, THRESHOLD_PERCENT_MAX, THRESHOLDS_MAX};
use serde::{Deserialize, Serialize};

/// The fields of each kind, in the order of [`Grant::NAMES`].
const FIELDS: [&[&str]; 3] = [&[], &["value"], &["meter", "behaviour", "limit", "thresholds", "reset"]];

/// An entitlement as written in catalogues and requests; limits are texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntitlementForm {
    /// The feature.
    pub feature: String,
    /// `boolean`, `static` or `metered`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `static`: the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `metered`: the meter that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    /// `metered`: `block`, `overage` or `unlimited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<String>,
    /// `metered`: how much may be used between two resets; absent for `unlimited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// `metered`: when to warn, in percent of the limit; 80 and 100 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<u32>>,
    /// `metered`: `day`, `month` (when absent) or `billing_period`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<String>,
}

impl EntitlementForm {
    /// The entitlement that is meant; what is wrong is noted.
    pub fn read(&self, problems: &mut Problems) -> Option<Entitlement> {
        let feature = problems.keep("feature", FeatureKey::parse(&self.feature));
        let fields = problems.choose("type", &self.kind, &Grant::NAMES, &FIELDS)?;
        for (field, given) in [
            ("value", self.value.is_some()),
            ("meter", self.meter.is_some()),
            ("behaviour", self.behaviour.is_some()),
            ("limit", self.limit.is_some()),
            ("thresholds", self.thresholds.is_some()),
            ("reset", self.reset.is_some()),
        ] {
            if given && !fields.contains(&field) {
                problems.note(field, format_args!("must be absent: a {} entitlement has none", self.kind));
            }
        }
        let grant = match self.kind.as_str() {
            "static" => self.read_value(problems).map(Grant::Static),
            "metered" => self.read_quota(problems).map(Grant::Metered),
            _ => Some(Grant::Boolean),
        };
        Some(Entitlement { feature: feature?, grant: grant? })
    }

    fn read_value(&self, problems: &mut Problems) -> Option<String> {
        let value = problems.required("value", self.value.as_deref())?;
        if value.len() > VALUE_BYTES_MAX {
            problems.note("value", format_args!("must have at most {VALUE_BYTES_MAX} bytes"));
            return None;
        }
        Some(value.to_owned())
    }

    fn read_quota(&self, problems: &mut Problems) -> Option<Quota> {
        let meter = problems.required("meter", self.meter.as_deref());
        let meter = meter.and_then(|text| problems.keep("meter", MeterKey::parse(text)));
        let limit = self.read_limit(problems);
        let thresholds = self.thresholds.clone().unwrap_or_else(|| DEFAULT_THRESHOLDS.to_vec());
        let in_range = thresholds.iter().all(|percent| (1..=THRESHOLD_PERCENT_MAX).contains(percent));
        let good = in_range && thresholds.len() <= THRESHOLDS_MAX && thresholds.is_sorted_by(|a, b| a < b);
        if !good {
            let most = format_args!(
                "must be at most {THRESHOLDS_MAX} rising percentages from 1 to {THRESHOLD_PERCENT_MAX}"
            );
            problems.note("thresholds", most);
        }
        let reset =
            problems.choose("reset", self.reset.as_deref().unwrap_or("month"), &Reset::NAMES, &Reset::ALL);
        Some(Quota { meter: meter?, limit: limit?, thresholds: good.then_some(thresholds)?, reset: reset? })
    }

    fn read_limit(&self, problems: &mut Problems) -> Option<Limit> {
        let limits: [fn(Decimal) -> Limit; 3] = [Limit::Block, Limit::Overage, |_| Limit::Unlimited];
        let behaviour = problems.required("behaviour", self.behaviour.as_deref())?;
        let limit = problems.choose("behaviour", behaviour, &Limit::NAMES, &limits)?;
        if behaviour == "unlimited" {
            if self.limit.is_some() {
                problems.note("limit", "must be absent: there is none");
            }
            return Some(Limit::Unlimited);
        }
        let text = problems.required("limit", self.limit.as_deref())?;
        let units = problems.keep("limit", Decimal::parse(text))?;
        if units < Decimal::ZERO {
            problems.note("limit", "must not be negative");
            return None;
        }
        Some(limit(units))
    }
}

impl From<&Entitlement> for EntitlementForm {
    fn from(entitlement: &Entitlement) -> Self {
        let form = Self {
            feature: entitlement.feature.to_string(),
            kind: entitlement.grant.as_str().to_owned(),
            ..Self::default()
        };
        match &entitlement.grant {
            Grant::Boolean => form,
            Grant::Static(value) => Self { value: Some(value.clone()), ..form },
            Grant::Metered(quota) => Self {
                meter: Some(quota.meter.to_string()),
                behaviour: Some(quota.limit.behaviour().to_owned()),
                limit: quota.limit.units().map(|units| units.to_string()),
                thresholds: Some(quota.thresholds.clone()),
                reset: Some(quota.reset.as_str().to_owned()),
                ..form
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Entitlement, Vec<String>> {
        let form: EntitlementForm = serde_json::from_str(text).expect("a form");
        let mut problems = Problems::default();
        let entitlement = form.read(&mut problems);
        let shown = |list: Vec<crate::problem::Problem>| list.iter().map(ToString::to_string).collect();
        problems.into_result(entitlement).map_err(shown)
    }

    #[test]
    fn every_kind_reads_back_as_it_is_written() {
        for text in [
            r#"{"feature":"sso","type":"boolean"}"#,
            r#"{"feature":"support","type":"static","value":"email"}"#,
            r#"{"feature":"calls","type":"metered","meter":"api.calls","behaviour":"block","limit":"1000","thresholds":[80,100],"reset":"month"}"#,
            r#"{"feature":"calls","type":"metered","meter":"api.calls","behaviour":"unlimited","thresholds":[],"reset":"day"}"#,
        ] {
            let entitlement = read(text).expect("an entitlement");
            assert_eq!(
                serde_json::to_string(&EntitlementForm::from(&entitlement)).ok().as_deref(),
                Some(text)
            );
        }
        let short = read(r#"{"feature":"c","type":"metered","meter":"m","behaviour":"overage","limit":"1"}"#);
        let Ok(Entitlement { grant: Grant::Metered(quota), .. }) = short else { panic!("{short:?}") };
        assert_eq!((quota.thresholds, quota.reset), (vec![80, 100], Reset::Month));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let bad = r#"{"feature":"a b","type":"metered","value":"x","meter":"","behaviour":"block","limit":"-1","thresholds":[100,80],"reset":"never"}"#;
        let key = "must be 1 to 128 bytes without spaces, control characters, '/', '?' or '#'";
        let expected = [
            format!("feature: {key}"),
            "value: must be absent: a metered entitlement has none".to_owned(),
            format!("meter: {key}"),
            "limit: must not be negative".to_owned(),
            "thresholds: must be at most 10 rising percentages from 1 to 1000".to_owned(),
            "reset: is not known (one of day, month, billing_period)".to_owned(),
        ];
        assert_eq!(read(bad), Err(expected.to_vec()));
        let bad = r#"{"feature":"a","type":"metered","meter":"m","behaviour":"unlimited","limit":"1"}"#;
        assert_eq!(read(bad), Err(vec!["limit: must be absent: there is none".to_owned()]));
        let bad = read(r#"{"feature":"a","type":"toggle"}"#);
        assert_eq!(bad, Err(vec!["type: is not known (one of boolean, static, metered)".to_owned()]));
        let long = format!(r#"{{"feature":"a","type":"static","value":"{}"}}"#, "x".repeat(256));
        assert_eq!(read(&long), Err(vec!["value: must have at most 255 bytes".to_owned()]));
    }
}
