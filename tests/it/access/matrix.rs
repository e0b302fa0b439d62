//! Every route for every caller, in the own project and in another: each pair has one answer, and the
//! document tells of it.
use super::{key, needs_stripe};
use crate::accounts::roles::users;
use crate::support::server::{Answer, LIVE_KEY, Server, Setup};
use reckoner_domain::access::Role;
use reckoner_server::auth::access::{Access, ROUTES};
use reckoner_server::auth::caller::scopes_of;
use reckoner_server::http::openapi;
use reckoner_server::store::{Scope, Scopes};
use reqwest::Method;
use serde_json::{Value, json};

const TOML: &str = r#"
    [services.all]
    secret = "9f86d081884c7d659a2feaa0c55ad015-all-of-it"
    permissions = ["usage:write", "project:read"]
    [services.none]
    secret = "a3bf4f1b2b0b822cd15d6c15b0f00a08-nothing!"
    permissions = []
"#;

/// The key that a customer holds.
const CUSTOMERS_KEY: &str = "a customer's key";

/// Who a caller is, as far as rules tell callers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nobody,
    Key,
    Person,
    Service,
}

/// A caller: what it sends, and what it may do in project `live`.
struct Caller {
    name: String,
    kind: Kind,
    header: Option<(&'static str, String)>,
    scopes: Scopes,
}

async fn service(server: &Server, name: &str, secret: &str, scopes: Scopes) -> Caller {
    let request = server.bare(Method::POST, "/auth/service/token").header("x-service-secret", secret);
    let answer = Answer::of(request.json(&json!({"serviceName": name})).send().await).await.json();
    let token = answer["token"].as_str().expect("a token").to_owned();
    Caller {
        name: format!("service {name}"),
        kind: Kind::Service,
        header: Some(("x-service-token", token)),
        scopes,
    }
}

/// Nobody, each role, keys with one scope and with all but one, services with all permissions and none.
async fn callers(server: &Server) -> Vec<Caller> {
    let nobody = |name: &str, header| Caller {
        name: name.to_owned(),
        kind: Kind::Nobody,
        header,
        scopes: Scopes::default(),
    };
    let mut callers = vec![
        nobody("nobody", None),
        nobody("a wrong key", Some(("x-apikey", "nobody-has-this-key-nobody-has-it".to_owned()))),
        nobody("a wrong cookie", Some(("cookie", "reckoner_session=x".to_owned()))),
    ];
    for (role, token) in users(server).await {
        let header = Some(("authorization", format!("Bearer {token}")));
        callers.push(Caller { name: role.to_string(), kind: Kind::Person, header, scopes: scopes_of(role) });
    }
    for scope in Scope::ALL {
        let rest: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        for scopes in [vec![scope], rest] {
            let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
            let request =
                server.request(Method::POST, "/v1/api-keys", LIVE_KEY).json(&json!({"scopes": names}));
            let made = Answer::of(request.send().await).await.json();
            let header = Some(("x-apikey", made["key"].as_str().expect("a key").to_owned()));
            let name = format!("a key with {}", names.join(","));
            callers.push(Caller { name, kind: Kind::Key, header, scopes: scopes.into_iter().collect() });
        }
    }
    let request = server.request(Method::POST, "/v1/customers", LIVE_KEY);
    request.json(&json!({"external_id": "holder"})).send().await.expect("a customer");
    let request = server.request(Method::POST, "/v1/api-keys", LIVE_KEY).json(&json!({"customer": "holder"}));
    let made = Answer::of(request.send().await).await.json();
    let header = Some(("x-apikey", made["key"].as_str().expect("a key").to_owned()));
    let name = CUSTOMERS_KEY.to_owned();
    callers.push(Caller { name, kind: Kind::Key, header, scopes: Scopes::default() });
    let all = [Scope::Ingest, Scope::Read].into_iter().collect();
    callers.push(service(server, "all", "9f86d081884c7d659a2feaa0c55ad015-all-of-it", all).await);
    let none = Scopes::default();
    callers.push(service(server, "none", "a3bf4f1b2b0b822cd15d6c15b0f00a08-nothing!", none).await);
    callers
}

/// What a scheduler shows.
const CRON_SECRET: &str = "cron-proof-of-the-tests-0123456789abcdef";

/// What a caller is to be told: refused with this status, or let through.
fn expected(caller: &Caller, access: Access, own_project: bool) -> Option<u16> {
    let needs = match access {
        Access::Public => return None,
        Access::Metrics => Some(Scope::Read),
        Access::Key(scope) => Some(scope),
        Access::Person | Access::Own | Access::Service | Access::ServiceWith(_) => None,
    };
    if caller.kind == Kind::Nobody {
        return Some(401);
    }
    let may = match access {
        Access::Person => caller.kind == Kind::Person,
        Access::Own => caller.kind == Kind::Person || caller.name == CUSTOMERS_KEY,
        Access::Service => caller.kind == Kind::Service,
        Access::ServiceWith(scope) => caller.kind == Kind::Service && caller.scopes.has(scope),
        _ => needs.is_some_and(|scope| caller.scopes.has(scope)),
    };
    // In the other project all but the customer are customers. Keys act on their own, whatever is named,
    // and services on any.
    let may_there = match caller.kind {
        Kind::Person => {
            matches!(access, Access::Person | Access::Own) && caller.name != Role::Customer.as_str()
        }
        _ => may,
    };
    if (own_project && may) || (!own_project && may_there) { None } else { Some(403) }
}

async fn ask(server: &Server, caller: &Caller, method: &str, pattern: &str, project: &str) -> Answer {
    let nothing = format!("none_{}", "0".repeat(32));
    let mut path = pattern.replace("{event_type}", "api.calls");
    while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
        path.replace_range(from..=to, &nothing);
    }
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = server.bare(method, &path).header("reckoner-project", project);
    if let Some((name, value)) = &caller.header {
        request = request.header(*name, value);
    }
    Answer::of(request.send().await).await
}

/// Whether a route looks at credentials of its own.
fn proves_itself(pattern: &str) -> bool {
    ["/auth/", "/api/cron/"].iter().any(|prefix| pattern.starts_with(prefix))
}

/// The statuses that the document tells of.
fn told(document: &Value, method: &str, pattern: &str) -> Vec<u16> {
    let responses = &document["paths"][pattern][method.to_lowercase()]["responses"];
    responses.as_object().expect("answers").keys().filter_map(|status| status.parse().ok()).collect()
}

#[tokio::test]
async fn every_route_has_one_answer_for_every_caller_in_every_project() {
    let server =
        Setup::default().toml(TOML).env("RECKONER_METRICS", "key").env("CRON_SECRET", CRON_SECRET).start();
    let callers = callers(&server).await;
    assert_eq!(callers.len(), 3 + Role::NAMES.len() + 2 * Scope::ALL.len() + 1 + 2);
    let mut wrong = Vec::new();
    for (method, pattern, access) in ROUTES {
        // It ends the session that asks.
        if *pattern == "/auth/logout" {
            continue;
        }
        let told = told(openapi::document(), method, pattern);
        for caller in &callers {
            for project in ["live", "test"] {
                let answer = ask(&server, caller, method, pattern, project).await;
                let status = answer.status.as_u16();
                let what = format!("{method} {pattern} for {} in {project}: {status}", caller.name);
                let as_expected = match expected(caller, *access, project == "live") {
                    Some(refused) => status == refused,
                    // Routes of accounts ask for more than a credential, and those for schedulers for a secret.
                    None if needs_stripe(pattern) && status == 503 => true,
                    None => status != 403 && status < 500 && (status != 401 || proves_itself(pattern)),
                };
                if !as_expected {
                    wrong.push(what);
                } else if !told.contains(&status) {
                    wrong.push(format!("{what}, which is not told of"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    // Nothing of it ended a session or a key.
    for caller in callers.iter().filter(|caller| caller.kind == Kind::Person) {
        assert_eq!(ask(&server, caller, "GET", "/auth/me", "live").await.status, 200, "{}", caller.name);
    }
    assert_eq!(key(&server, &["read"]).await["scopes"], json!(["read"]));
}
