//! What concerns mail: settings, and what must hold between them.
use super::Secret;
use super::reader::{Reader, named};
use lettre::message::Mailbox;
use std::str::FromStr;

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Whom it is from.
    pub from: String,
    /// The server; files in the data directory without one.
    pub smtp: Option<SmtpServer>,
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct SmtpServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who logs in there.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<Secret>,
    /// How the connection is protected.
    pub security: SmtpSecurity,
}

impl SmtpServer {
    /// The port of connections that are protected from the start.
    pub const TLS_PORT: u16 = 465;
}

/// How connections to a mail server are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS on port 465, else STARTTLS: required with a password, without one where the server has it.
    Auto,
    /// STARTTLS, required.
    StartTls,
    /// TLS from the start.
    Tls,
    /// Not at all.
    None,
}

impl FromStr for SmtpSecurity {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "auto" => Ok(Self::Auto),
            "starttls" => Ok(Self::StartTls),
            "tls" => Ok(Self::Tls),
            "none" => Ok(Self::None),
            _ => Err(()),
        }
    }
}

pub(super) fn read_mail(reader: &mut Reader<'_>) -> Mail {
    let host: Option<String> = reader.optional(
        named(
            "mail.smtp_host",
            "The mail server; without one mails are files in outbox/ of the data directory.",
        )
        .also(&["SMTP_HOST"]),
        "a host name or address",
    );
    let port =
        reader.number(named("mail.smtp_port", "Its port.").also(&["SMTP_PORT"]), 587, 1..=65_535) as u16;
    let user: Option<String> =
        reader.optional(named("mail.smtp_user", "Who logs in there.").also(&["SMTP_USER"]), "a text");
    let password: Option<Secret> = reader.optional(
        named("mail.smtp_password", "With which password.").also(&["SMTP_PASS"]).secret(),
        "a text",
    );
    if user.is_some() != password.is_some() {
        reader.problem("mail.smtp_user", "must be set with mail.smtp_password, or both left out");
    }
    let about = named(
        "mail.smtp_security",
        "starttls, tls (from the start), none, or auto: tls on port 465, else starttls, required with a password.",
    );
    let security = reader.value(about, "auto".to_owned(), "auto, starttls, tls or none");
    let security = security.parse().unwrap_or_else(|()| {
        reader.problem("mail.smtp_security", "must be auto, starttls, tls or none");
        SmtpSecurity::Auto
    });
    if security == SmtpSecurity::None && password.is_some() {
        reader.problem(
            "mail.smtp_security",
            "must not be none with a password, which would be sent in the clear",
        );
    }
    let from = reader.value(
        named("mail.from", "Whom mails are from."),
        "Reckoner <reckoner@localhost>".to_owned(),
        "an address",
    );
    if from.parse::<Mailbox>().is_err() {
        reader.problem("mail.from", "must be an address such as `Billing <billing@example.com>`");
    }
    let smtp = host.map(|host| SmtpServer { host, port, user, password, security });
    Mail { from, smtp }
}

/// What works but should be looked at. `knows_url` tells whether links can lead elsewhere than to the
/// address that is listened on.
pub(super) fn warnings(mail: &Mail, knows_url: bool) -> Vec<String> {
    let text = match &mail.smtp {
        None => "mail.smtp_host is not set: mails are written to outbox/ of the data directory",
        Some(_) if !knows_url => {
            "public_url is not set: links in mails lead to the address that is listened on"
        }
        Some(_) => return Vec::new(),
    };
    vec![text.to_owned()]
}
