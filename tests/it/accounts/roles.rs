//! Users of each role.
use super::{PASSWORD, login, register, text};
use crate::support::server::{Answer, Server};
use reckoner_domain::access::Role;
use reckoner_domain::id::UserId;
use reckoner_server::store::memberships::{self, Membership};
use reckoner_server::store::{Db, SqliteSettings, customers, projects};
use reqwest::Method;
use serde_json::json;

/// A user of each role in `live`; only the store can make some of them.
pub async fn users(server: &Server) -> Vec<(Role, String)> {
    let settings = SqliteSettings::new(server.data_dir().join("control.sqlite"));
    let db = Db::open_sqlite(&settings).await.expect("opens");
    let mut users = Vec::new();
    for name in Role::NAMES {
        let role: Role = name.parse().expect("a role");
        let email = format!("{name}@example.com");
        let made = register_in(server, &email, if role == Role::Customer { "live" } else { "test" }).await;
        if role != Role::Customer {
            let user = UserId::parse(&made).expect("an id");
            let created_at = reckoner_domain::time::Timestamp::EPOCH;
            let member = Membership { project: projects::LIVE, user, role, customer: None, created_at };
            assert!(memberships::join(&db, &member).await.expect("joined"));
        }
        let found = login(server, &email, PASSWORD).await.json();
        assert_eq!(found["user"]["role"], name);
        users.push((role, text(&found, "accessToken").to_owned()));
    }
    assert!(customers::count(&db, projects::LIVE).await.expect("counted") == 1);
    db.close().await;
    users
}

async fn register_in(server: &Server, email: &str, project: &str) -> String {
    let body = json!({"email": email, "password": PASSWORD});
    let request = server.bare(Method::POST, "/auth/register").header("reckoner-project", project).json(&body);
    let made = Answer::of(request.send().await).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["user"]["id"].as_str().expect("an id").to_owned()
}

async fn ask(server: &Server, method: &str, pattern: &str, token: &str, project: Option<&str>) -> Answer {
    let nothing = format!("none_{}", "0".repeat(32));
    let mut path = pattern.replace("{event_type}", "api.calls");
    while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
        path.replace_range(from..=to, &nothing);
    }
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = server.bare(method, &path).bearer_auth(token);
    if let Some(project) = project {
        request = request.header("reckoner-project", project);
    }
    Answer::of(request.send().await).await
}

#[tokio::test]
async fn a_project_that_one_is_no_member_of_is_refused() {
    let server = Server::start();
    let customer = register(&server, "ann@example.com").await;
    let token = text(&customer, "accessToken");
    for project in ["test", "none"] {
        let answer = ask(&server, "GET", "/auth/me", token, Some(project)).await;
        assert_eq!(answer.status, 403, "{project}: {}", answer.text);
    }
    assert_eq!(ask(&server, "GET", "/auth/me", token, Some("live")).await.status, 200);
    let native = ask(&server, "GET", "/v1/meters", token, None).await;
    assert_eq!((native.status.as_u16(), native.json()["code"].clone()), (403, json!("forbidden")));
}
