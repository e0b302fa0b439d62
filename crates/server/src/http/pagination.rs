//! Limits and cursors of lists.
use super::error::{ApiError, field_error};
use crate::store::{Cursor, LIMIT_MAX, Limit, Page};
use reckoner_api::error::FieldError;
use reckoner_api::list::List;
use reckoner_domain::time::Timestamp;

/// The page that is wanted of a list in the store: how many rows, and after which. `errors` are those
/// that the request has already.
pub fn page(
    limit: Option<&str>,
    cursor: Option<&str>,
    mut errors: Vec<FieldError>,
) -> Result<(Limit, Option<Cursor>), ApiError> {
    let wanted = read_page(limit, cursor, &mut errors);
    if errors.is_empty() { Ok(wanted) } else { Err(ApiError::invalid(errors)) }
}

/// The same, with what is wrong noted beside other faults of the request.
pub fn read_page(
    limit: Option<&str>,
    cursor: Option<&str>,
    errors: &mut Vec<FieldError>,
) -> (Limit, Option<Cursor>) {
    let rows = read_limit(limit, errors);
    let after = cursor.map(Cursor::parse).transpose();
    if after.is_err() {
        errors.push(field_error("cursor", "must be the next_cursor of an earlier answer"));
    }
    (rows, after.unwrap_or_default())
}

/// The `limit` of a list; what is wrong is noted.
pub fn read_limit(text: Option<&str>, errors: &mut Vec<FieldError>) -> Limit {
    let rows = text.map(|text| text.parse().ok().and_then(Limit::new));
    if rows == Some(None) {
        errors.push(field_error("limit", format!("must be a whole number from 1 to {LIMIT_MAX}")));
    }
    rows.flatten().unwrap_or_default()
}

/// A page of the store as the API shows it.
pub fn to_api_list<T, A>(page: Page<T>, to_api: impl Fn(T) -> A) -> List<A> {
    let next_cursor = page.next.as_ref().map(Cursor::to_text);
    List { data: page.items.into_iter().map(to_api).collect(), next_cursor }
}

/// A page of a list that is in memory whole, in the order of its names, which are unique.
pub fn of_names<T, A>(
    all: Vec<T>,
    name: impl Fn(&T) -> String,
    (limit, after): (Limit, Option<Cursor>),
    to_api: impl Fn(T) -> A,
) -> List<A> {
    let after = after.map(|cursor| cursor.id);
    let mut left = all.into_iter().filter(|one| after.as_ref().is_none_or(|after| name(one) > *after));
    let mut last = None;
    let mut data = Vec::new();
    for one in left.by_ref().take(limit.rows() as usize) {
        last = Some(name(&one));
        data.push(to_api(one));
    }
    let next_cursor = left.next().and(last);
    let to_text = |id| Cursor { time: Timestamp::default(), id }.to_text();
    List { data, next_cursor: next_cursor.map(to_text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_page_is_told() {
        let known = vec![field_error("name", "is wrong")];
        let faults = page(Some("0"), Some("!"), known).expect_err("three faults");
        let fields: Vec<&str> = faults.errors().iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["name", "limit", "cursor"]);
        let limit = |text| page(text, None, Vec::new());
        for bad in ["0", "1001", "-1", "x", ""] {
            assert!(limit(Some(bad)).is_err(), "{bad}");
        }
        assert!(limit(Some("1000")).is_ok() && limit(None).is_ok());
    }

    #[test]
    fn lists_in_memory_are_cut_into_pages() {
        let all = || ["a", "b", "c"].map(str::to_owned).to_vec();
        let mut cursor = None;
        let mut pages = Vec::new();
        loop {
            let wanted = page(Some("2"), cursor.as_deref(), Vec::new()).expect("sane");
            let list = of_names(all(), Clone::clone, wanted, |one| one);
            pages.push(list.data);
            cursor = list.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(pages, [vec!["a", "b"], vec!["c"]]);
    }
}
