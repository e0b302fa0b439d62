//! What entries of the record of changes say about objects: everything but secrets.
use super::alerts::Alert;
use super::audit::Change;
use super::customers::Customer;
use super::invitations::Invitation;
use super::memberships::Membership;
use super::webhook_endpoints::Endpoint;
use crate::config::shown_url;
use reckoner_domain::access::Role;
use reckoner_domain::audit::hex;
use reckoner_domain::id::{CustomerId, EndpointId, UserId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Display;

/// A customer that was made.
pub fn customer_created(by: &impl Display, made: &Customer) -> Change {
    Change::new(Some(made.project), by, "customer.created", &made.id).after(customer(made))
}

/// A customer that was changed.
pub fn customer_updated(by: &impl Display, before: &Customer, after: &Customer) -> Change {
    let change = Change::new(Some(after.project), by, "customer.updated", &after.id);
    change.before(customer(before)).after(customer(after))
}

fn customer(customer: &Customer) -> Value {
    json!({
        "external_id": customer.external_id,
        "display_name": customer.details.display_name,
        "time_zone": customer.details.time_zone,
        "metadata": customer.details.metadata,
        "version": customer.version,
    })
}

/// What happened to a webhook endpoint.
pub fn endpoint(
    by: &impl Display,
    action: &'static str,
    before: Option<&Endpoint>,
    after: Option<&Endpoint>,
) -> Option<Change> {
    let either = after.or(before)?;
    let mut change = Change::new(Some(either.project), by, action, &either.id);
    if let Some(before) = before {
        change = change.before(shown_endpoint(before));
    }
    if let Some(after) = after {
        change = change.after(shown_endpoint(after));
    }
    Some(change)
}

/// Paths and queries of URLs may be secrets: their hash shows that they changed.
fn shown_endpoint(endpoint: &Endpoint) -> Value {
    json!({
        "url": shown_url(&endpoint.url),
        "url_sha256": hex(&Sha256::digest(endpoint.url.as_bytes()).into()),
        "event_types": endpoint.event_types,
        "description": endpoint.description,
        "disabled_reason": endpoint.disabled.map(|reason| reason.as_str()),
        "previous_secret_until": endpoint.previous.as_ref().map(|previous| previous.expires_at.to_string()),
        "source": endpoint.source.as_str(),
        "version": endpoint.version,
    })
}

/// What happened to an alert.
pub fn alert(
    by: &impl Display,
    action: &'static str,
    before: Option<&Alert>,
    after: Option<&Alert>,
) -> Option<Change> {
    let either = after.or(before)?;
    let mut change = Change::new(Some(either.project), by, action, &either.id);
    if let Some(before) = before {
        change = change.before(shown_alert(before));
    }
    if let Some(after) = after {
        change = change.after(shown_alert(after));
    }
    Some(change)
}

fn shown_alert(alert: &Alert) -> Value {
    let terms = &alert.terms;
    json!({
        "name": terms.name,
        "kind": terms.kind.as_str(),
        "customer": terms.customer,
        "subject": terms.subject,
        "meter": terms.meter,
        "threshold": terms.threshold.to_string(),
        "unit": terms.unit.as_str(),
        "period": terms.period.map(|period| period.as_str()),
        "currency": terms.currency.map(|currency| currency.code().to_owned()),
        "budget": terms.budget.map(|budget| json!({"amount": budget.amount(), "currency": budget.currency().code()})),
        "channels": terms.channels.iter().map(|channel| channel.as_str()).collect::<Vec<_>>(),
        "recipients": terms.recipients,
        "webhook_url": terms.webhook_url.as_deref().map(shown_url),
        "webhook_endpoint": alert.endpoint.as_ref().map(EndpointId::as_str),
        "enabled": terms.enabled,
        "version": alert.version,
    })
}

/// A user who became a member of a project.
pub fn membership_created(by: &impl Display, made: &Membership) -> Change {
    Change::new(Some(made.project), by, "membership.created", &made.user).after(membership(made))
}

/// A member who got another role.
pub fn role_changed(by: &impl Display, before: &Membership, role: Role) -> Change {
    let after = Membership { role, ..before.clone() };
    let change = Change::new(Some(before.project), by, "membership.role_changed", &before.user);
    change.before(membership(before)).after(membership(&after))
}

/// A member who is one no more.
pub fn membership_removed(by: &impl Display, before: &Membership) -> Change {
    Change::new(Some(before.project), by, "membership.removed", &before.user).before(membership(before))
}

/// What happened to an invitation.
pub fn invitation(by: &impl Display, action: &'static str, invitation: &Invitation) -> Change {
    Change::new(Some(invitation.project), by, action, &invitation.id).after(json!({
        "email": invitation.email,
        "role": invitation.role.as_str(),
        "expires_at": invitation.expires_at.to_string(),
    }))
}

fn membership(membership: &Membership) -> Value {
    json!({"role": membership.role.as_str(), "customer": membership.customer.as_ref().map(CustomerId::as_str)})
}

/// What happened to a user.
pub fn user(by: &impl Display, action: &'static str, id: &UserId) -> Change {
    Change::new(None, by, action, id)
}
