//! Usage under a price.
use super::{read, text};
use crate::currency::Currency;
use crate::money::Money;
use crate::percent::Percent;
use crate::price::{Charges, PriceForm};
use crate::rate::{Usage, rate, settle};
use crate::share::Share;
use serde_json::{Value, json};

pub(super) fn run(given: &Value) -> Value {
    let currency: Currency = text(given, "currency").parse().expect("a currency");
    let price = read::<PriceForm>(&given["price"]).into_price(currency).expect("a price");
    let Charges::Metered { metered, .. } = price.charges else { panic!("a flat price has no usage") };
    let usage = &given["usage"];
    let usage = Usage { quantity: read(&usage["quantity"]), events: usage["events"].as_u64().unwrap_or(0) };
    let share = given.get("share").map_or(Share::WHOLE, read);
    let percents: Vec<Percent> = given.get("discounts").map(read).unwrap_or_default();
    let rated = rate(&metered, usage, share).expect("fits");
    let settled = settle(rated.amount, &percents, rated.minimum, currency).expect("fits");
    let amounts = |amounts: &[Money]| amounts.iter().map(|money| money.amount()).collect::<Vec<_>>();
    json!({
        "units": rated.measured.units,
        "included": rated.measured.included,
        "was_negative": rated.measured.was_negative,
        "details": rated.details,
        "exact": rated.amount,
        "is_capped": rated.measured.is_capped,
        "line": settled.amount.amount(),
        "discounts": amounts(&settled.discounts),
        "net": settled.net.amount(),
        "minimum": settled.missing.amount(),
    })
}
