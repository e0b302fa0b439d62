//! The queue of mails.
use super::{at, bits};
use crate::support::database::on_both;
use reckoner_domain::id::MailId;
use reckoner_server::store::mails::{self, Attempt, NewMail, Next, State};
use reckoner_server::store::projects::{self, LIVE};
use reckoner_server::store::{Db, StoreError};
use std::collections::BTreeSet;
use tokio::task::JoinSet;

async fn queue(db: &Db, seconds: i64) -> MailId {
    projects::ensure(db, at(0)).await.expect("made");
    let id = MailId::from_bits(bits());
    let mut tx = db.begin().await.expect("begins");
    let mail = NewMail {
        id: id.clone(),
        project: LIVE,
        user: None,
        template: "verify-email",
        recipient: "a@example.com",
        content: "sealed",
        now: at(seconds),
        useless_at: None,
    };
    mails::queue(&mut tx, &mail).await.expect("queued");
    tx.commit().await.expect("commits");
    id
}

fn attempt(number: u32, seconds: i64, error: Option<&str>) -> Attempt {
    Attempt { number, at: at(seconds), latency_ms: 5, error: error.map(str::to_owned) }
}

on_both!(each_mail_is_claimed_once);
async fn each_mail_is_claimed_once(db: Db) {
    let mut queued = BTreeSet::new();
    for seconds in 0..40 {
        queued.insert(queue(&db, seconds).await);
    }
    let mut workers = JoinSet::new();
    for worker in 0..8 {
        let db = db.clone();
        workers.spawn(async move {
            mails::claim(&db, &format!("worker {worker}"), at(100), at(160), 5).await.expect("claimed")
        });
    }
    let claimed: Vec<MailId> = workers.join_all().await.into_iter().flatten().map(|mail| mail.id).collect();
    let distinct: BTreeSet<_> = claimed.iter().cloned().collect();
    assert_eq!(distinct.len(), claimed.len(), "none twice");
    let rest = mails::claim(&db, "last", at(100), at(160), 100).await.expect("claimed");
    assert_eq!(claimed.len() + rest.len(), 40);
    assert!(mails::claim(&db, "late", at(159), at(200), 100).await.expect("claimed").is_empty());
    let again = mails::claim(&db, "late", at(160), at(200), 100).await.expect("claimed");
    assert_eq!(again.len(), 40, "the leases ran out");
    assert_eq!(mails::release(&db, "late").await.expect("released"), 40);
    assert_eq!(mails::claim(&db, "dead", at(160), at(220), 3).await.expect("claimed").len(), 3);
    assert_eq!(mails::release_all(&db).await.expect("released"), 3);
    assert_eq!(mails::pending(&db).await.expect("counted"), 40);
}

on_both!(an_attempt_is_recorded_once_with_what_follows);
async fn an_attempt_is_recorded_once_with_what_follows(db: Db) {
    let id = queue(&db, 0).await;
    assert_eq!(mails::claim(&db, "w", at(1), at(61), 9).await.expect("claimed").len(), 1);
    let failed = attempt(1, 2, Some("refused"));
    assert!(mails::record(&db, &id, &failed, Next::Retry(at(7))).await.expect("recorded"));
    assert!(!mails::record(&db, &id, &failed, Next::Failed).await.expect("not twice"));
    let mail = mails::get(&db, &id).await.expect("there");
    assert_eq!((mail.state, mail.attempts, mail.due_at), (State::Pending, 1, at(7)));
    assert_eq!(mail.content.as_deref(), Some("sealed"));
    assert_eq!(mails::next_due(&db, at(3)).await.expect("read"), Some(at(7)));
    assert!(mails::record(&db, &id, &attempt(2, 8, None), Next::Sent).await.expect("recorded"));
    let mail = mails::get(&db, &id).await.expect("there");
    assert_eq!((mail.state, mail.finished_at), (State::Sent, Some(at(8))));
    assert_eq!((mail.content, mail.last_error), (None, None), "what it said is gone");
    assert_eq!(mails::attempts(&db, &id).await.expect("read"), [failed, attempt(2, 8, None)]);
    assert_eq!(mails::purge(&db, at(7)).await.expect("purged"), 0);
    assert_eq!(mails::purge(&db, at(8)).await.expect("purged"), 1);
    assert!(matches!(mails::get(&db, &id).await, Err(StoreError::NotFound)));
}
