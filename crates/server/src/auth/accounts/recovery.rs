//! Verifying addresses, and setting passwords anew.
use super::sessions::note_end;
use super::{Accounts, Client, check_new_password, check_password, refuse};
use crate::auth::attempts::Kind;
use crate::auth::error::AuthError;
use crate::config::Secret;
use crate::store::audit;
use crate::store::changes;
use crate::store::one_time_tokens::{self, Purpose};
use crate::store::sessions::{self, Ended};
use crate::store::users;
use crate::store::{StoreError, TokenHash};
use reckoner_domain::id::{ProjectId, SessionId, UserId};
use serde_json::json;

impl Accounts {
    /// Notes that the address is the user's to whom the token was mailed.
    pub async fn verify_email(&self, client: &Client, token: &str) -> Result<(), AuthError> {
        self.take_of_client(Kind::VerifyEmail, client, self.settings.limits.recoveries_max)?;
        let now = self.clock.real();
        let mut tx = self.db.begin().await?;
        let hash = TokenHash::of(token);
        let user = one_time_tokens::take(&mut tx, hash, Purpose::VerifyEmail, now).await.map_err(no_link)?;
        let mut noted = Vec::new();
        if users::verify_email(&mut tx, &user, now).await? {
            noted.push(changes::user(&user, "user.email_verified", &user));
        }
        let user = users::get(&mut tx, &user).await?;
        noted.extend(self.promote_if_listed(&mut tx, &user).await?);
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        self.people.forget();
        Ok(())
    }

    /// Mails another link that verifies the user's address; `false` when it is verified already.
    pub async fn resend_verification(
        &self,
        client: &Client,
        project: ProjectId,
        user: &UserId,
    ) -> Result<bool, AuthError> {
        let max = self.settings.limits.recoveries_max;
        self.take_of_client(Kind::ResendVerification, client, max)?;
        self.take_of_account(Kind::ResendVerification, user.as_str(), max)?;
        let user = users::get(&self.db, user).await?;
        if user.email_verified_at.is_some() {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        self.queue_verification(&mut tx, project, &user).await?;
        tx.commit().await?;
        self.mailer.wake();
        Ok(true)
    }

    /// Sets the password of the user to whom the token was mailed, and ends all sessions. Who reads
    /// the mail has shown that the address is theirs.
    pub async fn reset_password(
        &self,
        client: &Client,
        token: &str,
        password: Secret,
    ) -> Result<(), AuthError> {
        let outcome = self.try_reset(client, token, password).await;
        let status = if outcome.is_ok() { "completed" } else { "failed" };
        metrics::counter!("auth_password_reset_total", "status" => status).increment(1);
        outcome
    }

    async fn try_reset(&self, client: &Client, token: &str, password: Secret) -> Result<(), AuthError> {
        self.take_of_client(Kind::ResetPassword, client, self.settings.limits.recoveries_max)?;
        let mut faults = Vec::new();
        check_new_password("password", &password, &mut faults);
        refuse(faults)?;
        let hash = TokenHash::of(token);
        // Nothing is hashed for a token of nobody.
        let found = one_time_tokens::peek(&self.db, hash, Purpose::ResetPassword, self.clock.real()).await?;
        found.ok_or(AuthError::Link)?;
        let new = self.passwords.hash(password).await?;
        let now = self.clock.real();
        let mut tx = self.db.begin().await?;
        let id = one_time_tokens::take(&mut tx, hash, Purpose::ResetPassword, now).await.map_err(no_link)?;
        let user = users::lock(&mut tx, &id).await?;
        users::set_password(&mut tx, &id, &user.password_hash, &new, now).await?;
        one_time_tokens::take_all(&mut tx, &id, Purpose::ResetPassword, now).await?;
        users::verify_email(&mut tx, &id, now).await?;
        let user = users::get(&mut tx, &id).await?;
        let mut noted = self.promote_if_listed(&mut tx, &user).await?;
        let ended = sessions::end_all(&mut tx, &id, None, Ended::PasswordReset, now).await?;
        let reset = changes::user(&id, "user.password_reset", &id);
        noted.push(reset.after(json!({"sessions_ended": ended.len()})));
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        self.people.forget();
        for session in &ended {
            note_end(session, now);
        }
        self.unlock(&user.email).await
    }

    /// Sets a user's password, given the one before, and ends the other sessions.
    pub async fn change_password(
        &self,
        (user, session): (&UserId, &SessionId),
        current: Secret,
        new: Secret,
    ) -> Result<(), AuthError> {
        let mut faults = Vec::new();
        check_password("currentPassword", &current, &mut faults);
        check_new_password("newPassword", &new, &mut faults);
        refuse(faults)?;
        let user = users::get(&self.db, user).await?;
        let guess = self.begin_guess(&user.email).await?;
        if !self.passwords.verify(current, Some(user.password_hash.clone())).await? {
            self.guessed_wrong(guess, Some(&user.id)).await?;
            return Err(AuthError::CurrentPassword);
        }
        let hash = self.passwords.hash(new).await?;
        let now = self.clock.real();
        let mut tx = self.db.begin().await?;
        match users::set_password(&mut tx, &user.id, &user.password_hash, &hash, now).await {
            Err(StoreError::Stale) => return Err(AuthError::CurrentPassword),
            done => done?,
        }
        one_time_tokens::take_all(&mut tx, &user.id, Purpose::ResetPassword, now).await?;
        let ended = sessions::end_all(&mut tx, &user.id, Some(session), Ended::PasswordChanged, now).await?;
        let changed = changes::user(&user.id, "user.password_changed", &user.id);
        let changed = changed.after(json!({"sessions_ended": ended.len()}));
        audit::write(&mut tx, &self.clock, vec![changed]).await?;
        tx.commit().await?;
        self.people.forget();
        for session in &ended {
            note_end(session, now);
        }
        self.guessed_right(guess).await
    }
}

fn no_link(error: StoreError) -> AuthError {
    match error {
        StoreError::NotFound => AuthError::Link,
        error => error.into(),
    }
}
