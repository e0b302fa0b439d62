//! What commands print: text for people, JSON for scripts.
use super::error::CliError;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;

/// Where a command prints its results.
pub type Out<'a> = &'a mut (dyn Write + Send);

/// Prints a value as indented JSON.
pub fn json(out: Out<'_>, value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| CliError::failed(error.to_string()))?;
    Ok(writeln!(out, "{text}")?)
}

/// Prints a value as one line of JSON and hands it on at once.
pub fn json_line(out: Out<'_>, value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string(value).map_err(|error| CliError::failed(error.to_string()))?;
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// A text with everything escaped that could steer a terminal or hide what it says.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        let bidi =
            matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if char.is_control() || bidi {
            let _ = write!(shown, "{}", char.escape_unicode());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// A number with thousands set apart: `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len().saturating_mul(2));
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A bar on standard error for `total` units of work; hidden when that is no terminal.
pub fn bar(total: u64, unit: &str) -> ProgressBar {
    styled(
        ProgressBar::new(total),
        &format!("{{bar:32}} {{human_pos}}/{{human_len}} {unit} {{per_sec}} {{msg}}"),
    )
}

/// A bar for work counted in bytes; without a total it only counts.
pub fn byte_bar(total: Option<u64>) -> ProgressBar {
    match total {
        Some(total) => {
            styled(ProgressBar::new(total), "{bar:32} {decimal_bytes}/{decimal_total_bytes} {eta} left {msg}")
        }
        None => styled(ProgressBar::new_spinner(), "{spinner} {decimal_bytes} {decimal_bytes_per_sec} {msg}"),
    }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    // A template that does not parse leaves the plain bar.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_printed_steers_a_terminal() {
        assert_eq!(printable("a\u{1b}[31mred\n\u{202e}x é"), "a\\u{1b}[31mred\\u{a}\\u{202e}x é");
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), shown);
        }
    }
}
