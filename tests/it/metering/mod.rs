//! System A, from the outside.
mod announcement;
mod batch;
mod capture;
mod decimals;
mod example;
mod first_light;
mod front;
mod million;
mod reading;
mod trigger;
mod unconfigured;

use crate::support::server::{Answer, Server, TEST_KEY};
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// Bounds the wait for what comes by itself; nothing depends on how long it takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// `POST` of a text as JSON in project `test`.
async fn send(server: &Server, path: &str, body: &str) -> Answer {
    let request = server.request(Method::POST, path, TEST_KEY).header("content-type", "application/json");
    Answer::of(request.body(body.to_owned()).send().await).await
}

/// Reads a list until it is as wanted.
async fn eventually(server: &Server, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let read = async {
        loop {
            let list = server.get(path).await.json();
            if wanted(&list) {
                return list;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("it comes in time")
}

/// Its length.
fn count(list: &Value) -> usize {
    list.as_array().expect("a list").len()
}

/// The names of an object's fields, in order.
fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
