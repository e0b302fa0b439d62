//! Logging in.
use super::{Accounts, Client, Profile, Registered, Tokens, check_password, read_email, refuse};
use crate::auth::attempts::{Kind, Who};
use crate::auth::caller::choose;
use crate::auth::error::AuthError;
use crate::config::Secret;
use crate::store::memberships::{self, Membership};
use crate::store::trials;
use crate::store::users::{self, User};
use reckoner_domain::id::{ProjectId, UserId};

impl Accounts {
    /// Begins a session of whoever has this address and password. How long a refusal takes, and what
    /// it says, does not tell whether anybody has the address.
    pub async fn login(
        &self,
        client: &Client,
        named: Option<ProjectId>,
        email: &str,
        password: Secret,
    ) -> Result<Registered, AuthError> {
        let outcome = self.try_login(client, named, email, password).await;
        let result = match &outcome {
            Ok(_) => "success",
            Err(AuthError::Credentials) => "failure",
            Err(AuthError::Locked(_)) => "locked",
            Err(AuthError::TooOften(_) | AuthError::Busy) => "limited",
            Err(AuthError::Invalid(_)) => "invalid",
            Err(_) => "failed",
        };
        metrics::counter!("auth_login_total", "result" => result).increment(1);
        outcome
    }

    async fn try_login(
        &self,
        client: &Client,
        named: Option<ProjectId>,
        email: &str,
        password: Secret,
    ) -> Result<Registered, AuthError> {
        let mut faults = Vec::new();
        let email = read_email(email, &mut faults);
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
        let (true, Some(user)) = (self.passwords.verify(password, hash).await?, user) else {
            // Counted for the client even beyond the most: the next one is refused.
            let _ = self.attempts.take(Kind::LoginFailure, who, max, self.clock.real());
            self.guessed_wrong(guess, known.as_ref()).await?;
            return Err(AuthError::Credentials);
        };
        self.guessed_right(guess).await?;
        // Before a session begins that nobody would get the tokens of.
        let profile = self.profile(&user.id, named).await?;
        let tokens = self.open_session(&user, client).await?;
        Ok(Registered { profile, tokens })
    }

    /// Begins a session of a user whose password was just shown, unless it was changed meanwhile.
    async fn open_session(&self, user: &User, client: &Client) -> Result<Tokens, AuthError> {
        let mut tx = self.db.begin().await?;
        let now = users::lock(&mut tx, &user.id).await?;
        if now.password_hash != user.password_hash {
            return Err(AuthError::Credentials);
        }
        let tokens = self.begin_session(&mut tx, &user.id, client).await?;
        tx.commit().await?;
        Ok(tokens)
    }

    /// What a user is told of himself in a project.
    pub async fn profile(&self, user: &UserId, named: Option<ProjectId>) -> Result<Profile, AuthError> {
        let memberships = memberships::of_user(&self.db, user).await?;
        let membership = choose(&memberships, named).ok_or(AuthError::NoMember)?;
        let user = users::get(&self.db, user).await?;
        self.told(user, membership).await
    }

    async fn told(&self, user: User, membership: &Membership) -> Result<Profile, AuthError> {
        let trial = match &membership.customer {
            Some(customer) => trials::find(&self.db, membership.project, customer).await?,
            None => None,
        };
        let now = self.clock.of_project(membership.project);
        Ok(Profile { user, role: membership.role, trial, now })
    }
}
