//! Bodies of system D's accounts, field by field as its clients know them.
use crate::auth::accounts::{Profile, Tokens};
use crate::auth::tokens::SERVICE_HOURS;
use crate::config::Secret;
use crate::store::sessions::Session;
use reckoner_domain::id::SessionId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An address and a new password.
#[derive(Deserialize, ToSchema)]
pub struct Registration {
    /// The e-mail address, in any case of letters.
    #[schema(format = "email", max_length = 254)]
    pub email: String,
    /// The password.
    #[schema(min_length = 8, max_length = 256)]
    pub password: String,
}

/// An address and a password.
#[derive(Deserialize, ToSchema)]
pub struct Credentials {
    /// The e-mail address, in any case of letters.
    #[schema(format = "email", max_length = 254)]
    pub email: String,
    /// The password.
    #[schema(min_length = 1, max_length = 256)]
    pub password: String,
    /// A code of the authenticator, or a recovery code; only needed by users who have one.
    pub code: Option<String>,
}

/// A token that renews others.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    /// The token; it works once.
    pub refresh_token: String,
}

/// An address to which a link is to be mailed.
#[derive(Deserialize, ToSchema)]
pub struct ResetRequest {
    /// The e-mail address.
    #[schema(format = "email", max_length = 254)]
    pub email: String,
}

/// A new password, with the token of a mailed link.
#[derive(Deserialize, ToSchema)]
pub struct Reset {
    /// The token; it works once, within an hour.
    pub token: String,
    /// The new password.
    #[schema(min_length = 8, max_length = 256)]
    pub password: String,
}

/// A change of password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordChange {
    /// The password so far.
    #[schema(min_length = 1, max_length = 256)]
    pub current_password: String,
    /// The new one.
    #[schema(min_length = 8, max_length = 256)]
    pub new_password: String,
}

/// A service that asks for a token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRequest {
    /// The service's name in the configuration.
    pub service_name: String,
}

/// A service's token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceToken {
    /// Opens requests, as `X-Service-Token`.
    pub token: String,
    /// For how long it does: `24h`.
    pub expires_in: String,
}

/// What a service's token is worth.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceVerdict {
    /// Whether it opens requests.
    pub valid: bool,
    /// Whose it is; only told of a good one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
}

/// The token of a mailed link.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VerifyParams {
    /// The token; it works once, within 24 hours.
    pub token: Option<String>,
}

/// A user, as shown to whoever just logged in.
#[derive(Serialize, ToSchema)]
pub struct AuthUser {
    /// The user's id, which is also the own id of its customer.
    pub id: String,
    /// The e-mail address, in lower case.
    pub email: String,
    /// The role in the project.
    pub role: String,
    /// The plan; null for members who are no customers.
    pub subscription_tier: Option<String>,
    /// When the trial ends, or ended.
    pub trial_ends_at: Option<String>,
    /// Whether the address was verified; only told at registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
}

/// A user who just logged in, with tokens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoggedIn {
    /// The user.
    pub user: AuthUser,
    /// Opens requests for 15 minutes.
    pub access_token: String,
    /// Renews both tokens, once, within 7 days.
    pub refresh_token: String,
}

/// A user who logged in with a browser, whose cookie is the session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrowserSession {
    /// The user.
    pub user: AuthUser,
    /// To be sent as `X-CSRF-Token` with each change.
    pub csrf_token: String,
    /// When the session ends.
    pub expires_at: String,
}

/// One's password.
#[derive(Deserialize, ToSchema)]
pub struct PasswordProof {
    /// The password.
    #[schema(min_length = 1, max_length = 256)]
    pub password: String,
}

/// One's password and a code.
#[derive(Deserialize, ToSchema)]
pub struct FactorProof {
    /// The password.
    #[schema(min_length = 1, max_length = 256)]
    pub password: String,
    /// A code of the authenticator, or a recovery code.
    pub code: String,
}

/// A code of the authenticator.
#[derive(Deserialize, ToSchema)]
pub struct FactorCode {
    /// The six digits.
    pub code: String,
}

/// How one's second factor stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecondFactorState {
    /// Whether a login asks for a code.
    pub enabled: bool,
    /// How many recovery codes are left.
    pub recovery_codes: u32,
}

/// What an authenticator is told, this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecondFactorSecret {
    /// The secret, in base 32.
    pub secret: String,
    /// The same as a link that authenticators read, mostly as a picture.
    pub otpauth_url: String,
}

/// Codes for when the authenticator is lost, shown this once; each works once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryCodes {
    /// Ten of them.
    pub recovery_codes: Vec<String>,
}

/// New tokens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthTokens {
    /// Opens requests for 15 minutes.
    pub access_token: String,
    /// Renews both tokens, once, within 7 days.
    pub refresh_token: String,
}

/// A user as shown to himself.
#[derive(Serialize, ToSchema)]
pub struct Me {
    /// The user's id, which is also the own id of its customer.
    pub id: String,
    /// The e-mail address, in lower case.
    pub email: String,
    /// The role in the project.
    pub role: String,
    /// The plan; null for members who are no customers.
    pub subscription_tier: Option<String>,
    /// When the trial ends, or ended.
    pub trial_ends_at: Option<String>,
    /// `trialing`, `active`, `past_due`, `paused`, `canceled` or `expired`, which a trial is once it has ended
    /// and nothing has followed; null without a subscription.
    pub subscription_status: Option<String>,
    /// The end of the billing period; null in a trial and without a subscription.
    pub current_period_end: Option<String>,
    /// When the user registered.
    pub created_at: String,
}

/// The token of an invitation, and a password for whoever has no account yet.
#[derive(Deserialize, ToSchema)]
pub struct Acceptance {
    /// The token; it works once, within seven days.
    pub token: String,
    /// The password of the new account; left out by whoever has one.
    #[schema(min_length = 8, max_length = 256)]
    pub password: Option<String>,
}

/// What one is to a project.
#[derive(Serialize, ToSchema)]
pub struct AuthMembership {
    /// The project's name, as `Reckoner-Project` takes it.
    pub project: String,
    /// The role.
    pub role: String,
}

/// What one is to projects.
#[derive(Serialize, ToSchema)]
pub struct AuthMemberships {
    /// Each project that one is a member of, in the order of joining.
    pub data: Vec<AuthMembership>,
}

/// An invitation that was accepted.
#[derive(Serialize, ToSchema)]
pub struct Accepted {
    /// `usr_...`
    pub user: String,
    /// The e-mail address.
    pub email: String,
    /// The project's name.
    pub project: String,
    /// The role there.
    pub role: String,
}

/// What was done, in words.
#[derive(Serialize, ToSchema)]
pub struct Message {
    /// The words.
    pub message: String,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub struct AuthSession {
    /// `ses_...`
    pub id: String,
    /// When it began.
    pub created_at: String,
    /// When its tokens were last renewed.
    pub last_used_at: String,
    /// When it ends unless they are renewed.
    pub expires_at: String,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The address that it came from.
    pub address: Option<String>,
    /// Whether this request belongs to it.
    pub current: bool,
}

/// The sessions of a user, the newest first; at most 50.
#[derive(Serialize, ToSchema)]
pub struct AuthSessions {
    /// The sessions.
    pub data: Vec<AuthSession>,
}

/// A refusal.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The status, once more.
    pub status_code: u16,
    /// What happened, in words.
    pub message: String,
    /// The status in words; not with `retryAfter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When to try again, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// A user, as shown to whoever just logged in.
pub fn to_user(profile: &Profile, tell_verified: bool) -> AuthUser {
    let verified = profile.user.email_verified_at.is_some();
    AuthUser {
        id: profile.user.id.to_string(),
        email: profile.user.email.clone(),
        role: profile.role.to_string(),
        subscription_tier: profile.tier.as_ref().map(|tier| tier.plan.clone()),
        trial_ends_at: profile.tier.as_ref().and_then(|tier| tier.trial_ends_at).map(|at| at.to_string()),
        email_verified: tell_verified.then_some(verified),
    }
}

/// Codes, as they are shown this once.
pub fn to_recovery_codes(codes: &[Secret]) -> RecoveryCodes {
    RecoveryCodes { recovery_codes: codes.iter().map(|code| code.expose().to_owned()).collect() }
}

/// A user with tokens, as login and registration show them.
pub fn to_logged_in(profile: &Profile, tokens: &Tokens, tell_verified: bool) -> LoggedIn {
    LoggedIn {
        user: to_user(profile, tell_verified),
        access_token: tokens.access.expose().to_owned(),
        refresh_token: tokens.refresh.expose().to_owned(),
    }
}

/// New tokens.
pub fn to_tokens(tokens: &Tokens) -> AuthTokens {
    AuthTokens {
        access_token: tokens.access.expose().to_owned(),
        refresh_token: tokens.refresh.expose().to_owned(),
    }
}

/// A user as shown to himself.
pub fn to_me(profile: &Profile) -> Me {
    let tier = profile.tier.as_ref();
    Me {
        id: profile.user.id.to_string(),
        email: profile.user.email.clone(),
        role: profile.role.to_string(),
        subscription_tier: tier.map(|tier| tier.plan.clone()),
        trial_ends_at: tier.and_then(|tier| tier.trial_ends_at).map(|at| at.to_string()),
        subscription_status: tier.and_then(|tier| tier.status).map(str::to_owned),
        current_period_end: tier.and_then(|tier| tier.period_end).map(|at| at.to_string()),
        created_at: profile.user.created_at.to_string(),
    }
}

/// A session, seen from `current`.
pub fn to_session(session: Session, current: &SessionId) -> AuthSession {
    AuthSession {
        current: session.id == *current,
        id: session.id.to_string(),
        created_at: session.created_at.to_string(),
        last_used_at: session.last_used_at.to_string(),
        expires_at: session.expires_at.to_string(),
        user_agent: session.user_agent,
        address: session.address,
    }
}

/// A service's new token.
pub fn to_service_token(token: &Secret) -> ServiceToken {
    ServiceToken { token: token.expose().to_owned(), expires_in: format!("{SERVICE_HOURS}h") }
}

/// What was done, in words.
pub fn message(text: &str) -> Message {
    Message { message: text.to_owned() }
}
