//! Logging in.
use super::{Accounts, Client, Profile, Registered, check_password, read_email, refuse};
use crate::auth::attempts::{Kind, Who};
use crate::auth::caller::choose;
use crate::auth::error::AuthError;
use crate::config::Secret;
use crate::store::authenticators;
use crate::store::customers;
use crate::store::memberships::{self, Membership};
use crate::store::sessions::Session;
use crate::store::users::{self, User};
use reckoner_domain::id::{ProjectId, UserId};

/// What somebody shows to log in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The address.
    pub email: String,
    /// The password.
    pub password: Secret,
    /// A code of the authenticator or for recovery, where one is asked for.
    pub code: Option<String>,
    /// The project that is to be shown.
    pub named: Option<ProjectId>,
}

/// A user who logged in with a browser.
#[derive(Clone, Debug)]
pub struct Browser {
    /// The user.
    pub profile: Profile,
    /// The session.
    pub session: Session,
    /// What the browser's cookie carries.
    pub cookie: Secret,
}

impl Accounts {
    /// Begins a session of whoever has this address and password, and the second factor where there is
    /// one. How long a refusal takes, and what it says, does not tell whether anybody has the address.
    pub async fn login(&self, client: &Client, login: Login) -> Result<Registered, AuthError> {
        let outcome = self.try_login(client, login).await;
        count(outcome.as_ref().err());
        outcome
    }

    async fn try_login(&self, client: &Client, login: Login) -> Result<Registered, AuthError> {
        let (user, profile) = self.prove(client, login).await?;
        let mut tx = self.db.begin().await?;
        has_still(&user, &users::lock(&mut tx, &user.id).await?)?;
        let tokens = self.begin_session(&mut tx, &user.id, client).await?;
        tx.commit().await?;
        Ok(Registered { profile, tokens })
    }

    /// The same with a cookie instead of tokens.
    pub async fn login_browser(&self, client: &Client, login: Login) -> Result<Browser, AuthError> {
        let outcome = self.try_login_browser(client, login).await;
        count(outcome.as_ref().err());
        outcome
    }

    async fn try_login_browser(&self, client: &Client, login: Login) -> Result<Browser, AuthError> {
        let (user, profile) = self.prove(client, login).await?;
        let mut tx = self.db.begin().await?;
        has_still(&user, &users::lock(&mut tx, &user.id).await?)?;
        let (session, cookie) = self.begin_browser_session(&mut tx, &user.id, client).await?;
        tx.commit().await?;
        Ok(Browser { profile, session, cookie })
    }

    /// Who has this address and password, and what is to be shown of him.
    async fn prove(&self, client: &Client, login: Login) -> Result<(User, Profile), AuthError> {
        let Login { email, password, code, named } = login;
        let mut faults = Vec::new();
        let email = read_email(&email, &mut faults);
        check_password("password", &password, &mut faults);
        refuse(faults)?;
        let Some(email) = email else { return Err(AuthError::Invalid(Vec::new())) };
        let (who, max) = (Who::client(client.address), self.settings.limits.login_failures_max);
        let failures = self.attempts.check(Kind::LoginFailure, who.clone(), max, self.clock.real());
        failures.map_err(AuthError::TooOften)?;
        let guess = self.begin_guess(email.as_str()).await?;
        let user = users::find_by_email(&self.db, email.as_str()).await?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let known = user.as_ref().map(|user| user.id.clone());
        // Counted for the client even beyond the most: the next one is refused.
        let failed = || {
            let _ = self.attempts.take(Kind::LoginFailure, who, max, self.clock.real());
        };
        let (true, Some(user)) = (self.passwords.verify(password, hash).await?, user) else {
            failed();
            self.guessed_wrong(guess, known.as_ref()).await?;
            return Err(AuthError::Credentials);
        };
        match self.check_factor(&user.id, code.as_deref()).await {
            Ok(()) => {}
            Err(AuthError::Code) => {
                failed();
                self.guessed_wrong(guess, known.as_ref()).await?;
                return Err(AuthError::Code);
            }
            // Failures are not forgotten for half of what is asked for.
            Err(error) => return Err(error),
        }
        self.guessed_right(guess).await?;
        // Before a session begins that nobody would get the tokens of.
        let profile = self.profile(&user.id, named).await?;
        Ok((user, profile))
    }

    async fn check_factor(&self, user: &UserId, code: Option<&str>) -> Result<(), AuthError> {
        let found = authenticators::find(&self.db, user).await?;
        let Some(found) = found.filter(|one| one.confirmed_at.is_some()) else { return Ok(()) };
        let code = code.ok_or(AuthError::CodeRequired)?;
        if self.use_code(&found, code).await? { Ok(()) } else { Err(AuthError::Code) }
    }

    /// What a user is told of himself in a project.
    pub async fn profile(&self, user: &UserId, named: Option<ProjectId>) -> Result<Profile, AuthError> {
        let memberships = memberships::of_user(&self.db, user).await?;
        let membership = choose(&memberships, named).ok_or(AuthError::NoMember)?;
        let user = users::get(&self.db, user).await?;
        self.told(user, membership).await
    }

    async fn told(&self, user: User, membership: &Membership) -> Result<Profile, AuthError> {
        let now = self.clock.of_project(membership.project);
        let tier = match &membership.customer {
            Some(customer) => {
                let customer = customers::get(&self.db, membership.project, customer).await?;
                self.billing.tier(&self.db, &customer, now).await?
            }
            None => None,
        };
        Ok(Profile { user, role: membership.role, tier })
    }
}

/// Refuses a password that was changed after it was shown.
fn has_still(before: &User, now: &User) -> Result<(), AuthError> {
    if now.password_hash == before.password_hash { Ok(()) } else { Err(AuthError::Credentials) }
}

/// Counts a login.
fn count(error: Option<&AuthError>) {
    let result = match error {
        None => "success",
        Some(AuthError::Credentials | AuthError::Code) => "failure",
        Some(AuthError::CodeRequired) => "code_required",
        Some(AuthError::Locked(_)) => "locked",
        Some(AuthError::TooOften(_) | AuthError::Busy) => "limited",
        Some(AuthError::Invalid(_)) => "invalid",
        Some(_) => "failed",
    };
    metrics::counter!("auth_login_total", "result" => result).increment(1);
}
