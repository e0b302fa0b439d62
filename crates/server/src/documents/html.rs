//! An invoice as a page that needs nothing else: no script, its style by hash, its logo inside.
use super::view::View;
use askama::Template as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const STYLE: &str = include_str!("../../templates/invoice.css");

/// What a browser may do with the page: show it, with this style and the picture inside, and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
});

#[derive(askama::Template)]
#[template(path = "invoice.html")]
struct Page<'a> {
    view: &'a View,
    style: &'static str,
    logo: Option<String>,
}

/// The page.
pub fn render(view: &View) -> Result<String, askama::Error> {
    let logo = view.logo.as_ref();
    let logo = logo.map(|logo| format!("data:{};base64,{}", logo.media_type(), STANDARD.encode(&logo.file)));
    Page { view, style: STYLE, logo }.render()
}

/// The value of its `Content-Security-Policy`.
pub fn policy() -> &'static str {
    &POLICY
}
