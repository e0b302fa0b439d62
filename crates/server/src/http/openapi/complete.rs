//! What is true of whole families of routes, written into the document once: credentials, headers,
//! answers that any request may get.
#![expect(clippy::indexing_slicing, reason = "the document is of our own making, and a test reads it whole")]
use super::{exports, values};
use crate::auth::access::{Access, required};
use crate::auth::caller::services_may;
use crate::http::codes::CODES;
use crate::http::compat::{READ_BY_D, is_of_system_d};
use crate::http::middleware::idempotency;
use crate::store::Scope;
use serde_json::{Map, Value, json};

/// What each group of routes is about, in the order of the document.
const TAGS: [(&str, &str); 18] = [
    ("events", "What was used. The event's id makes sending it again harmless."),
    ("meters", "What events add up to, and queries of it."),
    ("customers", "Whose usage it is."),
    ("aggregations", "The totals of periods."),
    ("plans", "What customers subscribe to, and discounts."),
    ("subscriptions", "Which plans customers have."),
    ("invoices", "What customers are billed, period by period."),
    ("entitlements", "What customers may use, and how much of it is left."),
    ("alerts", "Who is told of usage, spend and credit, and what was told."),
    ("webhooks", "Who is told, and what became of it."),
    ("api keys", "Who may call."),
    ("members", "Which people belong to the project, and who is invited."),
    ("audit", "Who changed what, and when: entries chained by their hashes."),
    ("projects", "What concerns a whole project."),
    ("test clock", "The clock of project `test`; project `live` has none (404)."),
    ("jobs", "What runs by itself."),
    ("health", "Whether the server works."),
    ("about", "The server and this document."),
];

/// Adds what holds for every route of a kind to a document made from the handlers.
pub fn complete(mut document: Value) -> Value {
    let tags: Vec<Value> =
        TAGS.iter().map(|(name, about)| json!({"name": name, "description": about})).collect();
    let accounts = json!({
        "name": "accounts",
        "description": "People: the paths of system D, with its own error bodies.",
    });
    let own = json!({
        "name": "system A",
        "description": "The metering webhook system: its clients work unmodified, with its own error bodies.",
    });
    let workspaces = json!({
        "name": "system B",
        "description": "Usage of workspaces: its clients work unmodified, with its own error bodies.",
    });
    let analytics = json!({
        "name": "system C",
        "description": "Usage analytics: its clients work unmodified, with its own error bodies.",
    });
    let services = json!({
        "name": "services",
        "description": "Services that call in their own name: the paths of system D, with its own error bodies.",
    });
    let usage = json!({
        "name": "usage of users",
        "description": "What users of accounts used: the paths of system D, with its own error bodies.",
    });
    let payments = json!({
        "name": "payments",
        "description": "What Stripe collects: the paths of system D, with its own error bodies, and what differs there.",
    });
    let others = [own, workspaces, analytics, accounts, services, usage, payments];
    document["tags"] = tags.into_iter().chain(others).collect();
    document["servers"] = json!([{"url": "/"}]);
    document["components"]["headers"] = headers();
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        name_items(schemas);
        widen_answers(schemas);
        let codes: Map<String, Value> =
            CODES.iter().map(|(code, meaning)| ((*code).to_owned(), json!(meaning))).collect();
        if let Some(problem) = schemas.get_mut("Problem") {
            problem["x-codes"] = codes.into();
        }
        for (name, schema) in schemas {
            for (property, schema) in object(schema.get_mut("properties")) {
                values::tell(name, property, schema);
            }
        }
    }
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return document };
    add_captures(paths);
    for (path, item) in paths {
        for (method, operation) in object(Some(item)) {
            complete_operation(&method.to_uppercase(), path, operation);
        }
    }
    document
}

fn object(value: Option<&mut Value>) -> impl Iterator<Item = (&String, &mut Value)> {
    value.and_then(Value::as_object_mut).into_iter().flatten()
}

fn array(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

fn complete_operation(method: &str, path: &str, operation: &mut Value) {
    let security = security(required(method, path));
    let asks = !security.is_empty();
    operation["security"] = Value::Array(security);
    if idempotency::applies(method, path) {
        add_idempotency(operation);
    }
    if path.starts_with("/v1/") {
        for parameter in array(operation.get_mut("parameters")) {
            let name = parameter["name"].as_str().unwrap_or_default().to_owned();
            values::tell("parameters", &name, &mut parameter["schema"]);
        }
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    if path.starts_with("/v1/") {
        for status in ["429", "500", "503"] {
            add_problem(responses, status, None);
        }
    } else if is_of_system_d(method, path) {
        for status in ["429", "500", "503"] {
            let content = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}});
            responses
                .entry(status)
                .or_insert_with(|| json!({"description": meaning(status), "content": content}));
        }
    } else if asks && path != "/metrics" {
        for status in ["429", "500", "503"] {
            let content = json!({"application/json": {"schema": {"type": "object"}}});
            responses
                .entry(status)
                .or_insert_with(|| json!({"description": "`{error}`", "content": content}));
        }
    }
    for (status, response) in responses {
        complete_response(status, response);
    }
    if path.starts_with("/v1/") {
        exports::complete(operation);
    }
}

/// Event types of system A whose names are also those of fixed paths.
fn add_captures(paths: &mut Map<String, Value>) {
    let Some(capture) = paths.get("/usage/{event_type}").and_then(|item| item.get("post")).cloned() else {
        return;
    };
    for name in READ_BY_D {
        let mut operation = capture.clone();
        operation["operationId"] = format!("capture_event_{name}").into();
        operation["summary"] = format!("Capture one event of the type `{name}`.").into();
        operation["parameters"] = json!([]);
        paths[&format!("/usage/{name}")]["post"] = operation;
    }
}

/// The credentials that a route takes, any of them.
fn security(access: Option<Access>) -> Vec<Value> {
    let with_scope = |scope: Scope| {
        let service = services_may(scope).then_some("service_token");
        let schemes = ["access_token", "api_key", "bearer", "authorization"].into_iter().chain(service);
        schemes.map(|scheme| json!({scheme: [scope.as_str()]})).collect::<Vec<_>>()
    };
    match access {
        None | Some(Access::Public) => Vec::new(),
        Some(Access::Metrics) => [vec![json!({})], with_scope(Scope::Read)].concat(),
        Some(Access::Key(scope)) => with_scope(scope),
        Some(Access::Own) => ["access_token", "api_key", "bearer", "authorization"]
            .map(|scheme| json!({scheme: ["own"]}))
            .to_vec(),
        Some(Access::Person) => vec![json!({"access_token": ["person"]})],
        Some(Access::Service) => vec![json!({"service_token": ["service"]})],
        Some(Access::ServiceWith(scope)) => {
            vec![json!({"service_token": [format!("service:{}", scope.as_str())]})]
        }
    }
}

fn complete_response(status: &str, response: &mut Value) {
    if response.get("description").and_then(Value::as_str).is_none_or(str::is_empty) {
        response["description"] = meaning(status).into();
    }
    response["headers"]["X-Request-Id"] = json!({"$ref": "#/components/headers/RequestId"});
    if matches!(status, "429" | "503" | "507") {
        response["headers"]["Retry-After"] = json!({"$ref": "#/components/headers/RetryAfter"});
    }
}

fn headers() -> Value {
    json!({
        "RequestId": {
            "description": "Names this request in the server's log; the client's own, when it sent a sane one.",
            "schema": {"type": "string"},
        },
        "RetryAfter": {"description": "When to try again, in seconds.", "schema": {"type": "integer"}},
    })
}

/// Lists of objects name the object, which the generic list has repeated.
fn name_items(schemas: &mut Map<String, Value>) {
    let lists: Vec<String> = schemas.keys().filter(|name| name.starts_with("List_")).cloned().collect();
    for list in lists {
        let item = list.trim_start_matches("List_").to_owned();
        if schemas.contains_key(&item) {
            schemas[&list]["properties"]["data"]["items"] =
                json!({"$ref": format!("#/components/schemas/{item}")});
        }
    }
}

/// What is answered is more than what was written: a part that allows no other properties would forbid the rest.
fn widen_answers(schemas: &mut Map<String, Value>) {
    let closed: Map<String, Value> = schemas
        .iter()
        .filter(|(_, schema)| schema["additionalProperties"] == false)
        .map(|(name, schema)| {
            let mut open = schema.clone();
            open.as_object_mut().map(|open| open.remove("additionalProperties"));
            (format!("#/components/schemas/{name}"), open)
        })
        .collect();
    for (_, schema) in schemas.iter_mut() {
        for part in array(schema.get_mut("allOf")) {
            let whole = part["$ref"].as_str().and_then(|name| closed.get(name)).cloned();
            if let Some(whole) = whole {
                *part = whole;
            }
        }
    }
}

fn add_idempotency(operation: &mut Value) {
    let about = format!(
        "Makes it safe to send this request again: for {} hours the same request under the same key is answered as \
         before, with `Idempotent-Replayed: true`, and not done again.",
        idempotency::KEPT_HOURS
    );
    let parameter = json!({
        "name": "Idempotency-Key", "in": "header", "required": false, "description": about,
        "schema": {"type": "string", "minLength": 1, "maxLength": idempotency::KEY_CHARS_MAX, "pattern": "^[!-~]+$"},
    });
    match operation.get_mut("parameters").and_then(Value::as_array_mut) {
        Some(parameters) => parameters.push(parameter),
        None => operation["parameters"] = json!([parameter]),
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    add_problem(responses, "409", Some("A request under the same `Idempotency-Key` is being done"));
    add_problem(responses, "413", None);
    add_problem(responses, "422", Some("The `Idempotency-Key` is no key, or was used for another request"));
}

fn add_problem(responses: &mut Map<String, Value>, status: &str, about: Option<&str>) {
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let about = about.unwrap_or_else(|| meaning(status));
    let problem = json!({"description": about, "content": {"application/problem+json": {"schema": schema}}});
    responses.entry(status).or_insert(problem);
}

/// What a status means where a handler says nothing else.
fn meaning(status: &str) -> &'static str {
    match status {
        "200" => "Done",
        "201" => "Made",
        "202" => "Taken up",
        "400" => "The request cannot be read",
        "401" => "No credential, or one that is not known",
        "403" => "The key or the role lacks the scope",
        "404" => "Not in this project",
        "409" => "At odds with what is there",
        "413" => "Larger than a limit",
        "415" => "A type or encoding of body that is not read",
        "422" => "Fields are wrong; `errors` lists all of them",
        "429" => "Too often: beyond a rate limit",
        "500" => "The server failed; its log has the details under the request id",
        "503" => "Temporarily unavailable",
        _ => "See the conventions of the API",
    }
}
