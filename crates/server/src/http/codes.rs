//! The codes of problems, for programs: none is ever renamed.

/// Each code with what it means. `/docs` lists them, and `type` of a problem leads there.
pub const CODES: [(&str, &str); 39] = [
    ("malformed", "The request cannot be read: no JSON, no UTF-8, nested too deep, a body that ended early."),
    ("unauthenticated", "No credential, or one that is unknown, revoked or expired."),
    ("forbidden", "The key lacks the scope that the route asks for."),
    ("csrf", "A change with a session's cookie lacks its `X-CSRF-Token`, or comes from a page elsewhere."),
    ("not_found", "Nothing of that name in the key's project."),
    ("method_not_allowed", "The path does not answer this method; `Allow` names those it does."),
    ("already_exists", "An object of that name exists."),
    ("stale", "The object has another version than `If-Match` says: read it again."),
    ("event_conflict", "The event's id is taken by an event with other content."),
    ("event_void", "The event is void and cannot be amended."),
    ("aggregation_conflict", "Aggregations of these ids exist with other content; nothing was imported."),
    (
        "BILLING_PERIOD_LOCKED",
        "What is billed for ever is not calculated anew: changes of it are adjustments.",
    ),
    ("clock_not_frozen", "Only a frozen test clock can be advanced."),
    ("clock_backwards", "The test clock would move back, and the project has events."),
    ("key_ended", "The API key is revoked or has expired, and is not replaced: make a new one."),
    ("last_owner", "The project would have no owner: make somebody else one first."),
    ("invitation_closed", "The invitation was accepted or taken back."),
    (
        "rate_limited",
        "Beyond a rate limit of the key, the customer or the address: try again after `Retry-After`.",
    ),
    ("too_often", "Tried too often: try again after `Retry-After`."),
    (
        "subscription_open",
        "The customer has a subscription that is not over: change that one, or cancel it first.",
    ),
    ("subscription_state", "That cannot happen to the subscription as it stands."),
    ("insufficient_credit", "Less is available in the wallet, or the hold reserves less."),
    ("project_invoiced", "A live project with final invoices is not cleared."),
    ("invoice_state", "That cannot happen to the invoice as it stands."),
    ("currency_differs", "The plan has another currency than the customer, who has one for ever."),
    ("endpoint_disabled", "The webhook endpoint is disabled: enable it first."),
    ("endpoint_of_file", "The webhook endpoint comes from the operator's file and is changed there."),
    ("too_many_endpoints", "The project has as many webhook endpoints as it may have."),
    ("too_many_alerts", "The project has as many alerts as it may have."),
    ("idempotency_key_in_use", "A request under the same `Idempotency-Key` is being done: ask again."),
    ("idempotency_key_reused", "Another request was sent under this `Idempotency-Key`: take a new one."),
    ("too_large", "Larger than a limit, which `detail` names."),
    ("too_slow", "The request did not arrive in time: send it again."),
    ("unsupported_media_type", "A type or encoding of body that is not read."),
    ("invalid", "Fields are wrong; `errors` lists all of them."),
    ("busy", "Temporarily unavailable: try again after `Retry-After`."),
    ("disk_full", "The disk is full: nothing is lost, and nothing is accepted until space returns."),
    ("stripe_unavailable", "Stripe is not configured for the project, or does not answer."),
    ("internal", "The server failed; its log has the details under the request id."),
];

/// Whether a code is told to clients.
pub fn is_known(code: &str) -> bool {
    CODES.iter().any(|(known, _)| *known == code)
}
