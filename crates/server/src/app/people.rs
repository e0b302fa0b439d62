//! What people's accounts and mails are served with.
use super::{OUTBOX, StartError};
use crate::auth::accounts::Accounts;
use crate::auth::people::People;
use crate::auth::tokens::Signer;
use crate::billing::Billing;
use crate::clock::Clock;
use crate::config::Config;
use crate::documents::Documents;
use crate::mail::{self, Mailer, Transport};
use crate::random;
use crate::store::Db;
use crate::webhooks::vault::Vault;
use std::net::SocketAddr;
use std::sync::Arc;

/// Documents, accounts, and what the dispatcher of mails is to be started with.
pub fn prepare(
    config: &Config,
    (db, clock): (&Db, &Clock),
    (vault, mailer): (&Vault, Mailer),
    billing: &Billing,
    address: SocketAddr,
) -> Result<(Documents, Arc<Accounts>, mail::Parts), StartError> {
    let documents = Documents::new(db.clone(), config.billing.seller.clone());
    let mailing = mail::Parts {
        db: db.clone(),
        clock: clock.clone(),
        mailer: mailer.clone(),
        documents: documents.clone(),
        transport: Transport::new(&config.mail, &config.data_dir.join(OUTBOX))?,
        worker: random::uuid_text(clock.real())?,
    };
    let signer = Arc::new(Signer::new(&config.auth, vault));
    let people = People::new(db.clone(), clock.clone(), Arc::clone(&signer));
    let public_url = config.auth.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let both = (db.clone(), clock.clone());
    let settings = (billing.clone(), config.auth.clone());
    let accounts = Accounts::new(both, signer, people, (mailer, vault.clone()), settings, public_url);
    Ok((documents, Arc::new(accounts), mailing))
}
