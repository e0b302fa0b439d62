//! Why something about an account was not done.
use super::passwords::PasswordError;
use crate::billing::subscriptions::SubscriptionError;
use crate::mail::MailError;
use crate::random::NoRandomness;
use crate::store::StoreError;
use crate::webhooks::vault::VaultError;

/// A field that is wrong, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// Why something about an account was not done.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Fields are wrong, all of these.
    #[error("{} field(s) are wrong", .0.len())]
    Invalid(Vec<Fault>),
    /// Somebody has the address.
    #[error("the address is taken")]
    Taken,
    /// The address or the password is wrong.
    #[error("the address or the password is wrong")]
    Credentials,
    /// The password that was to be changed is another.
    #[error("the current password is wrong")]
    CurrentPassword,
    /// The password is right, and the second factor is asked for.
    #[error("a code of the authenticator is needed")]
    CodeRequired,
    /// The code is wrong, or was used.
    #[error("the code is wrong or was used")]
    Code,
    /// There is no authenticator, or none to be confirmed.
    #[error("there is no authenticator")]
    NoFactor,
    /// There is an authenticator already.
    #[error("there is an authenticator already")]
    FactorEnabled,
    /// What is sealed does not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Too many failures: nobody logs in there for so many seconds.
    #[error("locked for {0} s")]
    Locked(u64),
    /// Tried too often: again after so many seconds.
    #[error("tried too often; again in {0} s")]
    TooOften(u64),
    /// A mailed token is unknown, used or has ended.
    #[error("the token is unknown, used or has expired")]
    Link,
    /// A refresh token is unknown or used, or its session has ended.
    #[error("the refresh token is unknown, used or has expired")]
    Refresh,
    /// No service of this name and secret.
    #[error("no service of this name and secret")]
    Service,
    /// No such session.
    #[error("no such session")]
    NoSession,
    /// The user is no member of the project.
    #[error("the user is no member of this project")]
    NoMember,
    /// Too much to do: try again soon.
    #[error("too much to do")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// A trial could not begin.
    #[error(transparent)]
    Trial(SubscriptionError),
    /// A mail could not be queued.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// A token could not be signed.
    #[error("a token could not be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// A password could not be hashed.
    #[error("{0}")]
    Password(String),
}

impl From<SubscriptionError> for AuthError {
    fn from(error: SubscriptionError) -> Self {
        match error {
            SubscriptionError::Store(error) => Self::Store(error),
            SubscriptionError::Random(error) => Self::Random(error),
            error => Self::Trial(error),
        }
    }
}

impl From<PasswordError> for AuthError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Busy,
            PasswordError::Random(error) => Self::Random(error),
            PasswordError::Failed(reason) => Self::Password(reason),
        }
    }
}
