//! Services that call in their own name: `[services.NAME]`.
use super::reader::{Reader, named};
use super::{KEY_BYTES_MAX, SECRET_CHARS_MIN, Secret};
use reckoner_domain::access::{Permission, SERVICE_PERMISSIONS};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Most services there may be: each is a label of a metric.
const SERVICES_MAX: usize = 100;
/// Most characters of a service's name.
const NAME_CHARS_MAX: usize = 64;
/// What a service's table may say.
const KEYS: [&str; 3] = ["secret", "permissions", "projects"];
/// The projects there are.
const PROJECTS: [&str; 2] = ["live", "test"];

/// Which services call in their own name.
#[derive(Clone, Debug, Default)]
pub struct Services {
    /// Each by its name.
    pub known: BTreeMap<String, Service>,
    /// Whether one that sends no secret is believed.
    pub allow_unproven: bool,
}

/// A service.
#[derive(Clone, Debug)]
pub struct Service {
    /// What it proves itself with; there is one unless no proof is asked for.
    pub secret: Option<Secret>,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// In which projects, by their names; in all of them where none is named.
    pub projects: Vec<String>,
}

pub(super) fn read_services(reader: &mut Reader<'_>) -> Services {
    let allow_unproven = reader.flag(
        named(
            "allow_unproven_services",
            "Whether a service that sends no X-Service-Secret gets a token all the same, as original clients expect.",
        ),
        false,
    );
    let mut services = Services { known: BTreeMap::new(), allow_unproven };
    let table = match reader.of_file("services") {
        None => return services,
        Some(Value::Table(table)) if table.len() <= SERVICES_MAX => table,
        Some(_) => {
            reader.problem("services", format!("must be at most {SERVICES_MAX} tables [services.NAME]"));
            return services;
        }
    };
    let mut variables: BTreeMap<String, &String> = BTreeMap::new();
    for (name, item) in table {
        let variable = variable(name);
        let service = read_service(reader, (name, &variable), item, allow_unproven);
        if let Some(other) = variables.insert(variable, name) {
            let reason = format!("has the same variable as services.{other} has: name it otherwise");
            reader.problem(&format!("services.{name}"), reason);
        }
        let same = |other: &Service| service.secret.is_some() && other.secret == service.secret;
        if let Some((other, _)) = services.known.iter().find(|(_, other)| same(other)) {
            let reason = format!("must differ from the secret of services.{other}");
            reader.problem(&format!("services.{name}.secret"), reason);
        }
        services.known.insert(name.clone(), service);
    }
    services
}

/// The environment variable of a service's secret.
fn variable(name: &str) -> String {
    format!("RECKONER_SERVICES_{}_SECRET", name.replace('-', "_").to_uppercase())
}

/// Reads a service and notes what is wrong with it; it is used only if nothing is.
fn read_service(
    reader: &mut Reader<'_>,
    (name, variable): (&str, &str),
    item: &Value,
    allow_unproven: bool,
) -> Service {
    let place = format!("services.{name}");
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !(1..=NAME_CHARS_MAX).contains(&name.len()) || !name.chars().all(good) {
        let reason = format!("must be named with 1 to {NAME_CHARS_MAX} of A-Z, a-z, 0-9, - and _");
        reader.problem(&place, reason);
    }
    let Some(item) = item.as_table() else {
        reader.problem(&place, format!("must be a table with {}", KEYS.join(" and ")));
        return Service { secret: None, permissions: Vec::new(), projects: Vec::new() };
    };
    for key in item.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        reader.problem(&format!("{place}.{key}"), format!("is unknown; allowed are {}", KEYS.join(", ")));
    }
    let secret = read_secret(reader, &format!("{place}.secret"), variable, item);
    if secret.is_none() && !item.contains_key("secret") && !allow_unproven {
        let reason = format!("must be set, here or as {variable}");
        reader.problem(&format!("{place}.secret"), reason);
    }
    Service {
        secret,
        permissions: read_permissions(reader, &format!("{place}.permissions"), item),
        projects: read_projects(reader, &format!("{place}.projects"), item),
    }
}

/// The projects that a service is for; none where it is for all.
fn read_projects(reader: &mut Reader<'_>, place: &str, item: &Table) -> Vec<String> {
    let Some(value) = item.get("projects") else { return Vec::new() };
    let names = value.as_array().map(|names| names.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    let whole = value.as_array().map_or(0, Vec::len);
    match names {
        Some(names)
            if !names.is_empty()
                && names.len() == whole
                && names.iter().all(|name| PROJECTS.contains(name)) =>
        {
            names.into_iter().map(str::to_owned).collect()
        }
        _ => {
            reader.problem(place, format!("must be a list of {}, or left out for all", PROJECTS.join(", ")));
            Vec::new()
        }
    }
}

fn read_secret(reader: &mut Reader<'_>, place: &str, variable: &str, item: &Table) -> Option<Secret> {
    let of_file = item.get("secret");
    if of_file.is_some_and(|secret| !secret.is_str()) {
        reader.problem(place, "must be a text");
    }
    let text = reader.of_environment(variable).or_else(|| of_file?.as_str())?;
    // What a header can carry.
    let printable = text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && text == text.trim();
    if !(SECRET_CHARS_MIN..=KEY_BYTES_MAX).contains(&text.len()) || !printable {
        let reason = format!(
            "must have {SECRET_CHARS_MIN} to {KEY_BYTES_MAX} printable ASCII characters, no space at an end"
        );
        reader.problem(place, reason);
    }
    Some(Secret::new(text.to_owned()))
}

fn read_permissions(reader: &mut Reader<'_>, place: &str, item: &Table) -> Vec<Permission> {
    let names = SERVICE_PERMISSIONS.map(|(name, _)| name).join(", ");
    let Some(items) = item.get("permissions").and_then(Value::as_array) else {
        reader.problem(place, format!("must be a list of {names}"));
        return Vec::new();
    };
    let mut permissions = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match item.as_str().and_then(Permission::of_service) {
            Some(permission) => permissions.push(permission),
            None => reader.problem(&format!("{place}[{index}]"), format!("must be one of {names}")),
        }
    }
    permissions
}

/// What works but should be looked at.
pub(super) fn warnings(services: &Services) -> Vec<String> {
    let mut warnings = Vec::new();
    if services.allow_unproven {
        let text = "allow_unproven_services: whoever names a service gets a token of it without any proof";
        warnings.push(text.to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::super::reader::Sources;
    use super::*;

    const SECRET: &str = "9f86d081884c7d659a2feaa0c55ad015";

    fn read(file: &str, env: &[(&str, &str)]) -> (Services, Vec<String>) {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sources = Sources { flags: BTreeMap::new(), env, file: file.parse().expect("TOML") };
        let mut reader = Reader::new(&sources);
        let services = read_services(&mut reader);
        (services, reader.problems.into_iter().map(|problem| problem.setting).collect())
    }

    #[test]
    fn services_are_read_from_file_and_environment() {
        let file = format!(
            "[services.gateway]\nsecret = '{SECRET}'\npermissions = ['usage:write', 'project:read']\n\
             [services.llm-worker]\npermissions = []\nprojects = ['test']"
        );
        let (services, problems) = read(&file, &[("RECKONER_SERVICES_LLM_WORKER_SECRET", &SECRET.repeat(2))]);
        assert_eq!(problems, Vec::<String>::new());
        let (gateway, worker) = (&services.known["gateway"], &services.known["llm-worker"]);
        assert_eq!(gateway.secret, Some(Secret::new(SECRET.to_owned())));
        assert_eq!(gateway.permissions, [Permission::RecordUsage, Permission::ReadProject]);
        assert_eq!(worker.secret, Some(Secret::new(SECRET.repeat(2))));
        assert!(worker.permissions.is_empty() && !services.allow_unproven);
        assert_eq!(
            (gateway.projects.len(), worker.projects.as_slice()),
            (0, [String::from("test")].as_slice())
        );
        let (services, _) = read(&file, &[("RECKONER_SERVICES_GATEWAY_SECRET", &SECRET.repeat(3))]);
        assert_eq!(services.known["gateway"].secret, Some(Secret::new(SECRET.repeat(3))));
    }

    #[test]
    fn every_problem_of_services_is_noted() {
        let file = format!(
            "[services]\nx = 1\n'a b' = {{ secret = '{SECRET}', permissions = [] }}\n\
             one = {{ secret = 'short', permissions = ['usage:write', 'root'] }}\n\
             two = {{ secret = 5, permission = [] }}\nthree = {{ permissions = [], projects = ['prod'] }}\n\
             four = {{ secret = '{SECRET}', permissions = 'usage:write' }}\n\
             p-q = {{ secret = '{SECRET}1', permissions = [] }}\n\
             p_q = {{ secret = '{SECRET}2', permissions = [] }}"
        );
        let (_, mut problems) = read(&file, &[]);
        problems.sort();
        let expected = [
            "services.a b",
            "services.four.permissions",
            "services.four.secret",
            "services.one.permissions[1]",
            "services.one.secret",
            "services.p_q",
            "services.three.projects",
            "services.three.secret",
            "services.two.permission",
            "services.two.permissions",
            "services.two.secret",
            "services.x",
        ];
        assert_eq!(problems, expected);
        assert_eq!(read("services = 1", &[]).1, ["services"]);
    }

    #[test]
    fn a_service_needs_no_secret_where_no_proof_is_asked_for() {
        let file = "allow_unproven_services = true\n[services.gateway]\npermissions = ['usage:write']";
        let (services, problems) = read(file, &[]);
        assert_eq!(problems, Vec::<String>::new());
        assert!(services.allow_unproven && services.known["gateway"].secret.is_none());
        assert_eq!(warnings(&services).len(), 1);
    }
}
