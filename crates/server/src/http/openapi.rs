//! The OpenAPI 3.1 document, made from the code.
mod complete;
mod exports;
mod values;

pub use values::DELIVERY_STATES;

use super::router;
use serde_json::Value;
use std::sync::LazyLock;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Contact, InfoBuilder, License, OpenApi, OpenApiBuilder};

/// Everything but the routes.
pub fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Reckoner")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Usage metering, limits and billing. Times are RFC 3339 in UTC, decimals are strings, ranges are \
             half-open. Errors of /v1 are problem details (RFC 9457) with a stable `code`.",
        ))
        .license(Some(License::new("Apache-2.0")))
        .contact(None::<Contact>)
        .build();
    let header = |name: &str, about: &str| {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, about)))
    };
    let bearer = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`Authorization: Bearer KEY`"))
            .build(),
    );
    let access_token = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("A person's access token, which has the scopes of the role."))
            .build(),
    );
    let components = ComponentsBuilder::new()
        .security_scheme("access_token", access_token)
        .security_scheme("service_token", header("X-Service-Token", "The token of a service."))
        .security_scheme("api_key", header("x-apikey", "The API key itself."))
        .security_scheme("bearer", bearer)
        .security_scheme(
            "authorization",
            header("Authorization", "`ApiKey KEY`, or `ApiKey ID.KEY` with the key's id before it."),
        )
        .build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// The whole document.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let (_, described) = router::routes();
        // A document made of known types always prints.
        complete::complete(serde_json::to_value(described).unwrap_or_default())
    });
    &DOCUMENT
}

/// The document as JSON text.
pub fn text() -> String {
    format!("{:#}", document())
}
