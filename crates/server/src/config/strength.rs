//! What makes a secret weak, and what production does not start without.
use super::reader::Problem;
use super::{Config, SECRET_CHARS_MIN, Secret, shown_url};
use std::collections::{BTreeMap, BTreeSet};

/// Words of examples, which nobody draws at random.
const WORDS: [&str; 13] = [
    "change",
    "replace",
    "placeholder",
    "example",
    "your-",
    "your_",
    "default",
    "password",
    "insecure",
    "dummy",
    "sample",
    "secret",
    "development",
];
/// Fewest different characters of a secret.
const DISTINCT_CHARS_MIN: usize = 8;
/// How to make a secret.
const MAKE_ONE: &str = "make one with `openssl rand -hex 32`";

/// Whether a text was left in its place by whoever copied an example.
pub(super) fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let distinct: BTreeSet<char> = lower.chars().collect();
    WORDS.iter().any(|word| lower.contains(word)) || distinct.len() < DISTINCT_CHARS_MIN
}

/// The secrets that the operator chooses, by their settings, and how many characters they need that
/// nothing else has checked.
fn secrets(config: &Config) -> Vec<(String, &Secret, usize)> {
    let keys = [
        ("secret_key", &config.secret_key),
        ("jwt_secret", &config.auth.jwt_secret),
        ("jwt_previous_secret", &config.auth.jwt_previous_secret),
        ("billing.cron_secret", &config.billing.cron_secret),
        ("bootstrap_api_key", &config.bootstrap_api_key),
        ("bootstrap_test_api_key", &config.bootstrap_test_api_key),
    ];
    let mut all = Vec::new();
    for (name, secret) in keys {
        all.extend(secret.as_ref().map(|secret| (name.to_owned(), secret, 0)));
    }
    for (name, service) in &config.services.known {
        if let Some(secret) = &service.secret {
            all.push((format!("services.{name}.secret"), secret, 0));
        }
    }
    for webhook in &config.definitions.webhooks {
        all.push((format!("{}.secret", webhook.place), &webhook.secret, SECRET_CHARS_MIN));
    }
    if let Some(admin) = &config.auth.bootstrap_admin {
        all.push(("bootstrap_admin_password".to_owned(), &admin.password, 0));
    }
    if let Some(password) = config.mail.smtp.as_ref().and_then(|server| server.password.as_ref()) {
        all.push(("mail.smtp_password".to_owned(), password, 0));
    }
    all
}

/// Secrets that are too easily guessed, each once. They are problems in production, and warnings
/// elsewhere.
pub(super) fn weak(config: &Config) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    for (setting, secret, chars_min) in secrets(config) {
        let text = secret.expose();
        let reason = if text.chars().count() < chars_min {
            Some(format!("has fewer than {chars_min} characters: {MAKE_ONE}"))
        } else if is_placeholder(text) {
            Some(format!("looks like a placeholder: {MAKE_ONE}"))
        } else {
            // Endpoints of one receiver may share a secret.
            let other = seen.get(text).filter(|_| !setting.contains("webhook"));
            other.map(|other| format!("is that of {other} too: each needs one of its own"))
        };
        seen.entry(text).or_insert_with(|| setting.clone());
        found.extend(reason.map(|reason| Problem { setting, reason }));
    }
    found
}

/// What production does not start without.
pub(super) fn missing(config: &Config) -> Vec<Problem> {
    let needed = [
        ("secret_key", config.secret_key.is_none(), "what is encrypted in the database opens with it"),
        ("jwt_secret", config.auth.jwt_secret.is_none(), "access tokens are signed with it"),
    ];
    let absent = needed.into_iter().filter(|(_, absent, _)| *absent);
    absent
        .map(|(setting, _, why)| {
            let reason = format!("must be set in production: {why}; {MAKE_ONE}");
            Problem { setting: setting.to_owned(), reason }
        })
        .collect()
}

/// What production starts without, and what follows from that.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.is_production {
        let mut note = |absent: bool, text: &str| warnings.extend(absent.then(|| text.to_owned()));
        note(
            config.bootstrap_api_key.is_none(),
            "bootstrap_api_key is not set: the first start makes a key and shows it on standard output, where logs \
             may keep it",
        );
        note(
            config.auth.public_url.is_none(),
            "public_url is not set: links in mails lead to the address that is listened on, and cookies are not \
             marked as secure",
        );
        let insecure = config.auth.public_url.as_ref().is_some_and(|url| url.starts_with("http://"));
        note(insecure, "public_url is no https: passwords, keys and cookies pass networks in the clear");
        note(
            config.http.trusted_proxies.0.is_empty(),
            "http.trusted_proxies is not set: behind a proxy, limits count all of its clients as one",
        );
        return warnings;
    }
    for Problem { setting, reason } in weak(config) {
        let webhook =
            config.definitions.webhooks.iter().find(|one| setting == format!("{}.secret", one.place));
        warnings.push(match webhook {
            Some(webhook) => format!("{setting} ({}) {reason}", shown_url(&webhook.url)),
            None => format!("{setting} {reason}"),
        });
    }
    warnings
}

/// Variables of earlier set-ups that nothing reads here, and what that means.
const UNUSED: [(&str, &str); 3] = [
    ("JWT_REFRESH_SECRET", "refresh tokens are random and need no key"),
    ("SERVICE_JWT_SECRET", "tokens of services are signed with jwt_secret"),
    ("REDIS_URL", "this version uses no Redis"),
];

/// Variables that are set and have no effect.
pub(super) fn unused(env: &BTreeMap<String, String>) -> Vec<String> {
    let set = UNUSED.iter().filter(|(name, _)| env.get(*name).is_some_and(|text| !text.is_empty()));
    set.map(|(name, why)| format!("{name} is set and has no effect: {why}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_secrets() {
        for bad in
            ["your-super-secret-jwt-key-change-in-production", "change-me", "PASSWORD123", "aaaaaaaabbbbbbbb"]
        {
            assert!(is_placeholder(bad), "{bad}");
        }
        assert!(!is_placeholder("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"));
    }
}
