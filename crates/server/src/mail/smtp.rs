//! Mail over SMTP: pooled connections, each step bounded in time.
use super::message::Letter;
use super::transport::SendError;
use crate::config::{SmtpSecurity, SmtpServer};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransportBuilder, Error, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use parking_lot::Mutex;
use std::error::Error as _;
use std::fmt;
use std::time::Duration;

/// How long connecting may take, in seconds.
const CONNECT_S_MAX: u64 = 10;
/// How long a mail may take in all, in seconds.
const SEND_S_MAX: u64 = 15;
/// Most connections at once.
const CONNECTIONS_MAX: u32 = 4;
/// How long a connection may idle, in seconds.
const IDLE_S_MAX: u64 = 60;

/// A pool of connections to the mail server.
type Pool = AsyncSmtpTransport<Tokio1Executor>;

/// A mail server.
pub struct Smtp {
    builder: AsyncSmtpTransportBuilder,
    pool: Mutex<Pool>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Smtp(***)")
    }
}

impl Smtp {
    /// Connects to nothing yet.
    pub fn new(server: &SmtpServer) -> Result<Self, Error> {
        let tls = || TlsParameters::new(server.host.clone());
        let security = match server.security {
            SmtpSecurity::None => Tls::None,
            SmtpSecurity::StartTls => Tls::Required(tls()?),
            SmtpSecurity::Tls => Tls::Wrapper(tls()?),
            // A password is never sent in the clear.
            SmtpSecurity::Auto if server.port == SmtpServer::TLS_PORT => Tls::Wrapper(tls()?),
            SmtpSecurity::Auto if server.user.is_some() => Tls::Required(tls()?),
            SmtpSecurity::Auto => Tls::Opportunistic(tls()?),
        };
        let pool = PoolConfig::new().max_size(CONNECTIONS_MAX).idle_timeout(Duration::from_secs(IDLE_S_MAX));
        let mut builder = Pool::builder_dangerous(server.host.clone())
            .port(server.port)
            .tls(security)
            .timeout(Some(Duration::from_secs(CONNECT_S_MAX)))
            .pool_config(pool);
        if let (Some(user), Some(password)) = (&server.user, &server.password) {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        let pool = Mutex::new(builder.clone().build());
        Ok(Self { builder, pool })
    }

    /// Sends a mail.
    pub async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let pool = self.pool.lock().clone();
        let sending = pool.send(letter.message.clone());
        match tokio::time::timeout(Duration::from_secs(SEND_S_MAX), sending).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(SendError::new(&told(&error), error.is_permanent())),
            Err(_) => {
                // The connection went back to its pool in the middle of a mail: nobody shall have it.
                *self.pool.lock() = self.builder.clone().build();
                Err(SendError::new(&format!("not sent within {SEND_S_MAX} s"), false))
            }
        }
    }
}

/// An error with what caused it.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
