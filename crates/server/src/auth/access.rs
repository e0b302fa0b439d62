//! What each route asks of its caller. A route that is not listed asks for `admin`, and a test
//! fails on it.
use crate::store::Scope;

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// Nothing or a read key, as configured.
    Metrics,
    /// A key with this scope, or a person whose role has it, or a service whose permissions do.
    Key(Scope),
    /// A person, whatever the role.
    Person,
    /// A person, or the key of a customer: they see what is their own customer's.
    Own,
    /// A service, by its token, whatever its permissions.
    Service,
    /// A service, by its token, whose permissions have this scope.
    ServiceWith(Scope),
}

/// What a route asks for, by method and path pattern; `None` where it is not listed.
pub fn required(method: &str, pattern: &str) -> Option<Access> {
    ROUTES.iter().find(|(m, p, _)| *m == method && *p == pattern).map(|(_, _, access)| *access)
}

const INGEST: Access = Access::Key(Scope::Ingest);
const READ: Access = Access::Key(Scope::Read);
const ADMIN: Access = Access::Key(Scope::Admin);
const PUBLIC: Access = Access::Public;
const PERSON: Access = Access::Person;
const OWN: Access = Access::Own;

/// Every route: method, path pattern, what it asks for.
pub const ROUTES: &[(&str, &str, Access)] = &[
    ("GET", "/", Access::Public),
    ("GET", "/ping", Access::Public),
    ("GET", "/health", Access::Public),
    ("GET", "/health/live", Access::Public),
    ("GET", "/health/ready", Access::Public),
    ("GET", "/docs", Access::Public),
    ("GET", "/openapi.json", Access::Public),
    ("GET", "/metrics", Access::Metrics),
    ("POST", "/usage/{event_type}", INGEST),
    ("POST", "/usagebatch", INGEST),
    ("GET", "/events", READ),
    ("GET", "/aggregations", READ),
    ("POST", "/aggregations/trigger", INGEST),
    ("GET", "/config", READ),
    ("GET", "/api/usage/events", ADMIN),
    ("POST", "/api/usage/events", ADMIN),
    ("GET", "/api/usage/events/export", ADMIN),
    ("GET", "/api/usage/summary", ADMIN),
    ("GET", "/api/usage/aggregations", ADMIN),
    ("POST", "/api/usage/aggregations/calculate", ADMIN),
    ("GET", "/api/usage/dashboard", ADMIN),
    ("GET", "/api/usage/current", OWN),
    ("GET", "/api/usage/history", OWN),
    ("GET", "/api/usage/endpoints", OWN),
    ("GET", "/api/usage/overage", OWN),
    ("GET", "/api/secure/ping", OWN),
    ("GET", "/api/admin/analytics/overview", ADMIN),
    ("GET", "/api/admin/analytics/users", ADMIN),
    ("POST", "/api/cron/process-overage", PUBLIC),
    ("POST", "/auth/register", PUBLIC),
    ("POST", "/auth/login", PUBLIC),
    ("POST", "/auth/refresh", PUBLIC),
    ("GET", "/auth/verify-email", PUBLIC),
    ("POST", "/auth/request-password-reset", PUBLIC),
    ("POST", "/auth/reset-password", PUBLIC),
    ("POST", "/auth/accept-invitation", PUBLIC),
    ("GET", "/auth/memberships", PERSON),
    ("POST", "/auth/service/token", PUBLIC),
    ("POST", "/auth/service/refresh", Access::Service),
    ("POST", "/auth/service/verify", PUBLIC),
    ("POST", "/auth/session", PUBLIC),
    ("GET", "/auth/session", PERSON),
    ("GET", "/auth/second-factor", PERSON),
    ("POST", "/auth/second-factor", PERSON),
    ("POST", "/auth/second-factor/confirm", PERSON),
    ("POST", "/auth/second-factor/disable", PERSON),
    ("POST", "/auth/second-factor/recovery-codes", PERSON),
    ("GET", "/auth/me", PERSON),
    ("POST", "/auth/logout", PERSON),
    ("GET", "/auth/sessions", PERSON),
    ("DELETE", "/auth/sessions/{id}", PERSON),
    ("POST", "/auth/resend-verification", PERSON),
    ("POST", "/auth/change-password", PERSON),
    ("GET", "/trials/stats", Access::ServiceWith(Scope::Read)),
    ("POST", "/trials/check", Access::ServiceWith(Scope::Ingest)),
    ("POST", "/usage/record", Access::ServiceWith(Scope::Ingest)),
    ("POST", "/usage/check-quota", OWN),
    ("GET", "/usage/tokens", OWN),
    ("GET", "/usage/storage", OWN),
    ("GET", "/usage/tier", OWN),
    ("GET", "/usage/quota", OWN),
    ("GET", "/usage/stats", OWN),
    ("GET", "/usage/timeseries/{resource_type}", OWN),
    ("GET", "/usage/history", OWN),
    ("POST", "/usage/tokens", INGEST),
    ("POST", "/usage/storage", INGEST),
    ("POST", "/usage/tier", INGEST),
    ("POST", "/usage/quota", INGEST),
    ("POST", "/usage/stats", INGEST),
    ("POST", "/usage/history", INGEST),
    ("POST", "/v1/events", INGEST),
    ("GET", "/v1/events", READ),
    ("GET", "/v1/events/{id}", READ),
    ("DELETE", "/v1/events/{id}", INGEST),
    ("PUT", "/v1/events/{id}", INGEST),
    ("GET", "/v1/events/{id}/history", READ),
    ("POST", "/v1/events/batch-void", INGEST),
    ("GET", "/v1/rejected-events", READ),
    ("GET", "/v1/meters", READ),
    ("POST", "/v1/meters", ADMIN),
    ("GET", "/v1/meters/{key}", READ),
    ("DELETE", "/v1/meters/{key}", ADMIN),
    ("GET", "/v1/meters/{key}/versions", READ),
    ("GET", "/v1/meters/{key}/query", READ),
    ("POST", "/v1/meters/{key}/query", READ),
    ("GET", "/v1/customers", READ),
    ("POST", "/v1/customers", ADMIN),
    ("GET", "/v1/customers/{customer}", READ),
    ("PATCH", "/v1/customers/{customer}", ADMIN),
    ("GET", "/v1/customers/{customer}/levels", READ),
    ("GET", "/v1/level-snapshots", READ),
    ("GET", "/v1/subjects", READ),
    ("POST", "/v1/subjects", ADMIN),
    ("GET", "/v1/subjects/{subject}", READ),
    ("PATCH", "/v1/subjects/{subject}", ADMIN),
    ("GET", "/v1/subjects/{subject}/assignments", READ),
    ("POST", "/v1/subjects/{subject}/assignments", ADMIN),
    ("GET", "/v1/plans", READ),
    ("POST", "/v1/plans", ADMIN),
    ("GET", "/v1/plans/{key}", READ),
    ("DELETE", "/v1/plans/{key}", ADMIN),
    ("GET", "/v1/plans/{key}/versions", READ),
    ("GET", "/v1/coupons", READ),
    ("POST", "/v1/coupons", ADMIN),
    ("GET", "/v1/coupons/{key}", READ),
    ("DELETE", "/v1/coupons/{key}", ADMIN),
    ("POST", "/v1/catalog/apply", ADMIN),
    ("GET", "/v1/subscriptions", READ),
    ("POST", "/v1/subscriptions", ADMIN),
    ("GET", "/v1/subscriptions/{id}", READ),
    ("GET", "/v1/subscriptions/{id}/phases", READ),
    ("POST", "/v1/subscriptions/{id}/change-plan", ADMIN),
    ("POST", "/v1/subscriptions/{id}/cancel", ADMIN),
    ("POST", "/v1/subscriptions/{id}/pause", ADMIN),
    ("POST", "/v1/subscriptions/{id}/resume", ADMIN),
    ("DELETE", "/v1/subscriptions/{id}/scheduled", ADMIN),
    ("GET", "/v1/subscriptions/{id}/upcoming-invoice", READ),
    ("GET", "/v1/subscriptions/{id}/upcoming-invoice/html", READ),
    ("GET", "/v1/subscriptions/{id}/upcoming-invoice/pdf", READ),
    ("GET", "/v1/invoices", READ),
    ("GET", "/v1/invoices/{id}", READ),
    ("GET", "/v1/invoices/{id}/html", READ),
    ("GET", "/v1/invoices/{id}/pdf", READ),
    ("POST", "/v1/invoices/{id}/pay", ADMIN),
    ("POST", "/v1/invoices/{id}/void", ADMIN),
    ("POST", "/v1/invoices/{id}/write-off", ADMIN),
    ("GET", "/v1/customers/{customer}/wallet", READ),
    ("GET", "/v1/customers/{customer}/wallet/entries", READ),
    ("POST", "/v1/customers/{customer}/wallet/top-ups", ADMIN),
    ("POST", "/v1/customers/{customer}/wallet/refunds", ADMIN),
    ("POST", "/v1/customers/{customer}/wallet/deductions", ADMIN),
    ("POST", "/v1/customers/{customer}/wallet/holds", ADMIN),
    ("POST", "/v1/customers/{customer}/wallet/holds/{hold}/release", ADMIN),
    ("POST", "/v1/customers/{customer}/wallet/holds/{hold}/deduct", ADMIN),
    ("GET", "/v1/revenue", READ),
    ("POST", "/v1/entitlements/check", INGEST),
    ("POST", "/v1/entitlements/consume", INGEST),
    ("POST", "/v1/entitlements/leases", INGEST),
    ("POST", "/v1/entitlements/leases/{lease_id}/report", INGEST),
    ("POST", "/v1/entitlements/leases/{lease_id}/return", INGEST),
    ("GET", "/v1/customers/{customer}/entitlements", READ),
    ("GET", "/v1/customers/{customer}/entitlements/{key}", READ),
    ("GET", "/v1/me/entitlements", OWN),
    ("GET", "/v1/me/entitlements/{key}", OWN),
    ("POST", "/v1/customers/{customer}/erase", ADMIN),
    ("GET", "/v1/erasures", ADMIN),
    ("GET", "/v1/erasures/{id}", ADMIN),
    ("GET", "/v1/aggregations", READ),
    ("GET", "/v1/aggregations/{id}", READ),
    ("POST", "/v1/aggregations/import", ADMIN),
    ("GET", "/v1/jobs/runs", READ),
    ("GET", "/v1/webhook-endpoints", READ),
    ("POST", "/v1/webhook-endpoints", ADMIN),
    ("GET", "/v1/webhook-endpoints/{id}", READ),
    ("PATCH", "/v1/webhook-endpoints/{id}", ADMIN),
    ("DELETE", "/v1/webhook-endpoints/{id}", ADMIN),
    ("POST", "/v1/webhook-endpoints/{id}/rotate-secret", ADMIN),
    ("POST", "/v1/webhook-endpoints/{id}/ping", ADMIN),
    ("POST", "/v1/webhook-endpoints/{id}/replay", ADMIN),
    ("GET", "/v1/webhook-deliveries", READ),
    ("GET", "/v1/webhook-deliveries/{id}", READ),
    ("GET", "/v1/webhook-deliveries/{id}/attempts", READ),
    ("POST", "/v1/webhook-deliveries/{id}/resend", ADMIN),
    ("GET", "/v1/api-keys", ADMIN),
    ("POST", "/v1/api-keys", ADMIN),
    ("DELETE", "/v1/api-keys/{id}", ADMIN),
    ("POST", "/v1/api-keys/{id}/rotate", ADMIN),
    ("GET", "/v1/members", ADMIN),
    ("GET", "/v1/members/{user}", ADMIN),
    ("PATCH", "/v1/members/{user}", ADMIN),
    ("DELETE", "/v1/members/{user}", ADMIN),
    ("GET", "/v1/invitations", ADMIN),
    ("POST", "/v1/invitations", ADMIN),
    ("POST", "/v1/invitations/{id}/resend", ADMIN),
    ("DELETE", "/v1/invitations/{id}", ADMIN),
    ("GET", "/v1/audit", ADMIN),
    ("GET", "/v1/test-clock", READ),
    ("PUT", "/v1/test-clock", ADMIN),
    ("DELETE", "/v1/test-clock", ADMIN),
    ("POST", "/v1/test-clock/advance", ADMIN),
    ("POST", "/v1/clear", ADMIN),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_listed_once() {
        let mut names: Vec<_> = ROUTES.iter().map(|(method, pattern, _)| (method, pattern)).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
        assert_eq!(required("DELETE", "/ping"), None);
    }
}
