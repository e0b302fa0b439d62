//! Who gets mails about what a customer is to pay.
use reckoner_domain::id::UserId;

/// The customer's people, and the address of its billing details where none of them has it.
pub(super) fn all<'a>(
    people: &'a [(UserId, String)],
    email: Option<&'a str>,
) -> impl Iterator<Item = (Option<&'a UserId>, &'a str)> {
    let email = email.filter(|email| !people.iter().any(|(_, address)| address.eq_ignore_ascii_case(email)));
    let people = people.iter().map(|(user, address)| (Some(user), address.as_str()));
    people.chain(email.map(|email| (None, email)))
}
