//! Sessions: begun, renewed, listed, ended.
use super::{Accounts, Client, Tokens, USER_AGENT_CHARS_MAX};
use crate::auth::attempts::Kind;
use crate::auth::error::AuthError;
use crate::auth::tokens::{Access, REFRESH_MICROS, make_token};
use crate::config::Secret;
use crate::random;
use crate::store::audit::{self, Change};
use crate::store::sessions::{self, Ended, Rotated, Session};
use crate::store::{TokenHash, Tx};
use reckoner_domain::id::{SessionId, UserId};
use reckoner_domain::time::{SECOND, Timestamp};

impl Accounts {
    /// Begins a session in the transaction of what it follows from.
    pub(super) async fn begin_session(
        &self,
        tx: &mut Tx,
        user: &UserId,
        client: &Client,
    ) -> Result<Tokens, AuthError> {
        let (session, refresh) = (self.new_session(user, client)?, make_token()?);
        sessions::begin(tx, &session, TokenHash::of(&refresh)).await?;
        self.tokens_of(&session, refresh, session.created_at)
    }

    /// The same for a browser, with what its cookie carries. Such a session lasts as long as a refresh
    /// token does, and is not renewed.
    pub(super) async fn begin_browser_session(
        &self,
        tx: &mut Tx,
        user: &UserId,
        client: &Client,
    ) -> Result<(Session, Secret), AuthError> {
        let (session, cookie) = (self.new_session(user, client)?, make_token()?);
        sessions::begin_with_cookie(tx, &session, TokenHash::of(&cookie)).await?;
        Ok((session, Secret::new(cookie)))
    }

    fn new_session(&self, user: &UserId, client: &Client) -> Result<Session, AuthError> {
        let now = self.clock.real();
        Ok(Session {
            id: SessionId::from_bits(random::id_bits(now)?),
            user: user.clone(),
            created_at: now,
            last_used_at: now,
            expires_at: now.plus_micros(REFRESH_MICROS),
            ended_at: None,
            user_agent: client.user_agent.as_deref().map(shortened),
            address: Some(client.address.to_canonical().to_string()),
        })
    }

    fn tokens_of(&self, session: &Session, refresh: String, now: Timestamp) -> Result<Tokens, AuthError> {
        let access = Access { user: session.user.clone(), session: session.id.clone() };
        let access = self.signer.sign(&access, now)?;
        Ok(Tokens { access: Secret::new(access), refresh: Secret::new(refresh) })
    }

    /// New tokens for a refresh token, which works once: when it comes again, somebody else has it,
    /// and the whole session ends.
    pub async fn refresh(&self, client: &Client, token: &str) -> Result<Tokens, AuthError> {
        self.take_of_client(Kind::Refresh, client, self.settings.limits.refreshes_max)?;
        let now = self.clock.real();
        let new = make_token()?;
        let end = now.plus_micros(REFRESH_MICROS);
        let hashes = (TokenHash::of(token), TokenHash::of(&new));
        match sessions::rotate(&self.db, &self.clock, hashes, end).await? {
            Rotated::Renewed(session) => self.tokens_of(&session, new, now),
            Rotated::Reused(session) => {
                self.people.forget();
                if session.is_valid_at(now) {
                    note_end(&session, now);
                    tracing::warn!(session = %session.id, user = %session.user,
                        "a refresh token came a second time: the session was ended");
                }
                Err(AuthError::Refresh)
            }
            Rotated::Unknown => Err(AuthError::Refresh),
        }
    }

    /// The open sessions of a user, the newest first.
    pub async fn sessions(&self, user: &UserId) -> Result<Vec<Session>, AuthError> {
        Ok(sessions::open(&self.db, user, self.clock.real()).await?)
    }

    /// Ends a session of a user.
    pub async fn end_session(&self, user: &UserId, id: &SessionId, why: Ended) -> Result<(), AuthError> {
        let now = self.clock.real();
        let mut tx = self.db.begin().await?;
        let ended = sessions::end(&mut tx, user, id, why, now).await?;
        if ended.is_some() && why == Ended::Revoked {
            let change = Change::new(None, user, "session.revoked", id);
            audit::write(&mut tx, &self.clock, vec![change]).await?;
        }
        tx.commit().await?;
        self.people.forget();
        note_end(&ended.ok_or(AuthError::NoSession)?, now);
        Ok(())
    }
}

/// Measures a session that was ended.
pub(super) fn note_end(session: &Session, now: Timestamp) {
    let seconds = now.micros_since(session.created_at) / SECOND;
    metrics::histogram!("session_duration_seconds").record(seconds as f64);
}

/// What a client calls itself, as it is kept.
fn shortened(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARS_MAX).collect()
}
