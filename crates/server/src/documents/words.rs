//! Values as documents show them. Pure.
use reckoner_domain::invoice::{InvoiceStatus, LineKind};
use reckoner_domain::rate::{Counted, Detail};
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;

/// Most characters of one text: what is longer is cut, and says so.
const CHARS_MAX: usize = 500;
/// What stands for a character that cannot be shown.
pub const REPLACEMENT: char = '\u{fffd}';

/// A text of somebody else as one line that is safe to show. Characters that control the direction of
/// text are not obeyed: with them a description could turn an amount around.
pub fn clean(text: &str) -> String {
    let mut shown: String = text.chars().take(CHARS_MAX).map(clean_char).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn clean_char(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            REPLACEMENT
        }
        c if c.is_control() => REPLACEMENT,
        c => c,
    }
}

/// An instant in UTC, as short as it can be told: `2026-02-10`, `2026-02-10 13:00`, `2026-02-10 13:00:59`.
pub fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    let time = time.trim_end_matches('Z');
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let minutes = time.strip_suffix(":00").filter(|_| fraction.bytes().all(|digit| digit == b'0'));
    match minutes {
        Some("00:00") => day.to_owned(),
        Some(minutes) => format!("{day} {minutes}"),
        None => format!("{day} {time}"),
    }
}

/// A period.
pub fn period(window: Window) -> String {
    format!("{} to {}", moment(window.start), moment(window.end))
}

/// What a line is for.
pub fn kind(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Base => "Fee",
        LineKind::Usage => "Usage",
        LineKind::Overage => "Usage beyond the quota",
        LineKind::Minimum => "Up to the minimum",
        LineKind::Adjustment => "Adjustment of an earlier period",
        LineKind::Discount => "Discount",
        LineKind::Credit => "Commitment",
        LineKind::Tax => "Tax",
        LineKind::Wallet => "Wallet",
    }
}

/// Where an invoice stands.
pub fn status(status: InvoiceStatus) -> &'static str {
    match status {
        InvoiceStatus::Draft => "Draft",
        InvoiceStatus::Finalized => "Due",
        InvoiceStatus::Paid => "Paid",
        InvoiceStatus::Void => "Void",
        InvoiceStatus::Uncollectible => "Uncollectible",
    }
}

/// How a part of a line's amount comes about: `Tier 2: 9000 units × 0.005 + 2 = 47`.
pub fn detail(detail: &Detail) -> String {
    let of = match detail.of {
        Counted::Units => "units",
        Counted::Packages => "packages",
        Counted::Value => "value",
        Counted::Events => "events",
    };
    let Detail { quantity, price, amount, flat_fee, .. } = detail;
    let tier = detail.tier.map(|tier| format!("Tier {tier}: ")).unwrap_or_default();
    let fee = if flat_fee.is_zero() { String::new() } else { format!(" + {flat_fee}") };
    format!("{tier}{quantity} {of} × {price}{fee} = {amount}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_as_short_as_they_can_be() {
        let shown = |text| moment(Timestamp::parse(text).expect("a time"));
        assert_eq!(shown("2026-02-10T00:00:00Z"), "2026-02-10");
        assert_eq!(shown("2026-02-10T13:00:00Z"), "2026-02-10 13:00");
        assert_eq!(shown("2026-02-10T00:00:59Z"), "2026-02-10 00:00:59");
        assert_eq!(shown("2026-02-10T00:00:00.000001Z"), "2026-02-10 00:00:00");
    }

    #[test]
    fn texts_become_one_bounded_line_that_turns_nothing_around() {
        assert_eq!(clean("a\nb\tc"), "a b c");
        assert_eq!(clean("\u{0}\u{7f}\u{202e}x"), "\u{fffd}\u{fffd}\u{fffd}x");
        assert_eq!(clean("Müller 株式会社 😀 שלום"), "Müller 株式会社 😀 שלום");
        let long = clean(&"ü".repeat(2_000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (CHARS_MAX + 1, true));
    }
}
