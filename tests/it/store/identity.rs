//! Users, sessions, tokens and lockouts.
use super::{at, bits, customer_id};
use crate::support::database::on_both;
use reckoner_domain::access::Role;
use reckoner_domain::id::{SessionId, UserId};
use reckoner_domain::time::{DAY, MINUTE, Timestamp};
use reckoner_server::clock::Clock;
use reckoner_server::store::customers::{self, Customer, Details};
use reckoner_server::store::login_failures::{self, Rule, Standing};
use reckoner_server::store::memberships::{self, Membership};
use reckoner_server::store::one_time_tokens::{self, Purpose};
use reckoner_server::store::projects::{self, LIVE, TEST};
use reckoner_server::store::sessions::{self, Ended, Rotated, Session};
use reckoner_server::store::trials::{self, Trial};
use reckoner_server::store::users::{self, User};
use reckoner_server::store::{Db, StoreError, TokenHash};
use tokio::task::JoinSet;

async fn user(db: &Db, email: &str) -> User {
    projects::ensure(db, at(0)).await.expect("made");
    let user = User {
        id: UserId::from_bits(bits()),
        email: email.to_owned(),
        password_hash: "first".to_owned(),
        email_verified_at: None,
        password_changed_at: at(1),
        created_at: at(1),
    };
    users::create(db, &user).await.expect("made");
    user
}

async fn session(db: &Db, user: &User, token: &str, now: Timestamp) -> Session {
    let session = Session {
        id: SessionId::from_bits(bits()),
        user: user.id.clone(),
        created_at: now,
        last_used_at: now,
        expires_at: now.plus_micros(7 * DAY),
        ended_at: None,
        user_agent: Some("a test".to_owned()),
        address: None,
    };
    let mut tx = db.begin().await.expect("begins");
    sessions::begin(&mut tx, &session, TokenHash::of(token)).await.expect("begun");
    tx.commit().await.expect("commits");
    session
}

on_both!(an_address_has_one_user);
async fn an_address_has_one_user(db: Db) {
    let first = user(&db, "a@example.com").await;
    let second = User { id: UserId::from_bits(bits()), ..first.clone() };
    assert!(matches!(users::create(&db, &second).await, Err(StoreError::Conflict)));
    assert_eq!(users::find_by_email(&db, "a@example.com").await.expect("read"), Some(first.clone()));
    assert_eq!(users::find_by_email(&db, "b@example.com").await.expect("read"), None);
    assert!(users::verify_email(&db, &first.id, at(2)).await.expect("written"));
    assert!(!users::verify_email(&db, &first.id, at(3)).await.expect("written"));
    users::set_password(&db, &first.id, "first", "second", at(4)).await.expect("written");
    let stale = users::set_password(&db, &first.id, "first", "third", at(5)).await;
    assert!(matches!(stale, Err(StoreError::Stale)));
    let read = users::get(&db, &first.id).await.expect("there");
    assert_eq!((read.email_verified_at, read.password_changed_at), (Some(at(2)), at(4)));
    assert_eq!(read.password_hash, "second");
}

on_both!(members_have_a_role_in_each_project);
async fn members_have_a_role_in_each_project(db: Db) {
    let user = user(&db, "a@example.com").await;
    let customer = Customer {
        id: customer_id(),
        project: LIVE,
        external_id: user.id.to_string(),
        details: Details::default(),
        created_at: at(1),
        version: 1,
    };
    customers::create(&db, &customer).await.expect("made");
    let member = |project, role| Membership {
        project,
        user: user.id.clone(),
        role,
        customer: (project == LIVE).then(|| customer.id.clone()),
        created_at: at(1),
    };
    assert!(memberships::join(&db, &member(LIVE, Role::Customer)).await.expect("joined"));
    assert!(!memberships::join(&db, &member(LIVE, Role::Owner)).await.expect("was one already"));
    assert!(memberships::join(&db, &member(TEST, Role::Owner)).await.expect("joined"));
    let nobody = Membership { customer: None, ..member(TEST, Role::Customer) };
    assert!(memberships::join(&db, &nobody).await.is_err(), "a customer's member has a customer");
    let of_customer = memberships::users_of_customer(&db, user.id.as_str()).await.expect("read");
    assert_eq!(of_customer, std::slice::from_ref(&user.id));
    assert!(memberships::promote(&db, LIVE, &user.id).await.expect("promoted"));
    assert!(!memberships::promote(&db, TEST, &user.id).await.expect("an owner stays one"));
    let roles: Vec<_> =
        memberships::of_user(&db, &user.id).await.expect("read").iter().map(|one| one.role).collect();
    assert_eq!(roles, [Role::Admin, Role::Owner]);
    let trial = Trial {
        customer: customer.id.clone(),
        project: LIVE,
        plan: "free_trial".to_owned(),
        started_at: at(1),
        ends_at: at(2),
    };
    trials::start(&db, &trial).await.expect("started");
    assert!(matches!(trials::start(&db, &trial).await, Err(StoreError::Conflict)), "one trial a customer");
    assert_eq!(trials::find(&db, LIVE, &customer.id).await.expect("read"), Some(trial));
    assert_eq!(trials::find(&db, TEST, &customer.id).await.expect("read"), None);
}

on_both!(a_refresh_token_works_once);
async fn a_refresh_token_works_once(db: Db) {
    let user = user(&db, "a@example.com").await;
    let begun = session(&db, &user, "one", at(10)).await;
    let other = session(&db, &user, "other", at(10)).await;
    let rotate = async |old: &str, new: &str, now| {
        let end = Timestamp::plus_micros(now, 7 * DAY);
        let hashes = (TokenHash::of(old), TokenHash::of(new));
        sessions::rotate(&db, &Clock::manual(now), hashes, end).await.expect("done")
    };
    assert_eq!(rotate("nobody's", "x", at(11)).await, Rotated::Unknown);
    let Rotated::Renewed(renewed) = rotate("one", "two", at(20)).await else { panic!("renewed") };
    assert_eq!((renewed.last_used_at, renewed.expires_at), (at(20), at(20).plus_micros(7 * DAY)));
    assert!(matches!(rotate("one", "stolen", at(30)).await, Rotated::Reused(_)));
    assert_eq!(rotate("two", "three", at(31)).await, Rotated::Unknown, "the family has ended");
    assert_eq!(sessions::get(&db, &begun.id).await.expect("there").ended_at, Some(at(30)));
    assert_eq!(sessions::open(&db, &user.id, at(32)).await.expect("read"), std::slice::from_ref(&other));
    assert_eq!(rotate("other", "late", other.expires_at).await, Rotated::Unknown, "it has expired");
    assert_eq!(sessions::count_open(&db, at(32)).await.expect("counted"), 1);
}

on_both!(of_two_refreshes_at_once_one_wins_and_the_family_ends);
async fn of_two_refreshes_at_once_one_wins_and_the_family_ends(db: Db) {
    let user = user(&db, "a@example.com").await;
    let begun = session(&db, &user, "one", at(10)).await;
    let mut both = JoinSet::new();
    for number in 0..8 {
        let db = db.clone();
        both.spawn(async move {
            let new = TokenHash::of(&format!("new {number}"));
            let hashes = (TokenHash::of("one"), new);
            sessions::rotate(&db, &Clock::manual(at(20)), hashes, at(1_000)).await.expect("done")
        });
    }
    let outcomes = both.join_all().await;
    let renewed = outcomes.iter().filter(|one| matches!(one, Rotated::Renewed(_))).count();
    let reused = outcomes.iter().filter(|one| matches!(one, Rotated::Reused(_))).count();
    assert_eq!((renewed, reused), (1, 7));
    assert!(sessions::get(&db, &begun.id).await.expect("there").ended_at.is_some());
}

on_both!(sessions_end_and_are_removed);
async fn sessions_end_and_are_removed(db: Db) {
    let (user, stranger) = (user(&db, "a@example.com").await, user(&db, "b@example.com").await);
    let [first, second, third] = [
        session(&db, &user, "1", at(1)).await,
        session(&db, &user, "2", at(2)).await,
        session(&db, &user, "3", at(3)).await,
    ];
    let end = async |who: &User, id: &SessionId| {
        sessions::end(&db, &who.id, id, Ended::Logout, at(10)).await.expect("done").is_some()
    };
    assert!(!end(&stranger, &first.id).await, "another's session");
    assert!(end(&user, &first.id).await);
    assert!(!end(&user, &first.id).await, "it has ended already");
    let ended = sessions::end_all(&db, &user.id, Some(&third.id), Ended::PasswordChanged, at(11)).await;
    assert_eq!(ended.expect("done").into_iter().map(|one| one.id).collect::<Vec<_>>(), [second.id]);
    assert_eq!(sessions::purge(&db, at(10)).await.expect("purged"), 1);
    assert!(matches!(sessions::get(&db, &first.id).await, Err(StoreError::NotFound)));
    assert_eq!(sessions::open(&db, &user.id, at(12)).await.expect("read"), [third]);
}

on_both!(a_user_has_so_many_sessions);
async fn a_user_has_so_many_sessions(db: Db) {
    let user = user(&db, "a@example.com").await;
    let first = session(&db, &user, "first", at(0)).await;
    for number in 1..=i64::from(sessions::PER_USER_MAX) {
        session(&db, &user, &number.to_string(), at(number)).await;
    }
    assert_eq!(sessions::count_open(&db, at(100)).await.expect("counted"), u64::from(sessions::PER_USER_MAX));
    assert!(sessions::get(&db, &first.id).await.expect("there").ended_at.is_some());
}

on_both!(a_link_works_once_and_in_time);
async fn a_link_works_once_and_in_time(db: Db) {
    let user = user(&db, "a@example.com").await;
    let make = async |token: &str, purpose| {
        one_time_tokens::create(&db, TokenHash::of(token), &user.id, purpose, at(0), at(60))
            .await
            .expect("made");
    };
    make("v", Purpose::VerifyEmail).await;
    make("r", Purpose::ResetPassword).await;
    make("late", Purpose::ResetPassword).await;
    let take = async |token: &str, purpose, now| {
        one_time_tokens::take(&db, TokenHash::of(token), purpose, now).await.ok()
    };
    assert_eq!(take("v", Purpose::ResetPassword, at(1)).await, None, "for another purpose");
    assert_eq!(take("late", Purpose::ResetPassword, at(60)).await, None, "it has ended");
    let peeked = one_time_tokens::peek(&db, TokenHash::of("r"), Purpose::ResetPassword, at(1)).await;
    assert_eq!(peeked.expect("read"), Some(user.id.clone()));
    assert_eq!(take("r", Purpose::ResetPassword, at(1)).await, Some(user.id.clone()));
    assert_eq!(take("r", Purpose::ResetPassword, at(2)).await, None, "it was used");
    let rest = one_time_tokens::take_all(&db, &user.id, Purpose::ResetPassword, at(3)).await;
    assert_eq!(rest.expect("done"), 1);
    assert_eq!(one_time_tokens::purge(&db, at(60)).await.expect("purged"), 3);
}

on_both!(five_failures_lock_an_address_once);
async fn five_failures_lock_an_address_once(db: Db) {
    const RULE: Rule = Rule { failures_max: 5, lock_micros: 15 * MINUTE };
    let address = TokenHash::of("nobody@example.com");
    let mut failures = JoinSet::new();
    for second in 0..100 {
        let db = db.clone();
        failures.spawn(async move {
            login_failures::fail(&db, address, RULE, at(second / 50)).await.expect("counted")
        });
    }
    let outcomes = failures.join_all().await;
    assert_eq!(outcomes.iter().filter(|one| one.locked_until.is_none()).count(), 4);
    let standing = login_failures::standing(&db, address, at(2)).await.expect("read");
    assert_eq!(standing.failures, 5);
    let end = standing.locked_until.expect("locked");
    assert!(outcomes.iter().all(|one| one.locked_until.is_none_or(|other| other == end)), "locked once");
    let other = login_failures::standing(&db, TokenHash::of("b@example.com"), at(2)).await.expect("read");
    assert_eq!(other, Standing::default());
    assert_eq!(login_failures::standing(&db, address, end).await.expect("read"), Standing::default());
    let anew = login_failures::fail(&db, address, RULE, end).await.expect("counted");
    assert_eq!(anew, Standing { failures: 1, locked_until: None });
    login_failures::forget(&db, address).await.expect("forgotten");
    assert_eq!(login_failures::standing(&db, address, end).await.expect("read"), Standing::default());
}
