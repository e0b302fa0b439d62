//! Invoices of months of traffic, storage and compute at plain rates, without a plan: system B's.
//!
//! Each resource has a line, rounded once. What late usage, voids and amendments change of earlier months is billed
//! as adjustments; credits never take an invoice below zero: what is left of them is given back by the next one.
use crate::adjustment::adjustment;
use crate::currency::Currency;
use crate::invoice::{Charge, Draft, Line, LineKind, TaxMode, Terms, draft};
use crate::money::{Money, MoneyError};
use crate::rate::Measured;
use crate::ratio::Ratio;
use crate::share::Share;
use crate::window::Window;

/// The resources, in the order of lines: GB of traffic, GB-months of storage, weighted units of compute.
pub const RESOURCES: [&str; 3] = ["traffic", "storage", "compute"];

/// One figure for each resource, in their order.
pub type PerResource<T> = [T; 3];

/// A month, and what was used in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Month {
    /// Its name, such as `2026-01`.
    pub name: String,
    /// Its time.
    pub window: Window,
    /// What was used.
    pub used: PerResource<Ratio>,
}

/// An earlier month that is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// What is known of it now.
    pub month: Month,
    /// What was billed for it so far, adjustments included.
    pub billed: PerResource<Money>,
}

/// The invoice of a month as it stands, with what is missing of earlier ones or was charged too much.
pub fn month_draft(
    month: &Month,
    earlier: &[Earlier],
    rates: &PerResource<Ratio>,
    currency: Currency,
) -> Result<Draft, MoneyError> {
    let mut charges = Vec::new();
    let mut due = Money::zero(currency);
    for ((resource, used), rate) in RESOURCES.iter().zip(month.used).zip(rates) {
        let charge = usage(resource, month.window, used, *rate)?;
        due = due.plus(Money::rounded(charge.exact, currency)?)?;
        charges.push(charge);
    }
    let mut credits = Vec::new();
    for Earlier { month, billed } in earlier {
        for (((resource, used), rate), billed) in RESOURCES.iter().zip(month.used).zip(rates).zip(billed) {
            let anew = Money::rounded(cost(used, *rate)?, currency)?;
            let Some(difference) = adjustment(anew, &[*billed])? else { continue };
            let late = |amount: Money| late(resource, month, amount);
            if difference.is_negative() {
                credits.push((late(difference), difference.negated()));
            } else {
                due = due.plus(difference)?;
                charges.push(late(difference));
            }
        }
    }
    for (credit, amount) in credits {
        let given = amount.least(due)?;
        if given.is_positive() {
            due = due.minus(given)?;
            charges.push(Charge { exact: given.negated().exact(), ..credit });
        }
    }
    let nothing = Money::zero(currency);
    let terms = Terms {
        currency,
        coupons: Vec::new(),
        commitment: None,
        taxes: Vec::new(),
        tax_mode: TaxMode::Exclusive,
        wallet: nothing,
    };
    draft(charges, &terms)
}

/// What lines bill of a resource in a month.
pub fn billed_in(
    lines: &[Line],
    resource: &str,
    window: Window,
    currency: Currency,
) -> Result<Money, MoneyError> {
    let of_it = lines
        .iter()
        .filter(|line| line.period == Some(window) && line.description.split(',').next() == Some(resource));
    Money::total(of_it.map(|line| line.amount), currency)
}

/// What was used of a resource as a usage line has it.
pub fn used_in(lines: &[Line], resource: &str) -> Ratio {
    let line = lines.iter().find(|line| line.kind == LineKind::Usage && line.description == resource);
    line.and_then(|line| line.measured.as_ref()).map_or(Ratio::ZERO, |measured| measured.units)
}

/// What is below zero costs nothing.
fn cost(used: Ratio, rate: Ratio) -> Result<Ratio, MoneyError> {
    Ok(used.max(Ratio::ZERO).times(rate)?)
}

fn usage(resource: &str, window: Window, used: Ratio, rate: Ratio) -> Result<Charge, MoneyError> {
    let measured = Measured {
        units: used.max(Ratio::ZERO),
        included: Ratio::ZERO,
        was_negative: used.is_negative(),
        is_capped: false,
    };
    Ok(Charge {
        kind: LineKind::Usage,
        description: resource.to_owned(),
        period: window,
        share: Share::WHOLE,
        measured: Some(measured),
        details: Vec::new(),
        exact: cost(used, rate)?,
        minimum: None,
        tax: None,
        source: None,
    })
}

fn late(resource: &str, month: &Month, amount: Money) -> Charge {
    Charge {
        kind: LineKind::Adjustment,
        description: format!("{resource}, {}", month.name),
        period: month.window,
        share: Share::WHOLE,
        measured: None,
        details: Vec::new(),
        exact: amount.exact(),
        minimum: None,
        tax: None,
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{DAY, Timestamp};

    fn usd() -> Currency {
        "USD".parse().expect("a currency")
    }

    fn ratio(text: &str) -> Ratio {
        Ratio::parse(text).expect("a number")
    }

    fn month(number: i64, used: [&str; 3]) -> Month {
        let start = Timestamp::EPOCH.plus_micros(number * 30 * DAY);
        let window = Window { start, end: start.plus_micros(30 * DAY) };
        Month { name: format!("1970-{number:02}"), window, used: used.map(ratio) }
    }

    fn shown(draft: &Draft) -> Vec<String> {
        draft.lines.iter().map(|line| format!("{} {}", line.description, line.amount.amount())).collect()
    }

    #[test]
    fn months_are_billed_and_corrected_to_the_cent_and_never_below_zero() {
        let rates = ["0.10", "0.05", "0.001"].map(ratio);
        let bill =
            |month: &Month, earlier: &[Earlier]| month_draft(month, earlier, &rates, usd()).expect("fits");
        let first = month(1, ["100.25", "20", "-7"]);
        let bills = vec![bill(&first, &[])];
        // 10.025 is rounded half to even.
        assert_eq!(shown(&bills[0]), ["traffic 10.02", "storage 1.00", "compute 0.00"]);
        assert_eq!(bills[0].totals.total.amount(), "11.02");
        assert_eq!(used_in(&bills[0].lines, "traffic"), ratio("100.25"));

        let billed = |bills: &[Draft], window| {
            RESOURCES.map(|resource| {
                let each =
                    bills.iter().map(|bill| billed_in(&bill.lines, resource, window, usd()).expect("fits"));
                Money::total(each, usd()).expect("fits")
            })
        };
        // Less traffic than was billed, and compute that was not known.
        let now = Month { used: ["10", "20", "500"].map(ratio), ..first.clone() };
        let earlier =
            |bills: &[Draft]| vec![Earlier { month: now.clone(), billed: billed(bills, now.window) }];
        let second = bill(&month(2, ["5", "0", "0"]), &earlier(&bills));
        let lines = [
            "traffic 0.50",
            "storage 0.00",
            "compute 0.00",
            "compute, 1970-01 0.50",
            "traffic, 1970-01 -1.00",
        ];
        assert_eq!(
            (shown(&second), second.totals.total.amount()),
            (lines.map(str::to_owned).to_vec(), "0.00".into())
        );
        // The rest of the credit comes with the next one, once.
        let mut bills = [bills, vec![second]].concat();
        let third = bill(&month(3, ["1000", "0", "0"]), &earlier(&bills));
        assert_eq!(shown(&third)[3..], ["traffic, 1970-01 -8.02"]);
        bills.push(third);
        let fourth = bill(&month(4, ["1", "0", "0"]), &earlier(&bills));
        assert_eq!(fourth.lines.len(), 3);
    }
}
