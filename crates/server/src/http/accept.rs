//! Which of the forms that an answer has is wanted.
use axum::http::{HeaderMap, header};

/// The media type of most answers.
pub const JSON: &str = "application/json";

/// The media type that `Accept` prefers: the one of the highest weight; of equal ones one that is named
/// before one that a wildcard stands for, then the first. Where none is asked for it is the first
/// offered: a client that cannot read it is better off than with a refusal that it cannot read either.
pub fn preferred(headers: &HeaderMap, offered: &[&'static str]) -> &'static str {
    let mut best = None;
    for entry in headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()) {
        for range in entry.split(',') {
            let Some((media, named)) = offer(range, offered) else { continue };
            let rank = (weight(range), named);
            if rank.0 > 0 && best.is_none_or(|(known, _)| rank > known) {
                best = Some((rank, media));
            }
        }
    }
    best.map_or_else(|| offered.first().copied().unwrap_or(JSON), |(_, media)| media)
}

/// What a media range stands for among what is offered, and whether it names it.
fn offer(range: &str, offered: &[&'static str]) -> Option<(&'static str, bool)> {
    let range = range.split(';').next().unwrap_or_default().trim();
    if let Some(media) = offered.iter().find(|media| media.eq_ignore_ascii_case(range)) {
        return Some((media, true));
    }
    let family = range.strip_suffix('*').filter(|family| family.ends_with('/'))?.to_ascii_lowercase();
    let stands_for = |media: &&&str| family == "*/" || media.starts_with(&family);
    offered.iter().find(stands_for).map(|media| (*media, false))
}

/// The weight of a media range, in thousandths.
fn weight(range: &str) -> u16 {
    let given = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
    let Some(given) = given else { return 1_000 };
    given.parse::<f32>().map_or(0, |weight| (weight.clamp(0.0, 1.0) * 1_000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_weightiest_form_is_preferred() {
        const OFFERED: [&str; 3] = [JSON, "application/x-ndjson", "text/csv"];
        for (accept, wanted) in [
            ("", JSON),
            ("*/*", JSON),
            ("image/png", JSON),
            ("text/csv", "text/csv"),
            ("Text/CSV; header=present", "text/csv"),
            ("text/*", "text/csv"),
            ("application/json, text/plain, */*", JSON),
            ("*/*, application/x-ndjson", "application/x-ndjson"),
            ("application/json;q=0.5, text/csv;q=0.9", "text/csv"),
            ("text/csv, application/x-ndjson", "text/csv"),
            ("text/csv;q=0, application/x-ndjson;q=0.001", "application/x-ndjson"),
            ("text/csv;q=NaN", JSON),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(preferred(&headers, &OFFERED), wanted, "{accept:?}");
        }
        assert_eq!(preferred(&HeaderMap::new(), &OFFERED), JSON);
    }
}
