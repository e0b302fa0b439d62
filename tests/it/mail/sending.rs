//! The queue sends, tries again, and gives up.
use super::server::MailServer;
use crate::support::database::on_both;
use reckoner_domain::id::{MailId, UserId};
use reckoner_domain::time::{HOUR, MINUTE, SECOND, Timestamp};
use reckoner_server::clock::Clock;
use reckoner_server::config::{Mail, Seller, SmtpSecurity, SmtpServer};
use reckoner_server::documents::Documents;
use reckoner_server::mail::{About, Dispatcher, Mailer, Parts, Template, Transport};
use reckoner_server::store::Db;
use reckoner_server::store::mails::{self, State};
use reckoner_server::store::projects::{self, LIVE};
use reckoner_server::store::users::{self, User};
use reckoner_server::webhooks::vault::Vault;
use std::path::Path;

/// A queue with its dispatcher, on a clock that is moved by hand.
struct World {
    db: Db,
    clock: Clock,
    mailer: Mailer,
    user: UserId,
    dispatcher: Dispatcher,
}

impl World {
    async fn start(db: Db, port: u16) -> Self {
        let clock = Clock::manual(Timestamp::parse("2026-01-14T09:30:00Z").expect("a time"));
        let now = clock.real();
        projects::ensure(&db, now).await.expect("made");
        let user = User {
            id: UserId::from_bits(1),
            email: "ann@example.com".into(),
            password_hash: "none".into(),
            email_verified_at: None,
            password_changed_at: now,
            created_at: now,
        };
        users::create(&db, &user).await.expect("made");
        let smtp = SmtpServer {
            host: "127.0.0.1".into(),
            port,
            user: None,
            password: None,
            security: SmtpSecurity::Auto,
        };
        let config = Mail { from: "Billing <billing@example.com>".into(), smtp: Some(smtp) };
        let mailer = Mailer::new(Vault::from_text("a key of the operator").expect("a vault"));
        let dispatcher = Dispatcher::start(Parts {
            db: db.clone(),
            clock: clock.clone(),
            mailer: mailer.clone(),
            documents: Documents::new(db.clone(), Seller::default()),
            transport: Transport::new(&config, Path::new("/nowhere")).expect("a transport"),
            worker: "of a test".into(),
        });
        Self { db, clock, mailer, user: user.id, dispatcher }
    }

    async fn queue(&self, recipient: &str, useless_at: Option<Timestamp>) -> MailId {
        let template = Template::example("verify-email").expect("known");
        let about = About { project: LIVE, user: Some(&self.user), recipient };
        let mut tx = self.db.begin().await.expect("begins");
        let queued = self.mailer.queue(&mut tx, about, &template, self.clock.real(), useless_at).await;
        tx.commit().await.expect("commits");
        self.mailer.wake();
        queued.expect("queued")
    }

    /// The mail once this many attempts at it are on record.
    async fn after(&self, id: &MailId, attempts: u32) -> mails::Mail {
        loop {
            let mail = mails::get(&self.db, id).await.expect("there");
            if mail.attempts >= attempts {
                return mail;
            }
            tokio::task::yield_now().await;
        }
    }
}

on_both!(a_mail_arrives_in_both_forms);
async fn a_mail_arrives_in_both_forms(db: Db) {
    let Some(mut server) = MailServer::start() else { return };
    let world = World::start(db, server.port).await;
    let id = world.queue("ann@example.com", None).await;
    let mail = server.mail().await;
    assert_eq!(mail["to"], serde_json::json!(["ann@example.com"]));
    assert_eq!(mail["id"], format!("<{id}@example.com>"));
    assert_eq!(mail["subject"], "Please confirm your e-mail address");
    let link =
        "https://billing.example.com/auth/verify-email?token=kY3vE1s0bYy6l0mP0m2c0qkq7x1h3m8wq9o2f4b6d8e";
    for form in ["text", "html"] {
        assert!(mail[form].as_str().expect("a text").contains(link), "{form}: {mail}");
    }
    let sent = world.after(&id, 1).await;
    assert_eq!((sent.state, sent.content), (State::Sent, None), "what it said is not kept");
    world.dispatcher.stop().await;
}

on_both!(what_is_refused_for_now_is_tried_again);
async fn what_is_refused_for_now_is_tried_again(db: Db) {
    let Some(mut server) = MailServer::start() else { return };
    let world = World::start(db, server.port).await;
    let id = world.queue("later@example.com", None).await;
    for (number, wait) in [(1, 6 * SECOND), (2, 6 * MINUTE), (3, HOUR)] {
        let mail = world.after(&id, number).await;
        assert_eq!((mail.state, mail.attempts), (State::Pending, number));
        assert!(mail.last_error.expect("a reason").contains("451"), "the server's words");
        world.clock.move_real(wait);
    }
    let wanted = world.queue("later2@example.com", Some(world.clock.real().plus_micros(SECOND))).await;
    assert_eq!(
        world.after(&wanted, 1).await.state,
        State::Failed,
        "nobody wants it after its link has ended"
    );
    assert!(server.is_empty());
    world.dispatcher.stop().await;
}

on_both!(what_is_refused_for_good_is_given_up);
async fn what_is_refused_for_good_is_given_up(db: Db) {
    let Some(mut server) = MailServer::start() else { return };
    let world = World::start(db, server.port).await;
    let id = world.queue("refused@example.com", None).await;
    let mail = world.after(&id, 1).await;
    assert_eq!((mail.state, mail.content), (State::Failed, None));
    assert!(mail.last_error.expect("a reason").contains("550"), "the server's words");
    // The connection is good for the next mail.
    let next = world.queue("ann@example.com", None).await;
    assert_eq!(server.mail().await["id"], format!("<{next}@example.com>"));
    world.dispatcher.stop().await;
}

on_both!(a_server_that_drops_or_hangs_delays_no_other_mail);
async fn a_server_that_drops_or_hangs_delays_no_other_mail(db: Db) {
    let Some(mut server) = MailServer::start() else { return };
    let world = World::start(db, server.port).await;
    let hanging = world.queue("hangs@example.com", None).await;
    assert_eq!(server.mail().await["id"], format!("<{hanging}@example.com>"));
    let dropped = world.queue("drops@example.com", None).await;
    assert_eq!(server.mail().await["id"], format!("<{dropped}@example.com>"));
    let other = world.queue("ann@example.com", None).await;
    assert_eq!(server.mail().await["id"], format!("<{other}@example.com>"));
    assert_eq!(world.after(&other, 1).await.state, State::Sent);
    for id in [&dropped, &hanging] {
        let mail = world.after(id, 1).await;
        assert_eq!(mail.state, State::Pending, "{:?}", mail.last_error);
        assert!(mail.content.is_some());
    }
    world.clock.move_real(6 * SECOND);
    let again = [server.mail().await["id"].clone(), server.mail().await["id"].clone()];
    for id in [dropped, hanging] {
        assert!(again.contains(&format!("<{id}@example.com>").into()), "under the same name: {again:?}");
    }
    world.dispatcher.stop().await;
}

on_both!(without_a_server_the_queue_waits);
async fn without_a_server_the_queue_waits(db: Db) {
    // A port that nobody listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let world = World::start(db, port).await;
    let id = world.queue("ann@example.com", None).await;
    let mail = world.after(&id, 1).await;
    assert_eq!(mail.state, State::Pending);
    world.dispatcher.stop().await;
}
