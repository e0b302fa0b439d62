//! Times of requests.
use crate::http::error::{ApiError, field_error};
use reckoner_api::error::FieldError;
use reckoner_domain::time::Timestamp;

/// An RFC 3339 time, or what is wrong with it.
pub fn parse(field: &str, text: &str) -> Result<Timestamp, FieldError> {
    Timestamp::parse(text).map_err(|error| field_error(field, error.to_string()))
}

/// An optional time; what is wrong is noted.
pub fn optional(field: &str, text: Option<&str>, errors: &mut Vec<FieldError>) -> Option<Timestamp> {
    match parse(field, text?) {
        Ok(time) => Some(time),
        Err(error) => {
            errors.push(error);
            None
        }
    }
}

/// A half-open range that is not empty, both ends optional.
pub fn range(
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
    let mut errors = Vec::new();
    let range = read_range(from, to, &mut errors);
    if errors.is_empty() { Ok(range) } else { Err(ApiError::invalid(errors)) }
}

/// The same, with what is wrong noted beside other faults of the request.
pub fn read_range(
    from: Option<&str>,
    to: Option<&str>,
    errors: &mut Vec<FieldError>,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let (from, to) = (optional("from", from, errors), optional("to", to, errors));
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        errors.push(field_error("to", "must be after from"));
    }
    (from, to)
}
