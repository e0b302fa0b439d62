//! The headers of a delivery: two signatures, so that receivers of either kind verify with what
//! they have.
use super::vault::Secret;
use reckoner_domain::id::MessageId;
use reckoner_domain::time::Timestamp;
use reckoner_domain::webhook;

/// What names us to receivers.
pub const USER_AGENT: &str = concat!("Reckoner/", env!("CARGO_PKG_VERSION"));

/// The secrets in force.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The one that signs.
    pub current: Secret,
    /// The one before it, while its time has not come: it signs too, where a receiver can tell two
    /// signatures apart.
    pub previous: Option<Secret>,
}

/// The headers for `body`, signed at `now` of real time.
pub fn headers(
    secrets: &Secrets,
    message: &MessageId,
    project: &str,
    now: Timestamp,
    body: &str,
) -> Vec<(&'static str, String)> {
    let seconds = now.as_seconds();
    let current = secrets.current.expose();
    let all = std::iter::once(current).chain(secrets.previous.as_ref().map(Secret::expose));
    vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", USER_AGENT.to_owned()),
        ("x-reckoner-project", project.to_owned()),
        ("x-webhook-timestamp", seconds.to_string()),
        ("x-webhook-signature", webhook::signature_v1(current, seconds, body.as_bytes())),
        ("webhook-id", message.to_string()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", webhook::standard_signatures(all, message.as_str(), seconds, body.as_bytes())),
    ]
}
