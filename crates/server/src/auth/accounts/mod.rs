//! Accounts: what people do to log in, stay logged in, and get back in.
mod admins;
mod invitations;
mod lockout;
mod login;
mod members;
mod recovery;
mod register;
mod resets;
mod second_factor;
mod sessions;

pub use admins::AdminError;
pub use invitations::InviteError;
pub use login::{Browser, Login};
pub use members::MemberError;
pub use register::Registered;
pub use resets::Resets;
pub use second_factor::{Enrolment, SecondFactor};

use super::attempts::{Attempts, Kind, Who};
use super::cookies::Cookies;
use super::error::{AuthError, Fault};
use super::passwords::Passwords;
use super::people::People;
use super::tokens::Signer;
use crate::billing::Billing;
use crate::billing::tier::Tier;
use crate::clock::Clock;
use crate::config::{Auth, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, Secret};
use crate::mail::Mailer;
use crate::store::Db;
use crate::store::users::User;
use crate::webhooks::vault::Vault;
use lockout::UnderWay;
use reckoner_domain::access::Role;
use reckoner_domain::email::Email;
use std::net::IpAddr;
use std::sync::Arc;

/// Most characters of a client's name that are kept.
const USER_AGENT_CHARS_MAX: usize = 200;

/// What accounts are served with.
#[derive(Debug)]
pub struct Accounts {
    /// The control plane.
    pub db: Db,
    /// Time.
    pub clock: Clock,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Signs access tokens.
    pub signer: Arc<Signer>,
    /// Who is logged in.
    pub people: People,
    /// Queues mails.
    pub mailer: Mailer,
    /// Seals secrets of authenticators.
    pub vault: Vault,
    /// What browsers keep of a session.
    pub cookies: Cookies,
    /// What customers have.
    pub billing: Billing,
    /// What the operator set.
    pub settings: Auth,
    /// Where this server is reached, for links in mails.
    pub public_url: String,
    attempts: Attempts,
    under_way: UnderWay,
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address of the other end.
    pub address: IpAddr,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

/// The tokens of a session.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Opens requests.
    pub access: Secret,
    /// Renews both.
    pub refresh: Secret,
}

/// A user as others are told of.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The user.
    pub user: User,
    /// The role in the project.
    pub role: Role,
    /// How the customer stands, where there is one.
    pub tier: Option<Tier>,
}

impl Accounts {
    /// Nothing tried yet. `public_url` is where this server is reached.
    pub fn new(
        (db, clock): (Db, Clock),
        signer: Arc<Signer>,
        people: People,
        (mailer, vault): (Mailer, Vault),
        (billing, settings): (Billing, Auth),
        public_url: String,
    ) -> Self {
        let (attempts, under_way) = (Attempts::default(), UnderWay::default());
        let passwords = Passwords::new();
        let cookies = Cookies::new(&public_url, vault.clone());
        Self {
            db,
            clock,
            passwords,
            signer,
            people,
            mailer,
            vault,
            cookies,
            billing,
            settings,
            public_url,
            attempts,
            under_way,
        }
    }

    /// Counts what a client tries; too often is refused.
    fn take_of_client(&self, kind: Kind, client: &Client, max: u32) -> Result<(), AuthError> {
        let who = Who::client(client.address);
        self.attempts.take(kind, who, max, self.clock.real()).map_err(AuthError::TooOften)
    }

    /// Counts what is tried about an account; too often is refused.
    fn take_of_account(&self, kind: Kind, account: &str, max: u32) -> Result<(), AuthError> {
        let who = Who::Account(account.to_owned());
        self.attempts.take(kind, who, max, self.clock.real()).map_err(AuthError::TooOften)
    }
}

/// Reads an address, and notes what is wrong with it.
fn read_email(text: &str, faults: &mut Vec<Fault>) -> Option<Email> {
    let read = Email::parse(text);
    if let Err(error) = read {
        faults.push(Fault { field: "email", reason: error.to_string() });
    }
    read.ok()
}

/// Notes what is wrong with a new password.
fn check_new_password(field: &'static str, password: &Secret, faults: &mut Vec<Fault>) {
    let text = password.expose();
    if text.chars().count() < PASSWORD_CHARS_MIN || text.len() > PASSWORD_BYTES_MAX {
        let reason = format!(
            "must have at least {PASSWORD_CHARS_MIN} characters and at most {PASSWORD_BYTES_MAX} bytes"
        );
        faults.push(Fault { field, reason });
    }
}

/// Notes a password that nobody can have.
fn check_password(field: &'static str, password: &Secret, faults: &mut Vec<Fault>) {
    let text = password.expose();
    if text.is_empty() || text.len() > PASSWORD_BYTES_MAX {
        let reason = format!("must have 1 to {PASSWORD_BYTES_MAX} bytes");
        faults.push(Fault { field, reason });
    }
}

fn refuse(faults: Vec<Fault>) -> Result<(), AuthError> {
    if faults.is_empty() { Ok(()) } else { Err(AuthError::Invalid(faults)) }
}
