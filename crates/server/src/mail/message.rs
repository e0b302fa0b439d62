//! A mail as SMTP carries it.
use super::template::Rendered;
use lettre::message::header::{ContentType, ContentTypeErr};
use lettre::message::{Attachment, Mailbox, MultiPart};
use lettre::{Address, Message};
use reckoner_domain::time::{SECOND, Timestamp};
use std::time::{Duration, UNIX_EPOCH};

/// Why no mail can be made of it.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The recipient is no address.
    #[error("the recipient is no address: {0}")]
    Recipient(#[from] lettre::address::AddressError),
    /// What is attached has no media type.
    #[error("what is attached has no media type: {0}")]
    Attached(#[from] ContentTypeErr),
    /// Its parts do not go together.
    #[error("the mail cannot be built: {0}")]
    Build(#[from] lettre::error::Error),
}

/// A file that goes with a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub media_type: &'static str,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A mail ready to be sent.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The mail.
    pub message: Message,
    /// Its identifier, which names its file in the outbox.
    pub id: String,
}

impl Letter {
    /// Puts a mail together. `id` names it for ever: a mail that is sent again has the same
    /// `Message-ID`, so that mailboxes can tell.
    pub fn new(
        id: &str,
        from: &Mailbox,
        recipient: &str,
        (words, attached): (Rendered, Option<Attached>),
        now: Timestamp,
    ) -> Result<Self, MessageError> {
        let to = Mailbox::new(None, recipient.parse::<Address>()?);
        let seconds = now.as_micros().div_euclid(SECOND);
        let date = UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
        let mut body = MultiPart::alternative_plain_html(words.text, words.html);
        if let Some(file) = attached {
            let kind = ContentType::parse(file.media_type)?;
            body = MultiPart::mixed()
                .multipart(body)
                .singlepart(Attachment::new(file.name).body(file.bytes, kind));
        }
        let message = Message::builder()
            .from(from.clone())
            .to(to)
            .subject(words.subject)
            .date(date)
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            .multipart(body)?;
        Ok(Self { message, id: id.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::template::Template;
    use super::*;

    #[test]
    fn a_letter_has_both_forms_and_a_lasting_name() {
        let from: Mailbox = "Billing <billing@example.com>".parse().expect("an address");
        let words = || (Template::example("verify-email").expect("known").render().expect("rendered"), None);
        let at = Timestamp::parse("2026-01-14T09:30:00Z").expect("a time");
        let letter = Letter::new("eml_1", &from, "ann@example.com", words(), at).expect("a letter");
        let text = String::from_utf8(letter.message.formatted()).expect("text");
        for part in [
            "From: Billing <billing@example.com>",
            "To: ann@example.com",
            "Message-ID: <eml_1@example.com>",
            "Date: Wed, 14 Jan 2026 09:30:00 +0000",
            "Content-Type: multipart/alternative",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Type: text/html; charset=utf-8",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let broken = Letter::new("eml_1", &from, "ann@example.com\r\nBcc: x@y.z", words(), at);
        assert!(matches!(broken, Err(MessageError::Recipient(_))));
    }

    #[test]
    fn a_file_goes_beside_both_forms() {
        let from: Mailbox = "billing@example.com".parse().expect("an address");
        let words = Template::example("invoice-ready").expect("known").render().expect("rendered");
        let at = Timestamp::parse("2026-01-14T09:30:00Z").expect("a time");
        let (name, media_type) = ("invoice-2.pdf".to_owned(), "application/pdf");
        let file = Attached { name, media_type, bytes: b"%PDF-1.7 \xff".to_vec() };
        let letter =
            Letter::new("eml_1", &from, "ann@example.com", (words, Some(file)), at).expect("a letter");
        let text = String::from_utf8(letter.message.formatted()).expect("text");
        for part in [
            "Content-Type: multipart/mixed",
            "Content-Type: multipart/alternative",
            "Content-Type: application/pdf",
            "Content-Disposition: attachment; filename=\"invoice-2.pdf\"",
            "Content-Transfer-Encoding: base64",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
