//! Second factors: enrolled, confirmed, asked for, taken away.
use super::sessions::note_end;
use super::{Accounts, check_password, refuse};
use crate::auth::error::AuthError;
use crate::config::Secret;
use crate::random;
use crate::store::audit;
use crate::store::authenticators::{self, Authenticator};
use crate::store::changes;
use crate::store::sessions::{self, Ended};
use crate::store::users::{self, User};
use crate::store::{TokenHash, Tx};
use crate::webhooks::vault::{NONCE_BYTES, Purpose, Secret as Sealable};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reckoner_domain::id::{SessionId, UserId};
use reckoner_domain::totp::{self, SECRET_BYTES};
use serde_json::json;

/// Who codes are for, as authenticators show it.
const ISSUER: &str = "Reckoner";
/// Recovery codes of a user.
const CODES: usize = 10;
/// Random bytes of a recovery code: 16 letters.
const CODE_BYTES: usize = 10;
/// Letters of a recovery code between dashes.
const CODE_GROUP: usize = 4;

/// How a user's second factor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// Whether a login asks for it.
    pub is_enabled: bool,
    /// How many recovery codes are left.
    pub recovery_codes: u32,
}

/// What an authenticator is told, once.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// The secret, in base 32.
    pub secret: Secret,
    /// The same as a link that authenticators read, mostly as a picture.
    pub url: Secret,
}

impl Accounts {
    /// How a user's second factor stands.
    pub async fn second_factor(&self, user: &UserId) -> Result<SecondFactor, AuthError> {
        let found = authenticators::find(&self.db, user).await?;
        let is_enabled = found.is_some_and(|one| one.confirmed_at.is_some());
        Ok(SecondFactor { is_enabled, recovery_codes: authenticators::count_codes(&self.db, user).await? })
    }

    /// Makes a secret for an authenticator, which counts once a code of it was sent.
    pub async fn enrol(&self, user: &UserId, password: Secret) -> Result<Enrolment, AuthError> {
        let user = self.prove_again(user, password, None).await?;
        let bytes = random::bytes::<SECRET_BYTES>()?;
        let sealable = Sealable::new(BASE64.encode(bytes));
        let nonce = random::bytes::<NONCE_BYTES>()?;
        let sealed = self.vault.seal(Purpose::Authenticator, user.id.as_str(), &sealable, nonce)?;
        if !authenticators::begin(&self.db, &user.id, &sealed, self.clock.real()).await? {
            return Err(AuthError::FactorEnabled);
        }
        let secret = totp::to_base32(&bytes);
        let mut url =
            url::Url::parse("otpauth://totp/").map_err(|error| AuthError::Password(error.to_string()))?;
        url.set_path(&format!("/{ISSUER}:{}", user.email));
        let (digits, period) = (totp::DIGITS.to_string(), totp::STEP_S.to_string());
        url.query_pairs_mut().extend_pairs([
            ("secret", secret.as_str()),
            ("issuer", ISSUER),
            ("algorithm", "SHA1"),
            ("digits", &digits),
            ("period", &period),
        ]);
        Ok(Enrolment { secret: Secret::new(secret), url: Secret::new(url.to_string()) })
    }

    /// Confirms the authenticator by a code of it: from now on logins ask for one. The other sessions,
    /// which began without, end. Gives the recovery codes, this once.
    pub async fn confirm_factor(
        &self,
        (user, session): (&UserId, &SessionId),
        code: &str,
    ) -> Result<Vec<Secret>, AuthError> {
        let user = users::get(&self.db, user).await?;
        let guess = self.begin_guess(&user.email).await?;
        let found = authenticators::find(&self.db, &user.id).await?;
        let found = found.filter(|one| one.confirmed_at.is_none()).ok_or(AuthError::NoFactor)?;
        let now = self.clock.real();
        let Some(step) = totp::matching_step(&self.opened(&found)?, code, now, 0) else {
            self.guessed_wrong(guess, Some(&user.id)).await?;
            return Err(AuthError::Code);
        };
        let mut tx = self.db.begin().await?;
        if !authenticators::confirm(&mut tx, &found, step, now).await? {
            return Err(AuthError::NoFactor);
        }
        let codes = self.make_codes(&mut tx, &user.id).await?;
        let ended = sessions::end_all(&mut tx, &user.id, Some(session), Ended::Revoked, now).await?;
        let enabled = changes::user(&user.id, "second_factor.enabled", &user.id);
        let enabled = enabled.after(json!({"sessions_ended": ended.len()}));
        audit::write(&mut tx, &self.clock, vec![enabled]).await?;
        tx.commit().await?;
        self.people.forget();
        for session in &ended {
            note_end(session, now);
        }
        self.guessed_right(guess).await?;
        Ok(codes)
    }

    /// New recovery codes in the place of all others, given this once.
    pub async fn replace_codes(
        &self,
        user: &UserId,
        password: Secret,
        code: &str,
    ) -> Result<Vec<Secret>, AuthError> {
        let user = self.prove_again(user, password, Some(code)).await?;
        let mut tx = self.db.begin().await?;
        let codes = self.make_codes(&mut tx, &user.id).await?;
        let change = changes::user(&user.id, "second_factor.codes_replaced", &user.id);
        audit::write(&mut tx, &self.clock, vec![change]).await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Takes a user's second factor away: logins ask for the password only.
    pub async fn disable_factor(&self, user: &UserId, password: Secret, code: &str) -> Result<(), AuthError> {
        let user = self.prove_again(user, password, Some(code)).await?;
        let mut tx = self.db.begin().await?;
        authenticators::remove(&mut tx, &user.id).await?;
        let change = changes::user(&user.id, "second_factor.disabled", &user.id);
        audit::write(&mut tx, &self.clock, vec![change]).await?;
        Ok(tx.commit().await?)
    }

    /// Lets a user on who shows the password once more, and, where `code` is asked for, the second
    /// factor. Wrong guesses count towards the lockout.
    async fn prove_again(
        &self,
        user: &UserId,
        password: Secret,
        code: Option<&str>,
    ) -> Result<User, AuthError> {
        let mut faults = Vec::new();
        check_password("password", &password, &mut faults);
        refuse(faults)?;
        let user = users::get(&self.db, user).await?;
        let guess = self.begin_guess(&user.email).await?;
        if !self.passwords.verify(password, Some(user.password_hash.clone())).await? {
            self.guessed_wrong(guess, Some(&user.id)).await?;
            return Err(AuthError::CurrentPassword);
        }
        if let Some(code) = code {
            let found = authenticators::find(&self.db, &user.id).await?;
            let found = found.filter(|one| one.confirmed_at.is_some()).ok_or(AuthError::NoFactor)?;
            if !self.use_code(&found, code).await? {
                self.guessed_wrong(guess, Some(&user.id)).await?;
                return Err(AuthError::Code);
            }
        }
        self.guessed_right(guess).await?;
        Ok(user)
    }

    /// Whether a code is good, of the authenticator or for recovery; it is used up then.
    pub(super) async fn use_code(&self, found: &Authenticator, code: &str) -> Result<bool, AuthError> {
        let (user, now) = (&found.user, self.clock.real());
        if let Some(step) = totp::matching_step(&self.opened(found)?, code, now, found.last_step) {
            return Ok(authenticators::use_step(&self.db, user, step).await?);
        }
        let mut tx = self.db.begin().await?;
        if !authenticators::use_code(&mut tx, user, recovery_hash(user, code), now).await? {
            return Ok(false);
        }
        let left = authenticators::count_codes(&mut tx, user).await?;
        let used = changes::user(user, "second_factor.recovery_code_used", user);
        audit::write(&mut tx, &self.clock, vec![used.after(json!({"codes_left": left}))]).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn make_codes(&self, tx: &mut Tx, user: &UserId) -> Result<Vec<Secret>, AuthError> {
        let mut codes = Vec::with_capacity(CODES);
        for _ in 0..CODES {
            let letters = totp::to_base32(&random::bytes::<CODE_BYTES>()?).to_ascii_lowercase();
            let groups: Vec<&str> = letters
                .as_bytes()
                .chunks(CODE_GROUP)
                .filter_map(|group| str::from_utf8(group).ok())
                .collect();
            codes.push(Secret::new(groups.join("-")));
        }
        let hashes: Vec<TokenHash> = codes.iter().map(|code| recovery_hash(user, code.expose())).collect();
        authenticators::replace_codes(tx, user, &hashes, self.clock.real()).await?;
        Ok(codes)
    }

    fn opened(&self, found: &Authenticator) -> Result<[u8; SECRET_BYTES], AuthError> {
        let opened = self.vault.open(Purpose::Authenticator, found.user.as_str(), &found.secret)?;
        let bytes = BASE64.decode(opened.expose()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| crate::webhooks::vault::VaultError::DoesNotOpen.into())
    }
}

/// A recovery code at rest, however it was written: in capitals, with or without dashes.
fn recovery_hash(user: &UserId, code: &str) -> TokenHash {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    TokenHash::of(&format!("{user}/{}", letters.to_ascii_lowercase()))
}
