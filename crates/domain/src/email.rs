//! E-mail addresses of users.

/// Most bytes of an address (RFC 5321, 4.5.3.1.3, less the angle brackets).
pub const EMAIL_BYTES_MAX: usize = 254;
/// Most bytes before the `@` (RFC 5321, 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Most bytes of a label of a domain (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// An e-mail address, in lower case: `Ann@Example.com` and `ann@example.com` are one user's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

/// A text is no address that can be a user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address such as ann@example.com")]
pub struct EmailError;

impl Email {
    /// Reads an address: letters, digits and `.!#$%&'*+/=?^_{|}~-` with a backquote before the `@`, a
    /// host name with a dot, or `localhost`, after it. Spaces around it are dropped.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError)?;
        let good = text.len() <= EMAIL_BYTES_MAX && is_local(local) && is_domain(domain);
        if good { Ok(Self(text.to_ascii_lowercase())) } else { Err(EmailError) }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local(local: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    local.len() <= LOCAL_BYTES_MAX && local.split('.').all(|part| !part.is_empty() && part.bytes().all(good))
}

fn is_domain(domain: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(good)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let dotted = domain.contains('.') || domain.eq_ignore_ascii_case("localhost");
    dotted && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_lower_case() {
        for (text, read) in [
            ("ann@example.com", "ann@example.com"),
            (" Ann.Other+tag@Mail.Example.COM ", "ann.other+tag@mail.example.com"),
            ("root@localhost", "root@localhost"),
        ] {
            assert_eq!(Email::parse(text).as_ref().map(Email::as_str), Ok(read));
        }
    }

    #[test]
    fn other_texts_are_none() {
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "b.".repeat(130));
        for text in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@example",
            "a b@example.com",
            "ann@exa mple.com",
            ".ann@example.com",
            "ann..other@example.com",
            "ann@-example.com",
            "ann@example..com",
            "ann@example.com\r\nBcc: x@y.zz",
            "\"ann\"@example.com",
            "änn@example.com",
            "ann@other@example.com",
            &long,
            &longer,
        ] {
            assert_eq!(Email::parse(text), Err(EmailError), "{text}");
        }
    }
}
