//! Takes an erased customer out of the control plane: whatever names it names its pseudonym then, and
//! what else could tell who it was goes. Each function may be run again.
mod accounts;
mod alerts;
mod billing;
mod record;

pub use accounts::{Account, accounts, close_accounts, mails_to};
pub use alerts::{alerts_of, end_alerts, mails_of_alerts};
pub use billing::{end_billing, mails_of_billing};
pub use record::{REDACTED, redact};

use super::db::{Db, Tx};
use super::erasures::Erasure;
use super::error::Result;
use super::exec::Exec;
use super::query::Val;
use crate::sql;
use percent_encoding::percent_decode_str;
use reckoner_domain::time::Timestamp;
use serde_json::Value;

/// Rows that are looked at together.
const ROWS_AT_ONCE: u32 = 500;

/// Whom an erasure is about, and what it is called then.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The erasure.
    pub erasure: &'a Erasure,
    /// The own id that goes.
    pub customer: &'a str,
}

impl Names<'_> {
    /// Whether a text of JSON may name the customer, or an aggregation of it.
    fn are_in(&self, text: &str) -> bool {
        let quoted = Value::from(self.customer).to_string();
        let begins_id = format!("{}_", quoted.strip_suffix('"').unwrap_or(&quoted));
        text.contains(&quoted) || text.contains(&begins_id)
    }

    /// JSON with the pseudonym in place of the customer, also in ids of aggregations.
    fn replaced(&self, text: &str) -> String {
        let quoted = |name: &str| Value::from(name).to_string();
        let open = |name: &str| {
            let quoted = quoted(name);
            format!("{}_", quoted.strip_suffix('"').unwrap_or(&quoted))
        };
        let pseudonym = &self.erasure.pseudonym;
        let text = text.replace(&quoted(self.customer), &quoted(pseudonym));
        text.replace(&open(self.customer), &open(pseudonym))
    }
}

/// The customer's own row: its id is free from then on.
pub async fn rename_customer(tx: &mut Tx, names: Names<'_>) -> Result<()> {
    let Erasure { project, customer_id, pseudonym, .. } = names.erasure;
    let query = sql!(
        "update customers set external_id = $1, display_name = null, metadata = '{}', version = version + 1
         where project_id = $2 and id = $3 and external_id <> $1",
        pseudonym.as_str(),
        *project,
        customer_id
    );
    tx.run(query).await.map(drop)
}

/// Its aggregations and what is tried again of them: the figures stay.
pub async fn rename_aggregations(tx: &mut Tx, names: Names<'_>) -> Result<()> {
    let Erasure { project, pseudonym, .. } = names.erasure;
    // What an id has behind the customer's, counted from 1.
    let rest = names.customer.chars().count() as u64 + 1;
    let query = sql!(
        "update aggregations set id = $1 || substr(id, cast($2 as integer)), customer = $1
         where project_id = $3 and customer = $4",
        pseudonym.as_str(),
        rest,
        *project,
        names.customer
    );
    tx.run(query).await?;
    let query = sql!(
        "update job_retries set subject_id = $1 || substr(subject_id, cast($2 as integer)), customer = $1
         where project_id = $3 and customer = $4",
        pseudonym.as_str(),
        rest,
        *project,
        names.customer
    );
    tx.run(query).await.map(drop)
}

/// Rejected events that name it go.
pub async fn remove_rejected(tx: &mut Tx, names: Names<'_>) -> Result<()> {
    let quoted = Value::from(names.customer).to_string();
    let query = sql!(
        "delete from rejected_events
         where project_id = $1 and (customer = $2 or replace(event, $3, '') <> event)",
        names.erasure.project,
        names.customer,
        quoted
    );
    tx.run(query).await.map(drop)
}

/// Ends what it held of limits, and the keys that it holds.
pub async fn end_limits(tx: &mut Tx, names: Names<'_>, now: Timestamp) -> Result<()> {
    let (project, customer) = (names.erasure.project, names.customer);
    let leases = sql!("delete from quota_leases where project_id = $1 and customer = $2", project, customer);
    tx.run(leases).await?;
    let notices =
        sql!("delete from quota_notices where project_id = $1 and customer = $2", project, customer);
    tx.run(notices).await?;
    let keys = sql!(
        "update api_keys set revoked_at = coalesce(revoked_at, $1) where project_id = $2 and customer_id = $3",
        now,
        project,
        &names.erasure.customer_id
    );
    tx.run(keys).await.map(drop)
}

/// Webhook messages that name it, with what receivers answered.
pub async fn rename_messages(db: &Db, names: Names<'_>) -> Result<()> {
    let Erasure { project, .. } = names.erasure;
    let mut after = String::new();
    loop {
        let query = sql!(
            "select id, payload, dedupe_key, subject_id from webhook_messages
             where project_id = $1 and id > $2 order by id limit $3",
            *project,
            after.as_str(),
            ROWS_AT_ONCE
        );
        let rows: Vec<(String, String, String, Option<String>)> = db.all(query).await?;
        let Some((last, ..)) = rows.last() else { return Ok(()) };
        after.clone_from(last);
        for (id, payload, key, subject) in rows.iter().filter(|(_, payload, ..)| names.are_in(payload)) {
            rename_message(db, names, (id, payload), (key, subject.as_deref())).await?;
        }
    }
}

async fn rename_message(
    db: &Db,
    names: Names<'_>,
    (id, payload): (&str, &str),
    (key, subject): (&str, Option<&str>),
) -> Result<()> {
    let Erasure { project, pseudonym, .. } = names.erasure;
    let renamed = |text: &str| text.replace(&format!("{}_", names.customer), &format!("{pseudonym}_"));
    let mut tx = db.begin().await?;
    let query = sql!(
        "update webhook_messages set payload = $1, dedupe_key = $2, subject_id = $3
         where project_id = $4 and id = $5",
        names.replaced(payload),
        renamed(key),
        subject.map(renamed),
        *project,
        id
    );
    tx.run(query).await?;
    let query = sql!(
        "update webhook_attempts set body_head = null, error = null where delivery_id in
         (select id from webhook_deliveries where project_id = $1 and message_id = $2)",
        *project,
        id
    );
    tx.run(query).await?;
    let query = sql!(
        "update webhook_deliveries set last_error = null
         where project_id = $1 and message_id = $2 and last_error is not null",
        *project,
        id
    );
    tx.run(query).await?;
    tx.commit().await
}

/// Kept answers of requests whose paths name it. What other kept answers say is sealed, and gone within
/// two days.
pub async fn remove_answers(db: &Db, names: Names<'_>) -> Result<()> {
    let project = names.erasure.project;
    let mut after = String::new();
    loop {
        let query = sql!(
            "select key, route from idempotency where project_id = $1 and key > $2 order by key limit $3",
            project,
            after.as_str(),
            ROWS_AT_ONCE
        );
        let rows: Vec<(String, String)> = db.all(query).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after.clone_from(last);
        let named = rows.iter().filter(|(_, route)| names_customer(route, names.customer));
        let keys: Vec<Val> = named.map(|(key, _)| key.as_str().into()).collect();
        if !keys.is_empty() {
            let query = sql!("delete from idempotency where project_id = $1 and key in ", project);
            db.run(query.list(keys)).await?;
        }
    }
}

/// Whether one of the names in a path is the customer's, whatever of it is percent-encoded.
fn names_customer(route: &str, customer: &str) -> bool {
    let decoded = |name: &str| percent_decode_str(name).decode_utf8_lossy().into_owned();
    route.split(['/', ' ']).any(|name| decoded(name) == customer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reckoner_domain::id::{CustomerId, ErasureId, ProjectId};
    use reckoner_domain::time::Timestamp;

    #[test]
    fn names_are_replaced_as_whole_texts_and_at_the_front_of_ids() {
        let erasure = Erasure {
            id: ErasureId::from_bits(1),
            project: ProjectId(1),
            customer_id: CustomerId::from_bits(2),
            customer: None,
            pseudonym: "erased_1".into(),
            requested_at: Timestamp::EPOCH,
            finished_at: None,
        };
        let names = Names { erasure: &erasure, customer: "a\"da" };
        let text = r#"{"customerId":"a\"da","id":"a\"da_daily_1","other":"a\"dam","plain":"a\"da "}"#;
        assert!(names.are_in(text));
        let expected =
            r#"{"customerId":"erased_1","id":"erased_1_daily_1","other":"a\"dam","plain":"a\"da "}"#;
        assert_eq!(names.replaced(text), expected);
        assert!(!names.are_in(r#"{"other":"a\"dam"}"#));
        for (route, named) in [("PATCH /v1/customers/a%22da", true), ("PATCH /v1/customers/a%22dam", false)] {
            assert_eq!(names_customer(route, names.customer), named);
        }
    }
}
