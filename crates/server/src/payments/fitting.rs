//! What a closing charges, as few enough charges for an invoice of a provider.
use reckoner_domain::money::{Money, MoneyError};
use reckoner_domain::window::Window;

/// Most charges of a closing. Stripe takes 250 items on an invoice: the rest is for what else is on it.
pub const ITEMS_MAX: usize = 200;

/// A charge of a closing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much.
    pub amount: Money,
    /// What it says to the customer.
    pub description: String,
    /// The time that is charged for.
    pub period: Window,
}

/// The same charges, the last ones taken together where there are more than fit. They come to the same in all.
pub fn fitting(mut lines: Vec<Line>) -> Result<Vec<Line>, MoneyError> {
    if lines.len() <= ITEMS_MAX {
        return Ok(lines);
    }
    let rest = lines.split_off(ITEMS_MAX - 1);
    let Some(first) = rest.first().cloned() else { return Ok(lines) };
    let together = rest.iter().skip(1).try_fold(first, |sum, line| {
        let (start, end) = (sum.period.start.min(line.period.start), sum.period.end.max(line.period.end));
        let amount = sum.amount.plus(line.amount)?;
        Ok::<_, MoneyError>(Line { amount, period: Window { start, end }, ..sum })
    })?;
    if !together.amount.is_zero() {
        lines.push(Line { description: format!("{} further charges", rest.len()), ..together });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reckoner_domain::time::Timestamp;

    fn line(number: i64) -> Line {
        let at = |micros| Timestamp::from_micros_clamped(micros);
        let amount = Money::from_minor(i128::from(number), "USD".parse().expect("a currency"));
        Line {
            amount: amount.expect("fits"),
            description: number.to_string(),
            period: Window { start: at(number), end: at(number + 1) },
        }
    }

    #[test]
    fn what_does_not_fit_is_taken_together() {
        let lines = |count: i64| (1..=count).map(line).collect::<Vec<_>>();
        assert_eq!(fitting(lines(200)), Ok(lines(200)));
        let fitted = fitting(lines(251)).expect("fits");
        assert_eq!((fitted.len(), &fitted[..199]), (200, &lines(199)[..]));
        let last = &fitted[199];
        assert_eq!(
            (last.description.as_str(), last.amount.minor()),
            ("52 further charges", (200..=251).sum())
        );
        assert_eq!((last.period.start, last.period.end), (line(200).period.start, line(251).period.end));
        let total: i128 = fitted.iter().map(|line| line.amount.minor()).sum();
        assert_eq!(total, (1..=251).sum());
    }
}
