//! What concerns people: settings, and what must hold between them.
use super::reader::{Reader, named};
use super::{SECRET_CHARS_MIN, Secret};
use reckoner_domain::email::Email;

/// Fewest characters of a password.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Most bytes of a password.
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Fewest characters of the first administrator's password.
const ADMIN_PASSWORD_CHARS_MIN: usize = 12;

/// Who logs in, and how.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Signs access tokens; without it a key is derived from the one of secrets at rest.
    pub jwt_secret: Option<Secret>,
    /// Signed access tokens before; still accepted.
    pub jwt_previous_secret: Option<Secret>,
    /// Where this server is reached from outside, without a slash at the end.
    pub public_url: Option<String>,
    /// Where the pages of users are, without a slash at the end.
    pub frontend_url: Option<String>,
    /// The first administrator.
    pub bootstrap_admin: Option<BootstrapAdmin>,
    /// Who is made administrator: addresses, ids of users, own ids of their customers.
    pub admin_ids: Vec<String>,
    /// How long trials last, in days of 24 hours.
    pub trial_days: u32,
    /// How much one client may try.
    pub limits: AuthLimits,
}

/// The first administrator, made where nobody has the address.
#[derive(Clone, Debug)]
pub struct BootstrapAdmin {
    /// The address.
    pub email: Email,
    /// The password.
    pub password: Secret,
}

/// How much one client address may try within 15 minutes.
#[derive(Clone, Copy, Debug)]
pub struct AuthLimits {
    /// Registrations.
    pub registrations_max: u32,
    /// Logins that fail.
    pub login_failures_max: u32,
    /// Calls of each route of verification and reset.
    pub recoveries_max: u32,
    /// Renewals of tokens.
    pub refreshes_max: u32,
}

pub(super) fn read_auth(reader: &mut Reader<'_>) -> Auth {
    let jwt_secret = read_secret(reader, "jwt_secret");
    let jwt_previous_secret = read_secret(reader, "jwt_previous_secret");
    Auth {
        jwt_secret,
        jwt_previous_secret,
        public_url: read_url(reader, "public_url"),
        frontend_url: read_url(reader, "frontend_url"),
        bootstrap_admin: read_admin(reader),
        admin_ids: read_admin_ids(reader),
        trial_days: reader.number(
            named("trials.days", "How long the trial that registration starts lasts, in days of 24 hours."),
            7,
            1..=366,
        ) as u32,
        limits: read_limits(reader),
    }
}

fn read_secret(reader: &mut Reader<'_>, name: &'static str) -> Option<Secret> {
    let setting = match name {
        "jwt_secret" => {
            named("jwt_secret", "Signs access tokens; derived from the key of secrets at rest when unset.")
                .also(&["JWT_SECRET"])
        }
        _ => named("jwt_previous_secret", "What signed access tokens before; still accepted."),
    };
    let secret: Option<Secret> = reader.optional(setting.secret(), "a text");
    if secret.as_ref().is_some_and(|secret| secret.expose().chars().count() < SECRET_CHARS_MIN) {
        reader.problem(name, format!("must have at least {SECRET_CHARS_MIN} characters"));
    }
    secret
}

fn read_url(reader: &mut Reader<'_>, name: &'static str) -> Option<String> {
    let setting = match name {
        "public_url" => named(
            "public_url",
            "Where this server is reached from outside, for links in mails; the address it listens on when unset.",
        )
        .also(&["GATEWAY_URL"]),
        _ => named("frontend_url", "Where the pages of users are: a reset link leads to /reset-password there.")
            .also(&["FRONTEND_URL"]),
    };
    let text: String = reader.optional(setting, "an http or https URL")?;
    let parsed = url::Url::parse(&text).ok();
    let good = parsed.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
    });
    if !good {
        reader.problem(name, "must be an http or https URL without query or fragment");
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn read_admin(reader: &mut Reader<'_>) -> Option<BootstrapAdmin> {
    let email: Option<String> = reader.optional(
        named(
            "bootstrap_admin_email",
            "The first administrator's address; made at the start where nobody has it.",
        ),
        "an e-mail address",
    );
    let password: Option<Secret> = reader.optional(
        named("bootstrap_admin_password", "The first administrator's password.").secret(),
        "a text",
    );
    let read = email.as_deref().map(Email::parse);
    if read == Some(Err(reckoner_domain::email::EmailError)) {
        reader.problem("bootstrap_admin_email", "must be an e-mail address such as ann@example.com");
    }
    if let Some(password) = &password {
        let text = password.expose();
        if text.chars().count() < ADMIN_PASSWORD_CHARS_MIN || text.len() > PASSWORD_BYTES_MAX {
            let reason = format!(
                "must have at least {ADMIN_PASSWORD_CHARS_MIN} characters and at most {PASSWORD_BYTES_MAX} bytes"
            );
            reader.problem("bootstrap_admin_password", reason);
        }
    }
    match (email.is_some(), password.is_some()) {
        (true, false) => reader.problem("bootstrap_admin_password", "must be set with bootstrap_admin_email"),
        (false, true) => reader.problem("bootstrap_admin_email", "must be set with bootstrap_admin_password"),
        _ => {}
    }
    Some(BootstrapAdmin { email: read?.ok()?, password: password? })
}

fn read_admin_ids(reader: &mut Reader<'_>) -> Vec<String> {
    let settings = [
        named(
            "admin_ids",
            "Who is made administrator at the start or once verified: addresses or ids of users, with commas between.",
        )
        .also(&["ADMIN_IDS"]),
        named("admin_eco_ids", "The same, by the own ids of their customers.").also(&["ADMIN_ECO_IDS"]),
    ];
    let mut ids = Vec::new();
    for setting in settings {
        let text: Option<String> = reader.optional(setting, "texts with commas between");
        let text = text.unwrap_or_default();
        ids.extend(text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned));
    }
    ids
}

fn read_limits(reader: &mut Reader<'_>) -> AuthLimits {
    AuthLimits {
        registrations_max: reader.number(
            named("auth.registrations_max", "Registrations from one client address within 15 minutes."),
            50,
            1..=1_000_000,
        ) as u32,
        login_failures_max: reader.number(
            named("auth.login_failures_max", "Failed logins from one client address within 15 minutes."),
            100,
            1..=1_000_000,
        ) as u32,
        recoveries_max: reader.number(
            named(
                "auth.recoveries_max",
                "Calls of each route of verification and reset within 15 minutes, from one client address and for one account.",
            ),
            5,
            1..=1_000_000,
        ) as u32,
        refreshes_max: reader.number(
            named("auth.refreshes_max", "Renewals of tokens from one client address within 15 minutes."),
            1_000,
            1..=1_000_000,
        ) as u32,
    }
}
