//! Members of projects: invited, accepted, promoted, removed, and never without an owner.
use super::{PASSWORD, call, login, next_mail, post, register, text, token_in};
use crate::support::database::Database;
use crate::support::server::{Answer, LIVE_KEY, Server, Setup, TEST_KEY};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

const OWNER: &str = "root@example.com";

/// A server with an owner of every project, and his access token.
async fn owned(setup: Setup) -> (Server, String) {
    let setup = setup.env("RECKONER_BOOTSTRAP_ADMIN_EMAIL", OWNER);
    let server = setup.env("RECKONER_BOOTSTRAP_ADMIN_PASSWORD", PASSWORD).start();
    let token = text(&login(&server, OWNER, PASSWORD).await.json(), "accessToken").to_owned();
    (server, token)
}

/// Invites an address to `live`.
async fn invite(server: &Server, token: &str, email: &str, role: &str) -> Answer {
    let body = json!({"email": email, "role": role});
    call(server, Method::POST, "/v1/invitations", Some(token), Some(body)).await
}

async fn accept(server: &Server, token: &str, password: Option<&str>) -> Answer {
    post(server, "/auth/accept-invitation", json!({"token": token, "password": password})).await
}

/// The token of the next invitation that is mailed.
async fn mailed(server: &Server, seen: &mut BTreeSet<PathBuf>) -> String {
    loop {
        let mail = next_mail(server, seen).await;
        if mail.contains("You are invited to project live") {
            return token_in(&mail, "\"token\": \"");
        }
    }
}

/// Somebody new in this role; answers the user's id.
async fn member(
    server: &Server,
    owner: &str,
    seen: &mut BTreeSet<PathBuf>,
    email: &str,
    role: &str,
) -> String {
    let made = invite(server, owner, email, role).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let joined = accept(server, &mailed(server, seen).await, Some(PASSWORD)).await;
    assert_eq!(joined.status, 200, "{}", joined.text);
    text(&joined.json(), "user").to_owned()
}

async fn token_of(server: &Server, email: &str) -> String {
    text(&login(server, email, PASSWORD).await.json(), "accessToken").to_owned()
}

async fn change(server: &Server, token: &str, user: &str, role: &str) -> Answer {
    let path = format!("/v1/members/{user}");
    call(server, Method::PATCH, &path, Some(token), Some(json!({"role": role}))).await
}

async fn remove(server: &Server, token: &str, user: &str) -> u16 {
    let answer = call(server, Method::DELETE, &format!("/v1/members/{user}"), Some(token), None).await;
    answer.status.as_u16()
}

#[tokio::test]
async fn an_invitation_makes_a_member() {
    invited(Setup::default()).await;
}

#[tokio::test]
async fn it_does_on_postgresql_too() {
    let Some(database) = Database::create().await else { return };
    invited(Setup::default().database_url(&database.settings().url)).await;
    database.drop().await;
}

async fn invited(setup: Setup) {
    let (server, owner) = owned(setup).await;
    let mut seen = BTreeSet::new();
    let made = invite(&server, &owner, "Ann@Example.com", "analyst").await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!((&made["email"], &made["state"]), (&json!("ann@example.com"), &json!("pending")));
    let token = mailed(&server, &mut seen).await;
    assert!(!made.to_string().contains(&token));
    assert_eq!(invite(&server, &owner, "ann@example.com", "admin").await.json()["code"], "already_exists");
    let short = accept(&server, &token, None).await;
    assert_eq!(short.status, 400, "{}", short.text);
    assert!(text(&short.json(), "message").starts_with("password must have at least 8"));
    let joined = accept(&server, &token, Some(PASSWORD)).await;
    let user = text(&joined.json(), "user").to_owned();
    let expected = json!({"user": user, "email": "ann@example.com", "project": "live", "role": "analyst"});
    assert_eq!(joined.parts(), (200, expected));
    assert_eq!(accept(&server, &token, Some(PASSWORD)).await.status, 400, "it works once");
    assert_eq!(invite(&server, &owner, "ann@example.com", "admin").await.json()["code"], "already_exists");
    let ann = token_of(&server, "ann@example.com").await;
    let own = call(&server, Method::GET, "/auth/memberships", Some(&ann), None).await;
    assert_eq!(own.json(), json!({"data": [{"project": "live", "role": "analyst"}]}));
    assert_eq!(call(&server, Method::GET, "/v1/meters", Some(&ann), None).await.status, 200);
    assert_eq!(call(&server, Method::GET, "/v1/members", Some(&ann), None).await.status, 403);
    let members = call(&server, Method::GET, "/v1/members", Some(&owner), None).await.json();
    let roles: Vec<_> = members["data"].as_array().expect("members").iter().map(|one| &one["role"]).collect();
    assert_eq!(roles, ["owner", "analyst"]);
    assert_eq!(members["data"][1]["email_verified"], true);
    let list = call(&server, Method::GET, "/v1/invitations", Some(&owner), None).await.json();
    assert_eq!(
        (&list["data"][0]["state"], &list["data"][0]["accepted_by"]),
        (&json!("accepted"), &json!(user))
    );
    let path = format!("/v1/invitations/{}", text(&made, "id"));
    for (method, path) in [(Method::DELETE, path.clone()), (Method::POST, format!("{path}/resend"))] {
        let answer = call(&server, method, &path, Some(&owner), None).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (409, &json!("invitation_closed")),
            "{path}"
        );
    }
    assert_eq!(remove(&server, &owner, &user).await, 204);
    assert_eq!(call(&server, Method::GET, "/v1/meters", Some(&ann), None).await.status, 403, "at once");
    let entries = server.request(Method::GET, "/v1/audit?limit=4", LIVE_KEY).send().await;
    let entries = Answer::of(entries).await.json();
    let actions: Vec<_> =
        entries["data"].as_array().expect("entries").iter().map(|one| &one["action"]).collect();
    assert_eq!(
        actions,
        ["membership.removed", "invitation.accepted", "membership.created", "invitation.created"]
    );
    assert!(!entries.to_string().contains(&token));
}

#[tokio::test]
async fn an_invitation_is_sent_again_taken_back_and_of_one_project() {
    let (server, owner) = owned(Setup::default().env("FRONTEND_URL", "https://app.example.com")).await;
    let mut seen = BTreeSet::new();
    let made = invite(&server, &owner, "ann@example.com", "admin").await.json();
    let path = format!("/v1/invitations/{}", text(&made, "id"));
    let link = "https://app.example.com/accept-invitation?token=";
    let first = token_in(&next_mail(&server, &mut seen).await, link);
    let foreign = server.request(Method::DELETE, &path, TEST_KEY).send().await.expect("an answer");
    assert_eq!(foreign.status(), 404, "another project's");
    let resent = call(&server, Method::POST, &format!("{path}/resend"), Some(&owner), None).await;
    assert_eq!(resent.status, 200, "{}", resent.text);
    let second = token_in(&next_mail(&server, &mut seen).await, link);
    assert_eq!(accept(&server, &first, Some(PASSWORD)).await.status, 400, "another link is in force");
    assert_eq!(call(&server, Method::DELETE, &path, Some(&owner), None).await.json()["state"], "revoked");
    assert_eq!(accept(&server, &second, Some(PASSWORD)).await.status, 400);
    assert_eq!(invite(&server, &owner, "ann@example.com", "admin").await.status, 201, "it can be made again");
    for (email, role, fields) in [("ann", "customer", "email role"), ("b@example.com", "root", "role")] {
        let answer = invite(&server, &owner, email, role).await;
        let errors = answer.json()["errors"].as_array().expect("errors").clone();
        let told: Vec<_> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
        assert_eq!((answer.status.as_u16(), told.join(" ").as_str()), (422, fields));
    }
}

#[tokio::test]
async fn who_is_there_already_gets_the_stronger_role() {
    let (server, owner) = owned(Setup::default()).await;
    let mut seen = BTreeSet::new();
    let ann = register(&server, "ann@example.com").await;
    let user = text(&ann["user"], "id").to_owned();
    assert_eq!(invite(&server, &owner, "ann@example.com", "admin").await.status, 201);
    let joined = accept(&server, &mailed(&server, &mut seen).await, None).await;
    assert_eq!((joined.status.as_u16(), &joined.json()["user"]), (200, &json!(user)), "{}", joined.text);
    let found = call(&server, Method::GET, &format!("/v1/members/{user}"), Some(&owner), None).await.json();
    assert_eq!(
        (&found["role"], &found["customer"], &found["email_verified"]),
        (&json!("admin"), &json!(user), &json!(true))
    );
    assert_eq!(login(&server, "ann@example.com", PASSWORD).await.status, 200, "the password stays");
    assert_eq!(change(&server, &owner, &user, "customer").await.json()["role"], "customer");
    let ben = member(&server, &owner, &mut seen, "ben@example.com", "analyst").await;
    let refused = change(&server, &owner, &ben, "customer").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["errors"][0]["field"]), (422, &json!("role")));
    assert_eq!(change(&server, &owner, &ben, "root").await.status, 422);
}

#[tokio::test]
async fn only_owners_make_owners_and_the_last_one_stays() {
    let (server, owner) = owned(Setup::default()).await;
    let mut seen = BTreeSet::new();
    let members = call(&server, Method::GET, "/v1/members", Some(&owner), None).await.json();
    let root = text(&members["data"][0], "user").to_owned();
    let ann = member(&server, &owner, &mut seen, "ann@example.com", "admin").await;
    let admin = token_of(&server, "ann@example.com").await;
    assert_eq!(change(&server, &admin, &ann, "owner").await.status, 403);
    assert_eq!(change(&server, &admin, &root, "analyst").await.status, 403);
    assert_eq!(remove(&server, &admin, &root).await, 403);
    assert_eq!(invite(&server, &admin, "eve@example.com", "owner").await.status, 403);
    let by_key = server.request(Method::PATCH, &format!("/v1/members/{ann}"), LIVE_KEY);
    let by_key = by_key.json(&json!({"role": "owner"})).send().await.expect("an answer");
    assert_eq!(by_key.status(), 403, "a key is nobody");
    let alone = change(&server, &owner, &root, "admin").await;
    assert_eq!((alone.status.as_u16(), &alone.json()["code"]), (409, &json!("last_owner")));
    assert_eq!(remove(&server, &owner, &root).await, 409);
    assert_eq!(change(&server, &owner, &ann, "owner").await.status, 200);
    // Both end the other's ownership at once: one does.
    let (one, two) =
        tokio::join!(change(&server, &owner, &ann, "admin"), change(&server, &admin, &root, "admin"));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403], "{} {}", one.text, two.text);
    let members = call(&server, Method::GET, "/v1/members", Some(&admin), None).await.json();
    let owners =
        members["data"].as_array().expect("members").iter().filter(|one| one["role"] == "owner").count();
    assert_eq!(owners, 1);
    let nobody = format!("usr_{}", "0".repeat(32));
    for user in [nobody.as_str(), "x", ann.as_str()] {
        let foreign = server.request(Method::DELETE, &format!("/v1/members/{user}"), TEST_KEY);
        assert_eq!(foreign.send().await.expect("an answer").status(), 404, "{user}");
    }
}

#[tokio::test]
async fn acceptances_of_one_client_are_limited() {
    let server = Setup::default().env("RECKONER_AUTH_RECOVERIES_MAX", "2").start();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(accept(&server, "x", None).await.status.as_u16());
    }
    assert_eq!(statuses, [400, 400, 429]);
    let nothing: Value = json!({});
    assert_eq!(post(&server, "/auth/accept-invitation", nothing).await.status, 400);
}
