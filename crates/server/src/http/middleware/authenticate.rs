//! No handler runs before its route's access rule was met.
use super::rates::Rates;
use super::{browser, idempotency};
use crate::auth::access::{Access, required};
use crate::auth::caller::{Actor, Caller, Person};
use crate::auth::services::Found;
use crate::auth::tokens::looks_signed;
use crate::config::{KEY_BYTES_MAX, MetricsAccess};
use crate::http::compat;
use crate::http::compat::auth_billing::named_project;
use crate::http::compat::workspace;
use crate::http::error::ApiError;
use crate::http::listen::Peer;
use crate::http::own_traffic::Meter;
use crate::http::state::App;
use crate::store::{Scope, StoreError};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use reckoner_domain::id::ApiKeyId;

/// Longest credential looked at: a key, with its id before it.
const CREDENTIAL_BYTES_MAX: usize = KEY_BYTES_MAX + 64;

/// Carries a service's token.
pub const SERVICE_HEADER: &str = "x-service-token";

/// What proxies say about whom they ask for.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Lets a request through whose caller may do what the route does, and does not do it too often, with the
/// [`Caller`] attached; a repeated write goes no further than its first answer.
pub async fn layer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let pattern = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let rates = Rates::begin(&app, &pattern);
    if !rates.is_on() {
        return admit(app, &rates, &pattern, request, next).await;
    }
    request.extensions_mut().insert(rates.clone());
    let (parts, body) = request.into_parts();
    let mut response = match rates.address(&app, &parts) {
        Ok(()) => admit(app.clone(), &rates, &pattern, Request::from_parts(parts, body), next).await,
        Err(error) => compat::in_form_of(parts.method.as_str(), &pattern, error),
    };
    rates.tell(response.headers_mut(), app.clock.real());
    response
}

async fn admit(app: App, rates: &Rates, pattern: &str, mut request: Request, next: Next) -> Response {
    let method = if request.method() == "HEAD" { "GET" } else { request.method().as_str() };
    let need = match required(method, pattern).unwrap_or(Access::Key(Scope::Admin)) {
        Access::Public => return next.run(request).await,
        Access::Metrics if metrics_open(&app, &request) => return next.run(request).await,
        Access::Metrics => Need::Scope(Scope::Read),
        Access::Key(scope) => Need::Scope(scope),
        Access::Person => Need::Person,
        Access::Own => Need::Own,
        Access::Service => Need::Service,
        Access::ServiceWith(scope) => Need::ServiceWith(scope),
    };
    let (method, changes) = (method.to_owned(), !request.method().is_safe());
    let admitted = authenticate(&app, request.headers(), need, changes).await.and_then(|caller| {
        if let Actor::Key(key) = &caller.actor {
            rates.key(&app, key)?;
        }
        Ok(caller)
    });
    match admitted {
        Ok(caller) => {
            if let Some(meter) = request.extensions().get::<Meter>() {
                meter.by(&caller);
            }
            request.extensions_mut().insert(caller);
            idempotency::pass(app, request, next).await
        }
        Err(error) if workspace::is_route(pattern) => workspace::refusal(request.uri().query(), &error),
        Err(error) => compat::in_form_of(&method, pattern, error),
    }
}

/// What a route needs of a caller who is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Scope(Scope),
    Person,
    Own,
    Service,
    ServiceWith(Scope),
}

/// `changes` tells whether the method may change something.
async fn authenticate(app: &App, headers: &HeaderMap, need: Need, changes: bool) -> Result<Caller, ApiError> {
    let caller = match (service_token(headers), access_token(headers)) {
        // A service may pass on a person's credential; a person's own routes are for that person.
        (Some(token), _) if !matches!(need, Need::Person | Need::Own) || credential(headers).is_none() => {
            service(app, headers, token)?
        }
        (_, Some(token)) => person(app, headers, token).await?,
        (_, None) => match credential(headers) {
            Some(key) => find(app, key).await?.ok_or_else(ApiError::unauthenticated)?,
            None => browser::caller(app, headers, changes).await?,
        },
    };
    match (need, &caller.actor) {
        (Need::Scope(scope), _) if caller.scopes.has(scope) => Ok(caller),
        (Need::Person | Need::Own, Actor::Person { .. }) | (Need::Service, Actor::Service(_)) => Ok(caller),
        (Need::Scope(scope), actor) => {
            let what = match actor {
                Actor::Key(_) => "key",
                Actor::Person { .. } => "role",
                Actor::Service(_) => "service",
            };
            Err(ApiError::forbidden(format!("the {what} lacks the scope {}", scope.as_str())))
        }
        (Need::ServiceWith(scope), Actor::Service(_)) if caller.scopes.has(scope) => Ok(caller),
        (Need::ServiceWith(scope), Actor::Service(_)) => {
            Err(ApiError::forbidden(format!("the service lacks the scope {}", scope.as_str())))
        }
        (Need::Own, _) if caller.customer.is_some() => Ok(caller),
        (Need::Own, _) => Err(ApiError::forbidden("a person's access token or a customer's key is needed")),
        (Need::Person, _) => Err(ApiError::forbidden("a person's access token is needed")),
        (Need::Service | Need::ServiceWith(_), _) => Err(ApiError::forbidden("a service's token is needed")),
    }
}

/// The service that holds a token, in the project that the request names or where it acts by itself.
fn service(app: &App, headers: &HeaderMap, token: &str) -> Result<Caller, ApiError> {
    let named = named_project(app, headers);
    // The token first: who has none is told nothing of projects.
    match app.services.caller(token, named.unwrap_or_default()) {
        Found::Nobody => Err(ApiError::unauthenticated()),
        _ if named.is_err() => Err(ApiError::forbidden("there is no project of this name")),
        Found::Elsewhere => Err(ApiError::forbidden("the service does not act in this project")),
        Found::Caller(caller) => Ok(caller),
    }
}

/// The token of a service that a request carries.
pub fn service_token(headers: &HeaderMap) -> Option<&str> {
    let token = headers.get(SERVICE_HEADER)?.to_str().ok()?.trim();
    (1..=CREDENTIAL_BYTES_MAX).contains(&token.len()).then_some(token)
}

/// The person who holds an access token, in the project that the request names.
async fn person(app: &App, headers: &HeaderMap, token: &str) -> Result<Caller, ApiError> {
    let person = app.accounts.people.person(token).await?.ok_or_else(ApiError::unauthenticated)?;
    in_project(app, headers, &person)
}

/// A person in the project that the request names.
pub fn in_project(app: &App, headers: &HeaderMap, person: &Person) -> Result<Caller, ApiError> {
    let caller = named_project(app, headers).ok().and_then(|named| person.in_project(named));
    caller.ok_or_else(|| ApiError::forbidden("the user is no member of a project of this name"))
}

/// The access token of a request, where no key is sent.
fn access_token(headers: &HeaderMap) -> Option<&str> {
    let token = credential(headers).filter(|text| looks_signed(text))?;
    let (scheme, sent) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && sent.trim() == token).then_some(token)
}

/// The holder of a key, given whole or as `ID.KEY`.
async fn find(app: &App, credential: &str) -> Result<Option<Caller>, StoreError> {
    if let Some(caller) = app.keys.caller(credential).await? {
        return Ok(Some(caller));
    }
    let named = credential.split_once('.').and_then(|(id, key)| Some((ApiKeyId::parse(id).ok()?, key)));
    let Some((id, key)) = named else { return Ok(None) };
    Ok(app.keys.caller(key).await?.filter(|caller| caller.actor == Actor::Key(id.clone())))
}

fn metrics_open(app: &App, request: &Request) -> bool {
    match app.config.metrics {
        MetricsAccess::Open => true,
        MetricsAccess::Key => false,
        MetricsAccess::Auto => is_local(request.extensions().get::<Peer>(), request.headers()),
    }
}

/// Whether a request comes from this machine. A proxy on it asks for others, and says so.
fn is_local(peer: Option<&Peer>, headers: &HeaderMap) -> bool {
    let loopback = peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback());
    loopback && !FORWARDED.iter().any(|name| headers.contains_key(*name))
}

/// The key of a request: `x-apikey`, `Authorization: Bearer` or `Authorization: ApiKey`.
fn credential(headers: &HeaderMap) -> Option<&str> {
    let own =
        headers.get("x-apikey").and_then(|value| value.to_str().ok()).filter(|key| !key.trim().is_empty());
    let key = own.or_else(|| {
        let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("apikey");
        known.then_some(key)
    });
    key.map(str::trim).filter(|key| (1..=CREDENTIAL_BYTES_MAX).contains(&key.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_is_who_connects_from_this_machine_for_himself() {
        let local = |address: &str, header: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(name) = header {
                headers.insert(name, "203.0.113.7".parse().expect("a header value"));
            }
            is_local(Some(&Peer(address.parse().expect("an address"))), &headers)
        };
        for address in ["127.0.0.1:5", "127.8.8.8:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
            assert!(local(address, None), "{address}");
            for name in FORWARDED {
                assert!(!local(address, Some(name)), "{name}");
            }
        }
        for address in ["10.0.0.1:5", "203.0.113.7:5", "[::ffff:10.0.0.1]:5", "[2001:db8::1]:5"] {
            assert!(!local(address, None), "{address}");
        }
        assert!(!is_local(None, &HeaderMap::new()));
    }

    #[test]
    fn three_forms_of_credential_are_taken() {
        let key = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a header value"));
            credential(&headers).map(str::to_owned)
        };
        for (name, value) in [
            ("x-apikey", "k"),
            ("authorization", "Bearer k"),
            ("authorization", "apikey k"),
            ("authorization", "bearer  k"),
        ] {
            assert_eq!(key(name, value).as_deref(), Some("k"), "{name}: {value}");
        }
        for (name, value) in
            [("x-apikey", ""), ("authorization", "Basic k"), ("authorization", "k"), ("cookie", "k")]
        {
            assert_eq!(key(name, value), None, "{name}: {value}");
        }
    }
}
