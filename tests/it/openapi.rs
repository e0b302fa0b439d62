//! The API's description: locked, and sound.
use reckoner_server::http::openapi;
use serde_json::Value;
use std::collections::BTreeSet;

fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("methods");
        methods.iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}

#[test]
fn the_document_is_what_it_was() {
    insta::with_settings!({prepend_module_to_snapshot => false, snapshot_path => "snapshots", omit_expression => true}, {
        insta::assert_snapshot!("openapi", openapi::text());
    });
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(object) => {
                assert!(object.values().all(|inner| !inner.is_null()), "{object:?}");
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|inner| walk(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| walk(inner, found)),
            _ => {}
        }
    }
    let document = openapi::document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    walk(document, &mut found);
    assert!(found.len() > 20);
    for reference in &found {
        let pointer = reference.strip_prefix('#').expect("of this document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
        assert!(found.contains(format!("#/components/schemas/{name}").as_str()), "nobody uses {name}");
    }
}

#[test]
fn every_operation_is_told_in_full() {
    let document = openapi::document();
    let mut ids = BTreeSet::new();
    let tags: BTreeSet<&str> =
        document["tags"].as_array().expect("tags").iter().filter_map(|tag| tag["name"].as_str()).collect();
    for (what, operation) in operations(document) {
        let id = operation["operationId"].as_str().expect("an id");
        assert!(ids.insert(id), "{what}: {id} is taken");
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{id}");
        assert!(
            operation["summary"].as_str().is_some_and(|text| text.ends_with('.')),
            "{what} has no summary"
        );
        assert!(tags.contains(operation["tags"][0].as_str().expect("a tag")), "{what}");
        let responses = operation["responses"].as_object().expect("answers");
        let native = what.contains(" /v1/");
        let keyed = !operation["security"].as_array().expect("security").is_empty();
        let mut needed = if keyed { vec!["401", "403"] } else { Vec::new() };
        needed.extend(if native { &["500", "503"][..] } else { &[] });
        needed.extend(if native && what.contains('{') { &["404"][..] } else { &[] });
        needed.extend(if native && operation["requestBody"].is_object() {
            &["400", "413", "415", "422"][..]
        } else {
            &[]
        });
        for status in needed {
            assert!(responses.contains_key(status), "{what} does not tell of {status}");
        }
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{what} {status}");
            assert!(response["headers"]["X-Request-Id"].is_object(), "{what} {status}");
            if native && status.as_str() >= "400" {
                assert!(response["content"]["application/problem+json"].is_object(), "{what} {status}");
            }
        }
    }
    assert!(ids.len() > 45);
}
