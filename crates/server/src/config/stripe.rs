//! What concerns Stripe: the accounts of `live` and `test`, their prices, and where its pages lead back to.
use super::reader::{Named, Reader, named};
use super::strength::is_placeholder;
use super::{Config, KEY_BYTES_MAX, Secret};
use reckoner_domain::key::PlanKey;
use std::collections::BTreeMap;

/// Where Stripe is.
const BASE_URL: &str = "https://api.stripe.com";
/// The version of its API that requests are written for.
const API_VERSION: &str = "2026-08-26.dahlia";
/// What keys of servers begin with.
const KEY_PREFIXES: [&str; 4] = ["sk_live_", "sk_test_", "rk_live_", "rk_test_"];
/// What secrets of webhooks begin with.
const WEBHOOK_PREFIX: &str = "whsec_";
/// Most prices of an account.
const PRICES_MAX: usize = 1_000;

/// How Stripe is used.
#[derive(Clone, Debug)]
pub struct Stripe {
    /// Where its API is, without a slash at the end.
    pub base_url: String,
    /// The version that each request names.
    pub api_version: String,
    /// Where its pages lead back to.
    pub pages: Pages,
    /// The account of project `live`.
    pub live: Option<StripeAccount>,
    /// The account of project `test`.
    pub test: Option<StripeAccount>,
    /// Settings that hold what an example had in their place; they count as unset.
    pub placeholders: Vec<&'static str>,
}

/// Where Stripe's pages lead back to.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    /// After a checkout.
    pub success_url: String,
    /// After a checkout that was given up.
    pub cancel_url: String,
    /// After the portal.
    pub return_url: String,
}

/// An account of Stripe.
#[derive(Clone, Debug)]
pub struct StripeAccount {
    /// The key that requests carry.
    pub secret_key: Secret,
    /// What its webhooks may be signed with; none is taken where there is none.
    pub webhook_secrets: Vec<Secret>,
    /// Its prices of plans.
    pub prices: BTreeMap<PlanKey, String>,
}

impl StripeAccount {
    /// Whether the key moves real money.
    pub fn is_live(&self) -> bool {
        self.secret_key.expose().get(3..8) == Some("live_")
    }
}

/// The settings of an account.
struct Names {
    secret_key: Named,
    webhook_secret: Named,
    previous_secret: Named,
    prices: Named,
    /// System D's own names of prices.
    single: &'static [(&'static str, Named)],
}

const LIVE: Names = Names {
    secret_key: named(
        "stripe.secret_key",
        "The key of the Stripe account of project live; without one it uses no Stripe.",
    )
    .also(&["STRIPE_SECRET_KEY"])
    .secret(),
    webhook_secret: named("stripe.webhook_secret", "What Stripe signs events of project live with.")
        .also(&["STRIPE_WEBHOOK_SECRET"])
        .secret(),
    previous_secret: named(
        "stripe.webhook_previous_secret",
        "What it signed them with before; still accepted.",
    )
    .secret(),
    prices: named(
        "stripe.prices",
        "Stripe's prices of plans: PLAN=PRICE with commas between, such as basic=price_1,pro=price_2.",
    ),
    single: &[
        (
            "basic",
            named("stripe.basic_price_id", "The price of the plan basic.").also(&["STRIPE_BASIC_PRICE_ID"]),
        ),
        ("pro", named("stripe.pro_price_id", "The price of the plan pro.").also(&["STRIPE_PRO_PRICE_ID"])),
    ],
};

const TEST: Names = Names {
    secret_key: named(
        "stripe.test.secret_key",
        "The key of the Stripe account of project test, in Stripe's test mode; without one it uses no Stripe.",
    )
    .secret(),
    webhook_secret: named("stripe.test.webhook_secret", "What Stripe signs events of project test with.")
        .secret(),
    previous_secret: named(
        "stripe.test.webhook_previous_secret",
        "What it signed them with before; still accepted.",
    )
    .secret(),
    prices: named("stripe.test.prices", "Prices of plans in that account, as stripe.prices."),
    single: &[],
};

pub(super) fn read_stripe(reader: &mut Reader<'_>) -> Stripe {
    let mut placeholders = Vec::new();
    let live = read_account(reader, &LIVE, &mut placeholders);
    let test = read_account(reader, &TEST, &mut placeholders);
    if test.as_ref().is_some_and(StripeAccount::is_live) {
        let reason = "must be a key of Stripe's test mode: the clock of project test is not the real one";
        reader.problem(TEST.secret_key.name, reason);
    }
    check_apart(reader, live.as_ref(), test.as_ref());
    let base_url = read_base_url(reader);
    let api_version = reader.value(
        named("stripe.api_version", "The version of Stripe's API that requests name."),
        API_VERSION.to_owned(),
        "a version",
    );
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ';' | '=');
    if api_version.is_empty() || !api_version.chars().all(good) {
        reader.problem("stripe.api_version", format!("must be a version such as {API_VERSION}"));
    }
    Stripe { base_url, api_version, pages: read_pages(reader), live, test, placeholders }
}

fn read_account(
    reader: &mut Reader<'_>,
    names: &Names,
    placeholders: &mut Vec<&'static str>,
) -> Option<StripeAccount> {
    let secret_key = read_secret(reader, names.secret_key, &KEY_PREFIXES, placeholders);
    let mut webhook_secrets = Vec::new();
    for setting in [names.webhook_secret, names.previous_secret] {
        webhook_secrets.extend(read_secret(reader, setting, &[WEBHOOK_PREFIX], placeholders));
    }
    let prices = read_prices(reader, names);
    let has_key = secret_key.is_some() || placeholders.contains(&names.secret_key.name);
    if !has_key && !webhook_secrets.is_empty() {
        reader.problem(names.secret_key.name, format!("must be set with {}", names.webhook_secret.name));
    }
    Some(StripeAccount { secret_key: secret_key?, webhook_secrets, prices })
}

/// A secret of Stripe's; none where an example's was left in its place.
fn read_secret(
    reader: &mut Reader<'_>,
    setting: Named,
    prefixes: &[&str],
    placeholders: &mut Vec<&'static str>,
) -> Option<Secret> {
    let secret: Secret = reader.optional(setting, "a text")?;
    let text = secret.expose();
    let rest = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
    if is_placeholder(rest.unwrap_or(text)) {
        placeholders.push(setting.name);
        return None;
    }
    let printable = text.len() <= KEY_BYTES_MAX && text.chars().all(|c| c.is_ascii_graphic());
    if rest.is_none() || !printable {
        reader.problem(
            setting.name,
            format!("must be what Stripe shows: it begins with {}", prefixes.join(", ")),
        );
    }
    Some(secret)
}

fn read_prices(reader: &mut Reader<'_>, names: &Names) -> BTreeMap<PlanKey, String> {
    let mut prices = BTreeMap::new();
    for (plan, setting) in names.single {
        let price: Option<String> = reader.optional(*setting, "the id of a price");
        if let (Some(price), Ok(plan)) = (price, PlanKey::parse(plan)) {
            add_price(reader, setting.name, &mut prices, plan, &price);
        }
    }
    let listed: Option<String> = reader.optional(names.prices, "PLAN=PRICE with commas between");
    let listed = listed.unwrap_or_default();
    for pair in listed.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let read = pair.split_once('=').map(|(plan, price)| (PlanKey::parse(plan.trim()), price.trim()));
        match read {
            Some((Ok(plan), price)) => add_price(reader, names.prices.name, &mut prices, plan, price),
            _ => reader.problem(names.prices.name, format!("must hold PLAN=PRICE, and {pair} is none")),
        }
    }
    if prices.len() > PRICES_MAX {
        reader.problem(names.prices.name, format!("must be at most {PRICES_MAX}"));
    }
    prices
}

fn add_price(
    reader: &mut Reader<'_>,
    setting: &str,
    prices: &mut BTreeMap<PlanKey, String>,
    plan: PlanKey,
    price: &str,
) {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if price.is_empty() || price.len() > 255 || !price.chars().all(good) {
        reader.problem(setting, "must name prices by their ids, such as price_1PgafmB7WZ01zgkW6dKueIc5");
        return;
    }
    // One price that stands for two plans would not tell which of them a subscription is to.
    if prices.iter().any(|(other, known)| known == price && *other != plan) {
        reader.problem(setting, format!("must name another price for each plan, and {price} is named twice"));
    }
    prices.insert(plan, price.to_owned());
}

/// Which project an event is of is told by the secret that it is signed with.
fn check_apart(reader: &mut Reader<'_>, live: Option<&StripeAccount>, test: Option<&StripeAccount>) {
    let (Some(live), Some(test)) = (live, test) else { return };
    if live.secret_key == test.secret_key {
        reader.problem(TEST.secret_key.name, "must differ from stripe.secret_key");
    }
    if live.webhook_secrets.iter().any(|secret| test.webhook_secrets.contains(secret)) {
        let reason = "must differ from those of project live: the secret tells which project an event is of";
        reader.problem(TEST.webhook_secret.name, reason);
    }
}

fn read_base_url(reader: &mut Reader<'_>) -> String {
    let text = reader.value(
        named("stripe.base_url", "Where Stripe's API is; for tests against a stand-in."),
        BASE_URL.to_owned(),
        "an https URL",
    );
    let url = url::Url::parse(&text).ok();
    let is_local = |url: &url::Url| match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let good = url.is_some_and(|url| {
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_local(&url));
        is_safe && url.query().is_none() && url.fragment().is_none() && url.username().is_empty()
    });
    if !good {
        let reason = "must be an https URL without user, query or fragment (http on this machine only): keys pass there";
        reader.problem("stripe.base_url", reason);
    }
    text.trim_end_matches('/').to_owned()
}

const SUCCESS_URL: &str = "stripe.success_url";
const CANCEL_URL: &str = "stripe.cancel_url";
const RETURN_URL: &str = "stripe.return_url";

/// The pages that are set.
fn read_pages(reader: &mut Reader<'_>) -> Pages {
    let settings = [
        named(
            SUCCESS_URL,
            "Where Stripe leads after a checkout; /billing/success of frontend_url when unset.",
        ),
        named(
            CANCEL_URL,
            "Where it leads after one that was given up; /billing/cancel of frontend_url when unset.",
        ),
        named(RETURN_URL, "Where its portal leads back to; /billing of frontend_url when unset."),
    ];
    let [success_url, cancel_url, return_url] = settings.map(|setting| {
        let text: String = reader.optional(setting, "an http or https URL").unwrap_or_default();
        if !text.is_empty() && super::settings::origin(&text).is_none() {
            reader.problem(setting.name, "must be an http or https URL");
        }
        text
    });
    Pages { success_url, cancel_url, return_url }
}

/// Pages that are not set are those of the frontend. What an example left in its place is refused where it
/// counts.
pub(super) fn settle(reader: &mut Reader<'_>, config: &mut Config) {
    let stripe = &mut config.stripe;
    let used = stripe.live.is_some() || stripe.test.is_some();
    let pages = &mut stripe.pages;
    for (name, page, path) in [
        (SUCCESS_URL, &mut pages.success_url, "/billing/success?session_id={CHECKOUT_SESSION_ID}"),
        (CANCEL_URL, &mut pages.cancel_url, "/billing/cancel"),
        (RETURN_URL, &mut pages.return_url, "/billing"),
    ] {
        match &config.auth.frontend_url {
            Some(frontend) if page.is_empty() => *page = format!("{frontend}{path}"),
            None if page.is_empty() && used => {
                reader.problem(name, "must be set, or frontend_url, where Stripe is used");
            }
            _ => {}
        }
    }
    if config.is_production {
        for setting in &stripe.placeholders {
            reader.problem(setting, "looks like a placeholder: take what Stripe shows, or leave it out");
        }
    }
}

/// What works but should be looked at.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let stripe = &config.stripe;
    let unset = |setting: &&str| format!("{setting} looks like a placeholder and counts as unset");
    let mut warnings: Vec<String> = stripe.placeholders.iter().map(unset).collect();
    for (names, account) in [(&LIVE, &stripe.live), (&TEST, &stripe.test)] {
        let Some(account) = account else { continue };
        if account.webhook_secrets.is_empty() {
            let name = names.webhook_secret.name;
            warnings
                .push(format!("{name} is not set: POST /billing/webhooks takes no events of that account"));
        }
        if account.prices.is_empty() {
            let name = names.prices.name;
            warnings.push(format!(
                "{name} is not set: nobody can check out, and no event of Stripe names a plan"
            ));
        }
    }
    let is_test = stripe.live.as_ref().is_some_and(|account| !account.is_live());
    if config.is_production && is_test {
        warnings.push(
            "stripe.secret_key is a key of Stripe's test mode: no money moves in project live".to_owned(),
        );
    }
    warnings
}

#[cfg(test)]
mod tests;
