//! Putting mails into the queue, and taking them out of it.
use super::template::Template;
use crate::random::{self, NoRandomness};
use crate::store::mails::{self, NewMail};
use crate::store::{StoreError, Tx};
use crate::webhooks::vault::{NONCE_BYTES, Purpose, Secret, Vault, VaultError};
use reckoner_domain::id::{MailId, ProjectId, UserId};
use reckoner_domain::time::Timestamp;
use std::sync::Arc;
use tokio::sync::Notify;

/// Why a mail cannot be queued or read.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it says cannot be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// What it says does not read back.
    #[error("a queued mail does not read back: {0}")]
    Content(#[from] serde_json::Error),
    /// It was dealt with, and what it said is gone.
    #[error("the mail was dealt with already")]
    Gone,
}

/// Whom and what a mail is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The project.
    pub project: ProjectId,
    /// The user, where there is one.
    pub user: Option<&'a UserId>,
    /// The address.
    pub recipient: &'a str,
}

/// Puts mails into the queue. Clones share it.
#[derive(Clone, Debug)]
pub struct Mailer {
    vault: Vault,
    pub(super) waker: Arc<Notify>,
}

impl Mailer {
    /// For the queue of this server.
    pub fn new(vault: Vault) -> Self {
        Self { vault, waker: Arc::default() }
    }

    /// Queues a mail in the transaction of what causes it, to be sent before `useless_at`. What it
    /// says is sealed: links are as good as passwords. Call [`Mailer::wake`] after the commit.
    pub async fn queue(
        &self,
        tx: &mut Tx,
        about: About<'_>,
        template: &Template,
        now: Timestamp,
        useless_at: Option<Timestamp>,
    ) -> Result<MailId, MailError> {
        let id = MailId::from_bits(random::id_bits(now)?);
        let text = Secret::new(serde_json::to_string(template)?);
        let nonce = random::bytes::<NONCE_BYTES>()?;
        let content = self.vault.seal(Purpose::Mail, id.as_str(), &text, nonce)?;
        let mail = NewMail {
            id: id.clone(),
            project: about.project,
            user: about.user,
            template: template.name(),
            recipient: about.recipient,
            content: &content,
            now,
            useless_at,
        };
        mails::queue(tx, &mail).await?;
        Ok(id)
    }

    /// Makes the dispatcher look for what is due.
    pub fn wake(&self) {
        self.waker.notify_one();
    }

    /// What a queued mail says.
    pub fn read(&self, mail: &mails::Mail) -> Result<Template, MailError> {
        let content = mail.content.as_deref().ok_or(MailError::Gone)?;
        let text = self.vault.open(Purpose::Mail, mail.id.as_str(), content)?;
        Ok(serde_json::from_str(text.expose())?)
    }
}
