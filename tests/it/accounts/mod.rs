//! People: registering, logging in, staying logged in, getting back in.
mod admins;
mod browser;
mod factor;
mod links;
mod lockout;
mod login;
mod mail;
mod members;
pub mod roles;
mod sessions;

use crate::support::server::{Answer, Server};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A password that may be one.
const PASSWORD: &str = "correct horse battery";

/// Calls a path of accounts, with an access token or none.
async fn call(
    server: &Server,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> Answer {
    let mut request = server.bare(method, path);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    Answer::of(request.send().await).await
}

async fn post(server: &Server, path: &str, body: Value) -> Answer {
    call(server, Method::POST, path, None, Some(body)).await
}

async fn get(server: &Server, path: &str, token: &str) -> Answer {
    call(server, Method::GET, path, Some(token), None).await
}

/// Registers an address; answers the body.
async fn register(server: &Server, email: &str) -> Value {
    let answer = post(server, "/auth/register", json!({"email": email, "password": PASSWORD})).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

async fn login(server: &Server, email: &str, password: &str) -> Answer {
    post(server, "/auth/login", json!({"email": email, "password": password})).await
}

async fn refresh(server: &Server, token: &Value) -> Answer {
    post(server, "/auth/refresh", json!({"refreshToken": token})).await
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

/// The mails in a server's outbox, by their files' names, which are in the order of making.
pub fn outbox(server: &Server) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(server.data_dir().join("outbox")).expect("an outbox");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "eml")).collect()
}

/// The mail that arrives after those seen.
pub async fn next_mail(server: &Server, seen: &mut BTreeSet<PathBuf>) -> String {
    loop {
        if let Some(new) = outbox(server).into_iter().find(|path| !seen.contains(path)) {
            seen.insert(new.clone());
            let text = std::fs::read_to_string(new).expect("a mail");
            // Long lines are folded by quoted-printable.
            return text.replace("=\r\n", "").replace("=3D", "=");
        }
        tokio::task::yield_now().await;
    }
}

/// The token that a mail carries after a text.
fn token_in(mail: &str, before: &str) -> String {
    let (_, rest) = mail.split_once(before).unwrap_or_else(|| panic!("{before} in {mail}"));
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}
