//! Registration: a user, its customer, its trial, its first session and a mail, all or nothing.
use super::{Accounts, Client, Profile, Tokens, check_new_password, read_email, refuse};
use crate::auth::attempts::Kind;
use crate::auth::error::AuthError;
use crate::auth::tokens::{VERIFY_HOURS, VERIFY_MICROS, make_token};
use crate::billing::tier::Tier;
use crate::billing::trials::Started;
use crate::config::Secret;
use crate::mail::{About, Template};
use crate::random;
use crate::store::audit::{self, Change};
use crate::store::changes;
use crate::store::customers::{self, Customer, Details};
use crate::store::memberships::{self, Membership};
use crate::store::one_time_tokens::{self, Purpose};
use crate::store::subscriptions::Stored;
use crate::store::trials::Trial;
use crate::store::users::{self, User};
use crate::store::{StoreError, TokenHash, Tx};
use reckoner_domain::access::Role;
use reckoner_domain::email::Email;
use reckoner_domain::id::{CustomerId, ProjectId, UserId};
use reckoner_domain::time::Timestamp;
use serde_json::json;

/// A new user, logged in.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The user.
    pub profile: Profile,
    /// The first session's tokens.
    pub tokens: Tokens,
}

/// How the trial of a new user began.
enum Joined {
    Subscribed(Box<Stored>),
    Waiting(Trial),
}

impl Accounts {
    /// Makes a user of a project, its customer under the user's id, and the customer's trial; logs the
    /// user in and mails a link that verifies the address.
    pub async fn register(
        &self,
        client: &Client,
        project: ProjectId,
        email: &str,
        password: Secret,
    ) -> Result<Registered, AuthError> {
        let outcome = self.try_register(client, project, email, password).await;
        let status = match &outcome {
            Ok(_) => "created",
            Err(AuthError::Taken) => "taken",
            Err(AuthError::Invalid(_)) => "invalid",
            Err(AuthError::TooOften(_) | AuthError::Busy) => "limited",
            Err(_) => "failed",
        };
        metrics::counter!("auth_registration_total", "status" => status).increment(1);
        outcome
    }

    async fn try_register(
        &self,
        client: &Client,
        project: ProjectId,
        email: &str,
        password: Secret,
    ) -> Result<Registered, AuthError> {
        self.take_of_client(Kind::Register, client, self.settings.limits.registrations_max)?;
        let mut faults = Vec::new();
        let email = read_email(email, &mut faults);
        check_new_password("password", &password, &mut faults);
        refuse(faults)?;
        let Some(email) = email else { return Err(AuthError::Invalid(Vec::new())) };
        if users::find_by_email(&self.db, email.as_str()).await?.is_some() {
            return Err(AuthError::Taken);
        }
        let password_hash = self.passwords.hash(password).await?;
        let now = self.clock.real();
        let user = new_user(&email, password_hash, now)?;
        let mut tx = self.db.begin().await?;
        let (started, noted) =
            self.join_as_customer(&mut tx, project, &user).await.map_err(|error| match error {
                AuthError::Store(StoreError::Conflict) => AuthError::Taken,
                error => error,
            })?;
        self.queue_verification(&mut tx, project, &user).await?;
        let tokens = self.begin_session(&mut tx, &user.id, client).await?;
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        self.mailer.wake();
        let now = self.clock.of_project(project);
        let tier = match &started {
            Joined::Subscribed(stored) => {
                self.billing.trials.noticed(stored);
                Tier::of_subscription(stored, now)
            }
            Joined::Waiting(trial) => Tier::of_trial(trial, now),
        };
        let profile = Profile { user, role: Role::Customer, tier: Some(tier) };
        Ok(Registered { profile, tokens })
    }

    /// Stores the user with a customer and its trial; the caller writes down what changed.
    async fn join_as_customer(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        user: &User,
    ) -> Result<(Joined, Vec<Change>), AuthError> {
        let real = self.clock.real();
        let now = self.clock.of_project(project);
        users::create(&mut *tx, user).await?;
        let customer = Customer {
            id: CustomerId::from_bits(random::id_bits(real)?),
            project,
            external_id: user.id.to_string(),
            details: Details { display_name: Some(user.email.clone()), ..Details::default() },
            created_at: now,
            version: 1,
        };
        customers::create(&mut *tx, &customer).await?;
        let membership = Membership {
            project,
            user: user.id.clone(),
            role: Role::Customer,
            customer: Some(customer.id.clone()),
            created_at: real,
        };
        memberships::join(&mut *tx, &membership).await?;
        let registered = changes::user(&user.id, "user.registered", &user.id);
        let mut noted = vec![
            registered.after(json!({"email": user.email})),
            changes::customer_created(&user.id, &customer),
            changes::membership_created(&user.id, &membership),
        ];
        let days = self.settings.trial_days;
        let joined = match self.billing.trials.start_in(tx, &user.id, &customer, days).await? {
            Started::Subscribed(begun) => {
                noted.push(begun.change);
                Joined::Subscribed(Box::new(begun.stored))
            }
            Started::Waiting(trial) => Joined::Waiting(trial),
        };
        Ok((joined, noted))
    }

    /// Makes a link that verifies the user's address, and queues the mail with it.
    pub(super) async fn queue_verification(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        user: &User,
    ) -> Result<(), AuthError> {
        let now = self.clock.real();
        let end = now.plus_micros(VERIFY_MICROS);
        let token = make_token()?;
        let hash = TokenHash::of(&token);
        one_time_tokens::create(&mut *tx, hash, &user.id, Purpose::VerifyEmail, now, end).await?;
        let link = format!("{}/auth/verify-email?token={token}", self.public_url);
        let template = Template::VerifyEmail { link, hours: VERIFY_HOURS };
        let about = About { project, user: Some(&user.id), recipient: &user.email };
        self.mailer.queue(tx, about, &template, now, Some(end)).await?;
        Ok(())
    }
}

/// A user who has not verified the address.
pub(super) fn new_user(email: &Email, password_hash: String, now: Timestamp) -> Result<User, AuthError> {
    Ok(User {
        id: UserId::from_bits(random::id_bits(now)?),
        email: email.as_str().to_owned(),
        password_hash,
        email_verified_at: None,
        password_changed_at: now,
        created_at: now,
    })
}
