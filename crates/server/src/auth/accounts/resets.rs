//! Links that set a password anew. They are made after the answer, so that how long it takes does not
//! tell whether anybody has the address.
use super::{Accounts, Client, read_email, refuse};
use crate::auth::attempts::Kind;
use crate::auth::caller::choose;
use crate::auth::error::AuthError;
use crate::auth::tokens::{RESET_MICROS, RESET_MINUTES, make_token};
use crate::mail::{About, Template};
use crate::store::one_time_tokens::{self, Purpose};
use crate::store::{TokenHash, memberships, users};
use reckoner_domain::email::Email;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Most requests that wait to be looked at; more are turned away.
const WAITING_MAX: usize = 256;

/// Takes requests for links.
#[derive(Clone, Debug)]
pub struct Resets {
    accounts: Arc<Accounts>,
    queue: mpsc::Sender<Email>,
}

impl Resets {
    /// Starts on the current runtime.
    pub fn start(accounts: Arc<Accounts>) -> Self {
        let (queue, mut waiting) = mpsc::channel(WAITING_MAX);
        let worker = Arc::clone(&accounts);
        tokio::spawn(async move {
            while let Some(email) = waiting.recv().await {
                if let Err(error) = worker.mail_reset(&email).await {
                    tracing::error!(%error, "a link that resets a password could not be made");
                }
            }
        });
        Self { accounts, queue }
    }

    /// Asks for a link to this address; nobody is told whether anybody has it.
    pub fn request(&self, client: &Client, email: &str) -> Result<(), AuthError> {
        let max = self.accounts.settings.limits.recoveries_max;
        self.accounts.take_of_client(Kind::RequestReset, client, max)?;
        let mut faults = Vec::new();
        let email = read_email(email, &mut faults);
        refuse(faults)?;
        let Some(email) = email else { return Err(AuthError::Invalid(Vec::new())) };
        self.accounts.take_of_account(Kind::RequestReset, email.as_str(), max)?;
        metrics::counter!("auth_password_reset_total", "status" => "requested").increment(1);
        self.queue.try_send(email).map_err(|_| AuthError::Busy)
    }
}

impl Accounts {
    /// Makes a link and queues its mail, where somebody has the address.
    async fn mail_reset(&self, email: &Email) -> Result<(), AuthError> {
        let Some(user) = users::find_by_email(&self.db, email.as_str()).await? else { return Ok(()) };
        let memberships = memberships::of_user(&self.db, &user.id).await?;
        let Some(membership) = choose(&memberships, None) else { return Ok(()) };
        let now = self.clock.real();
        let end = now.plus_micros(RESET_MICROS);
        let token = make_token()?;
        let hash = TokenHash::of(&token);
        let page = self.settings.frontend_url.as_ref();
        let template = Template::ResetPassword {
            link: page.map(|url| format!("{url}/reset-password?token={token}")),
            endpoint: format!("{}/auth/reset-password", self.public_url),
            minutes: RESET_MINUTES,
            token,
        };
        let mut tx = self.db.begin().await?;
        one_time_tokens::create(&mut tx, hash, &user.id, Purpose::ResetPassword, now, end).await?;
        let about = About { project: membership.project, user: Some(&user.id), recipient: &user.email };
        self.mailer.queue(&mut tx, about, &template, now, Some(end)).await?;
        tx.commit().await?;
        self.mailer.wake();
        Ok(())
    }
}
