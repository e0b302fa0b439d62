//! Tokens: signed ones that open requests for minutes, random ones that renew them or are mailed.
use crate::config::Auth;
use crate::random::{self, NoRandomness};
use crate::webhooks::vault::Vault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use reckoner_domain::id::{SessionId, UserId};
use reckoner_domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// For how long an access token works, in microseconds.
pub const ACCESS_MICROS: i64 = 15 * MINUTE;
/// For how long a service's token works, in hours.
pub const SERVICE_HOURS: u32 = 24;
/// For how long a refresh token works, in microseconds.
pub const REFRESH_MICROS: i64 = 7 * DAY;
/// For how long the link that verifies an address works, in hours.
pub const VERIFY_HOURS: u32 = 24;
/// For how long the link that resets a password works, in minutes.
pub const RESET_MINUTES: u32 = 60;
/// For how long an invitation works, in days.
pub const INVITE_DAYS: u32 = 7;
/// The same, in microseconds.
pub const INVITE_MICROS: i64 = INVITE_DAYS as i64 * DAY;
/// For how long the link that verifies an address works, in microseconds.
pub const VERIFY_MICROS: i64 = VERIFY_HOURS as i64 * HOUR;
/// The same, in microseconds.
pub const RESET_MICROS: i64 = RESET_MINUTES as i64 * MINUTE;

/// Who signs, and for whom.
const ISSUER: &str = "reckoner";
/// What access tokens are for: another use of the same key must name another audience.
const AUDIENCE: &str = "reckoner:access";
/// What the derived key is for.
const KEY_CONTEXT: &[u8] = b"reckoner access tokens, version 1";
/// What tokens of services are for.
const SERVICE_AUDIENCE: &str = "reckoner:service";
/// How far clocks of nodes may differ, in seconds.
const SKEW_S: i64 = 5;
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Hexadecimal digits that name a key.
const KEY_NAME_DIGITS: usize = 16;

/// A random token, as its holder has it.
pub fn make_token() -> Result<String, NoRandomness> {
    Ok(URL_SAFE_NO_PAD.encode(random::bytes::<TOKEN_BYTES>()?))
}

/// What every token says, with what those of one kind say beside it.
#[derive(Debug, Serialize, Deserialize)]
struct Claims<T> {
    iss: String,
    aud: String,
    sub: String,
    iat: i64,
    exp: i64,
    #[serde(flatten)]
    more: T,
}

#[derive(Debug, Serialize, Deserialize)]
struct OfSession {
    sid: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct OfService {
    mark: String,
}

/// What a good access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
}

/// What a good token of a service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccess {
    /// The service's name.
    pub name: String,
    /// Tells the secret that the service had when it got the token from others.
    pub mark: String,
}

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not ours, changed, or for something else.
    #[error("no such token of this server")]
    Invalid,
    /// It has ended.
    #[error("the token has expired")]
    Expired,
}

struct Key {
    name: String,
    signs: EncodingKey,
    verifies: DecodingKey,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(b"name of a key\0").chain_update(secret).finalize();
        let mut name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        name.truncate(KEY_NAME_DIGITS);
        Self { name, signs: EncodingKey::from_secret(secret), verifies: DecodingKey::from_secret(secret) }
    }
}

/// Signs tokens with one key, and takes those of one key before it.
pub struct Signer {
    current: Key,
    previous: Option<Key>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(***)")
    }
}

impl Signer {
    /// With the configured keys, or one derived from the key of secrets at rest.
    pub fn new(config: &Auth, vault: &Vault) -> Self {
        let current = match &config.jwt_secret {
            Some(secret) => Key::new(secret.expose().as_bytes()),
            None => Key::new(&vault.derive(KEY_CONTEXT)),
        };
        let previous = config.jwt_previous_secret.as_ref();
        let previous = previous.map(|secret| Key::new(secret.expose().as_bytes()));
        Self { current, previous }
    }

    /// An access token of a session.
    pub fn sign(&self, access: &Access, now: Timestamp) -> Result<String, jsonwebtoken::errors::Error> {
        let more = OfSession { sid: access.session.to_string() };
        self.sign_as(AUDIENCE, access.user.to_string(), more, (now, now.plus_micros(ACCESS_MICROS)))
    }

    /// A token of a service.
    pub fn sign_service(
        &self,
        service: &ServiceAccess,
        now: Timestamp,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let more = OfService { mark: service.mark.clone() };
        let ends_at = now.plus_micros(i64::from(SERVICE_HOURS) * HOUR);
        self.sign_as(SERVICE_AUDIENCE, service.name.clone(), more, (now, ends_at))
    }

    fn sign_as<T: Serialize>(
        &self,
        audience: &str,
        sub: String,
        more: T,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: audience.to_owned(),
            sub,
            iat: from.as_seconds(),
            exp: to.as_seconds(),
            more,
        };
        let header = Header { kid: Some(self.current.name.clone()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &self.current.signs)
    }

    /// What an access token says that we signed and that has not ended.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<Access, TokenError> {
        let claims = self.read_as::<OfSession>(AUDIENCE, token, now)?;
        let user = UserId::parse(&claims.sub).map_err(|_| TokenError::Invalid)?;
        let session = SessionId::parse(&claims.more.sid).map_err(|_| TokenError::Invalid)?;
        Ok(Access { user, session })
    }

    /// What a service's token says that we signed and that has not ended.
    pub fn read_service(&self, token: &str, now: Timestamp) -> Result<ServiceAccess, TokenError> {
        let claims = self.read_as::<OfService>(SERVICE_AUDIENCE, token, now)?;
        Ok(ServiceAccess { name: claims.sub, mark: claims.more.mark })
    }

    fn read_as<T: DeserializeOwned>(
        &self,
        audience: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Claims<T>, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let named = |key: &&Key| header.kid.as_deref() == Some(key.name.as_str());
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.find(named).ok_or(TokenError::Invalid)?;
        let decoded = jsonwebtoken::decode::<Claims<T>>(token, &key.verifies, &validation(audience));
        let claims = decoded.map_err(|_| TokenError::Invalid)?.claims;
        let now_s = now.as_micros().div_euclid(SECOND);
        if claims.iat > now_s.saturating_add(SKEW_S) {
            return Err(TokenError::Invalid);
        }
        if claims.exp <= now_s {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

/// What holds of every token of ours for this audience.
fn validation(audience: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    // Time is ours to read.
    validation.validate_exp = false;
    validation
}

/// Whether a text has the form of a signed token, which no key of ours has.
pub fn looks_signed(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AuthLimits, Secret};
    use serde_json::{Value, json};

    const ONE: &str = "a secret of at least thirty-two characters";
    const TWO: &str = "another secret of at least thirty-two characters";

    fn signer(current: Option<&str>, previous: Option<&str>) -> Signer {
        let secret = |text: Option<&str>| text.map(|text| Secret::new(text.to_owned()));
        let limits =
            AuthLimits { registrations_max: 1, login_failures_max: 1, recoveries_max: 1, refreshes_max: 1 };
        let config = Auth {
            jwt_secret: secret(current),
            jwt_previous_secret: secret(previous),
            public_url: None,
            frontend_url: None,
            bootstrap_admin: None,
            admin_ids: Vec::new(),
            trial_days: 7,
            limits,
        };
        Signer::new(&config, &Vault::from_text("a key of the operator").expect("a vault"))
    }

    fn access() -> Access {
        Access { user: UserId::from_bits(1), session: SessionId::from_bits(2) }
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-14T09:30:00.5Z").expect("a time")
    }

    /// A token of other contents, signed with the first secret.
    fn forged(header: &Value, claims: &Value) -> String {
        let header: Header = serde_json::from_value(header.clone()).expect("a header");
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(ONE.as_bytes())).expect("signed")
    }

    #[test]
    fn a_token_works_for_fifteen_minutes() {
        let signer = signer(Some(ONE), None);
        let token = signer.sign(&access(), now()).expect("signed");
        assert!(looks_signed(&token) && !looks_signed("rk_live_0.1.2"));
        assert_eq!(signer.read(&token, now()), Ok(access()));
        assert_eq!(signer.read(&token, now().plus_micros(ACCESS_MICROS - SECOND)), Ok(access()));
        assert_eq!(signer.read(&token, now().plus_micros(ACCESS_MICROS)), Err(TokenError::Expired));
        assert_eq!(signer.read(&token, now().plus_micros(-MINUTE)), Err(TokenError::Invalid));
    }

    #[test]
    fn two_keys_work_while_one_is_replaced() {
        let before = signer(Some(ONE), None).sign(&access(), now()).expect("signed");
        assert_eq!(signer(Some(TWO), Some(ONE)).read(&before, now()), Ok(access()));
        assert_eq!(signer(Some(TWO), None).read(&before, now()), Err(TokenError::Invalid));
        let derived = signer(None, None).sign(&access(), now()).expect("signed");
        assert_eq!(signer(None, Some(ONE)).read(&derived, now()), Ok(access()));
        assert_eq!(signer(Some(ONE), None).read(&derived, now()), Err(TokenError::Invalid));
    }

    #[test]
    fn only_what_was_signed_for_this_use_works() {
        let signer = signer(Some(ONE), None);
        let kid = Key::new(ONE.as_bytes()).name;
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": kid});
        let now_s = now().as_seconds();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": access().user.as_str(), "sid": access().session.as_str(),
            "iat": now_s, "exp": now_s + 60,
        });
        assert_eq!(signer.read(&forged(&header, &claims), now()), Ok(access()));
        for (field, value) in [
            ("iss", json!("another")),
            ("aud", json!("reckoner:another")),
            ("aud", json!(SERVICE_AUDIENCE)),
            ("sub", json!("usr_1")),
            ("sid", json!(access().user.as_str())),
            ("exp", json!("later")),
        ] {
            let mut other = claims.clone();
            other[field] = value;
            assert_eq!(signer.read(&forged(&header, &other), now()), Err(TokenError::Invalid), "{field}");
            other.as_object_mut().expect("an object").shift_remove(field);
            assert_eq!(signer.read(&forged(&header, &other), now()), Err(TokenError::Invalid), "no {field}");
        }
        for other in [
            json!({"alg": "HS384", "kid": kid}),
            json!({"alg": "HS256"}),
            json!({"alg": "HS256", "kid": "x"}),
        ] {
            assert_eq!(signer.read(&forged(&other, &claims), now()), Err(TokenError::Invalid), "{other}");
        }
        let good = forged(&header, &claims);
        let (signed, signature) = good.rsplit_once('.').expect("three parts");
        let (_, body) = signed.split_once('.').expect("two parts");
        let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "kid": kid}).to_string());
        for bad in [
            format!("{signed}."),
            format!("{none}.{body}."),
            format!("{none}.{body}.{signature}"),
            signed.into(),
        ] {
            assert_eq!(signer.read(&bad, now()), Err(TokenError::Invalid), "{bad}");
        }
    }

    #[test]
    fn neither_kind_of_token_is_taken_for_the_other() {
        let signer = signer(Some(ONE), None);
        let service = ServiceAccess { name: "gateway".to_owned(), mark: "0123456789abcdef".to_owned() };
        let token = signer.sign_service(&service, now()).expect("signed");
        let day = i64::from(SERVICE_HOURS) * HOUR;
        assert_eq!(signer.read_service(&token, now()), Ok(service.clone()));
        assert_eq!(signer.read_service(&token, now().plus_micros(day - SECOND)), Ok(service));
        assert_eq!(signer.read_service(&token, now().plus_micros(day)), Err(TokenError::Expired));
        assert_eq!(signer.read(&token, now()), Err(TokenError::Invalid));
        let access = signer.sign(&access(), now()).expect("signed");
        assert_eq!(signer.read_service(&access, now()), Err(TokenError::Invalid));
    }

    #[test]
    fn random_tokens_differ() {
        let (one, two) = (make_token().expect("made"), make_token().expect("made"));
        assert!(one != two && one.len() == 43, "{one}");
    }
}
