//! Mail: what is written to people, queued with what causes it, and sent.
//!
//! A change and its mail are written in one transaction ([`Mailer::queue`]); the dispatcher claims
//! what is due, sends it over SMTP or into the file outbox, and records the attempt. A crash in
//! between sends again, under the same `Message-ID`.
mod dispatcher;
mod message;
mod outbox;
mod queue;
mod retry;
mod smtp;
mod template;
mod transport;

pub use dispatcher::{Dispatcher, Parts};
pub use message::{Attached, Letter, MessageError};
pub use outbox::remove as remove_from_outbox;
pub use queue::{About, MailError, Mailer};
pub use template::{
    AlertWords, Invoice, PaymentOverdue, Quota, Rendered, SubscriptionNews, Template, UnknownTemplate, What,
};
pub use transport::{SendError, Transport, TransportError};
