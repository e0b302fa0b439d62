//! Who requests are by: rules that are tried in order, one list for the customer and one for the subject.
use axum::http::request::Parts;
use axum::http::{HeaderName, Method, header};
use path::Template;
use reckoner_client::Attribution;
use reckoner_client::wire::event::SourceContext;
use std::str::FromStr;

mod json;
mod keys;
mod path;
mod tokens;

pub use keys::{Keys, Owner};
pub use tokens::TokenKeys;

/// Where a customer or a subject is found in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The API key, by the list of keys.
    Key,
    /// A claim of a bearer token whose signature holds.
    Token(String),
    /// A header.
    Header(HeaderName),
    /// The segment of the path that stands where a template has its braces.
    Path(Template),
    /// A parameter of the query.
    Query(String),
    /// A field of a JSON body, names with dots between.
    Json(Vec<String>),
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, what) = text.split_once(':').unwrap_or((text, ""));
        let named = || {
            if what.is_empty() {
                Err(format!("`{kind}` needs a name: `{kind}:NAME`"))
            } else {
                Ok(what.to_owned())
            }
        };
        match kind {
            "key" if what.is_empty() => Ok(Self::Key),
            "token" => Ok(Self::Token(named()?)),
            "header" => HeaderName::try_from(named()?)
                .map(Self::Header)
                .map_err(|_| format!("`{what}` is no name of a header")),
            "path" => Ok(Self::Path(what.parse()?)),
            "query" => Ok(Self::Query(named()?)),
            "json" => Ok(Self::Json(named()?.split('.').map(str::to_owned).collect())),
            _ => Err(format!(
                "`{text}` is none of key, token:CLAIM, header:NAME, path:/a/{{id}}, query:NAME, json:a.b"
            )),
        }
    }
}

/// All rules of a gateway, with what they need.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Tried in order for the customer; the first that finds one decides.
    pub customer: Vec<Rule>,
    /// The same for the subject.
    pub subject: Vec<Rule>,
    /// Whose API keys are whose.
    pub keys: Keys,
    /// What tokens are verified with; without them token rules find nobody.
    pub tokens: Option<TokenKeys>,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Seen {
    customer: Option<String>,
    subject: Option<String>,
}

impl Rules {
    /// Looks where nothing was found yet.
    pub(in crate::gateway) fn look(&self, parts: &Parts, body: Option<&[u8]>, seen: &mut Seen) {
        if seen.customer.is_none() {
            seen.customer = self.find(&self.customer, parts, body, |owner| Some(&owner.customer));
        }
        if seen.subject.is_none() {
            seen.subject = self.find(&self.subject, parts, body, |owner| owner.subject.as_ref());
        }
    }

    /// Whether the body may tell what is still missing.
    pub(in crate::gateway) fn wants_body(&self, parts: &Parts, seen: &Seen) -> bool {
        let asks = |rules: &[Rule]| rules.iter().any(|rule| matches!(rule, Rule::Json(_)));
        let missing = (seen.customer.is_none() && asks(&self.customer))
            || (seen.subject.is_none() && asks(&self.subject));
        let bodiless = matches!(parts.method, Method::GET | Method::HEAD)
            && !parts.headers.contains_key(header::CONTENT_LENGTH);
        missing && !bodiless && is_json(parts)
    }

    /// Whether nothing more is to be found in a longer beginning of the body.
    pub(in crate::gateway) fn has_enough(&self, parts: &Parts, prefix: &[u8], seen: &Seen) -> bool {
        let found =
            |rules: &[Rule]| self.find(rules, parts, Some(prefix), |owner| Some(&owner.customer)).is_some();
        (seen.customer.is_some() || found(&self.customer))
            && (seen.subject.is_some() || !asks_json(&self.subject) || found(&self.subject))
    }

    /// The name of the endpoint: ids in the path are taken out.
    pub(in crate::gateway) fn endpoint(&self, path: &str) -> String {
        let templates = self.customer.iter().chain(&self.subject).filter_map(|rule| match rule {
            Rule::Path(template) => Some(template),
            _ => None,
        });
        let path = templates.fold(path.to_owned(), |path, template| template.name(&path).unwrap_or(path));
        reckoner_client::template(&path)
    }

    fn find(
        &self,
        rules: &[Rule],
        parts: &Parts,
        body: Option<&[u8]>,
        of_key: impl Fn(&Owner) -> Option<&String>,
    ) -> Option<String> {
        rules.iter().find_map(|rule| {
            let found = match rule {
                Rule::Key => self.keys.owner(&parts.headers).and_then(&of_key).cloned(),
                Rule::Token(claim) => self.tokens.as_ref()?.claim(&parts.headers, claim),
                Rule::Header(name) => {
                    parts.headers.get(name)?.to_str().ok().map(|text| text.trim().to_owned())
                }
                Rule::Path(template) => template.find(parts.uri.path()),
                Rule::Query(name) => query(parts.uri.query()?, name),
                Rule::Json(names) => json::find(body?, names),
            };
            found.filter(|text| !text.is_empty())
        })
    }
}

fn asks_json(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| matches!(rule, Rule::Json(_)))
}

impl Seen {
    /// Who it is, and where the usage arose as far as the path tells.
    pub(in crate::gateway) fn attribution(self, path: &str) -> Attribution {
        let who = self.customer.map_or_else(Attribution::none, Attribution::customer);
        let who = self.subject.into_iter().fold(who, Attribution::subject);
        let has = |name: &str| path.split('/').any(|segment| segment == name);
        let kind = match () {
            () if has("admin") => "admin",
            () if has("workspaces") => "workspace",
            () if has("projects") => "project",
            () => "other",
        };
        let kind = kind.to_owned();
        who.source(SourceContext { kind, project_name: None, workspace_name: None, display_name: None })
    }
}

fn query(query: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn is_json(parts: &Parts) -> bool {
    let kind =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let encoded = parts.headers.contains_key(header::CONTENT_ENCODING);
    !encoded && (kind == "application/json" || kind.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request =
            headers.iter().fold(Request::builder().uri(uri), |r, (name, value)| r.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn rules(customer: &[&str], subject: &[&str]) -> Rules {
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Rules { customer: read(customer), subject: read(subject), ..Rules::default() }
    }

    #[test]
    fn the_first_rule_that_finds_somebody_decides() {
        let rules =
            rules(&["header:x-customer", "query:c", "path:/organizations/{id}"], &["path:/workspaces/{id}"]);
        let found = |uri: &str, headers: &[(&str, &str)]| {
            let mut seen = Seen::default();
            rules.look(&parts(uri, headers), None, &mut seen);
            (seen.customer, seen.subject)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(found("/organizations/o1?c=q", &[("x-customer", " a ")]), (some("a"), None));
        assert_eq!(found("/organizations/o1?c=q%20r", &[("x-customer", "")]), (some("q r"), None));
        assert_eq!(found("/v1/organizations/o1/workspaces/w%2F1/x", &[]), (some("o1"), some("w/1")));
        assert_eq!(found("/", &[]), (None, None));
        assert_eq!(
            rules.endpoint("/v1/organizations/acme/workspaces/w/x/7"),
            "/v1/organizations/{id}/workspaces/{id}/x/{id}"
        );
    }

    #[test]
    fn bodies_are_looked_at_only_where_they_may_tell() {
        let rules = rules(&["header:x-customer", "json:owner.id"], &["query:s"]);
        let json = [("content-type", "application/json; charset=utf-8"), ("content-length", "9")];
        let seen = Seen::default();
        assert!(rules.wants_body(&parts("/", &json), &seen));
        assert!(!rules.wants_body(&parts("/", &[("content-type", "text/plain")]), &seen));
        let known = Seen { customer: Some("a".to_owned()), subject: None };
        assert!(!rules.wants_body(&parts("/", &json), &known));
        assert!(!rules.has_enough(&parts("/", &json), br#"{"owner":{"i"#, &seen));
        assert!(rules.has_enough(&parts("/", &json), br#"{"owner":{"id":"a""#, &seen));
    }

    #[test]
    fn rules_that_mean_nothing_are_refused() {
        for bad in ["", "header:", "header:a b", "path:", "path:/a", "cookie:x", "key:x", "json"] {
            assert!(bad.parse::<Rule>().is_err(), "{bad}");
        }
    }
}
