//! Tiers of graduated and volume prices.
use super::form::TierForm;
use crate::decimal::Decimal;
use crate::money::UnitPrice;
use crate::problem::Problems;

/// Most tiers of a price.
pub const TIERS_MAX: usize = 100;

/// One tier. It begins above the bound of the tier before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The last unit of the tier; the last tier has none.
    pub up_to: Option<Decimal>,
    /// What a unit costs.
    pub unit_price: UnitPrice,
    /// Due once the tier is entered.
    pub flat_fee: UnitPrice,
}

/// Tiers with rising bounds above zero, of which the last and only the last is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiers(Vec<Tier>);

impl Tiers {
    /// The tiers, the lowest first.
    pub fn list(&self) -> &[Tier] {
        &self.0
    }

    pub(super) fn read(forms: &[TierForm], problems: &mut Problems) -> Option<Self> {
        if forms.is_empty() || forms.len() > TIERS_MAX {
            problems.note("tiers", format_args!("must be 1 to {TIERS_MAX} tiers"));
            return None;
        }
        let last = forms.len().saturating_sub(1);
        let mut index = 0_usize;
        let mut below = Decimal::ZERO;
        let tiers = problems.each("tiers", forms, |problems, form| {
            let place = if index == last { Place::Last } else { Place::Inner { above: below } };
            index = index.saturating_add(1);
            let tier = read_tier(form, place, problems);
            below = tier.and_then(|tier| tier.up_to).unwrap_or(below);
            tier
        });
        tiers.map(Self)
    }
}

#[derive(Clone, Copy)]
enum Place {
    Inner { above: Decimal },
    Last,
}

fn read_tier(form: &TierForm, place: Place, problems: &mut Problems) -> Option<Tier> {
    let up_to = match (form.up_to.as_deref(), place) {
        (None, Place::Last) => Some(None),
        (None, Place::Inner { .. }) => {
            problems.note("up_to", "is required: only the last tier is open");
            None
        }
        (Some(_), Place::Last) => {
            problems.note("up_to", "must be absent: the last tier is open");
            None
        }
        (Some(text), Place::Inner { above }) => {
            let bound = problems.keep("up_to", Decimal::parse(text));
            if bound.is_some_and(|bound| bound <= above) {
                problems.note("up_to", format_args!("must be greater than {above}"));
            }
            bound.filter(|bound| *bound > above).map(Some)
        }
    };
    let price = |problems: &mut Problems, field, text: &Option<String>| {
        problems.keep(field, UnitPrice::parse(text.as_deref().unwrap_or("0")))
    };
    if form.unit_price.is_none() && form.flat_fee.is_none() {
        problems.note("unit_price", "is required where there is no flat_fee");
        return None;
    }
    let unit_price = price(problems, "unit_price", &form.unit_price);
    let flat_fee = price(problems, "flat_fee", &form.flat_fee);
    Some(Tier { up_to: up_to?, unit_price: unit_price?, flat_fee: flat_fee? })
}
