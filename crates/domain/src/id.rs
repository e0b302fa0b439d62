//! Identifiers with a prefix, so that one is never taken for another.

/// A text is no identifier of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an identifier that begins with `{prefix}`")]
pub struct IdError {
    /// The prefix that was expected.
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// What every identifier of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Made from 128 bits that must be unique (a `UUIDv7` keeps them in order of making).
            pub fn from_bits(bits: u128) -> Self {
                Self(format!(concat!($prefix, "{:032x}"), bits))
            }

            /// Reads an identifier strictly: prefix and 32 lower-case hexadecimal digits.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let error = IdError { prefix: $prefix };
                let digits = text.strip_prefix($prefix).ok_or(error.clone())?;
                let good = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                if good { Ok(Self(text.to_owned())) } else { Err(error) }
            }
        }

        crate::text::as_text!($name, IdError);
    )* };
}

ids! {
    /// A customer.
    CustomerId = "cus_";
    /// A version of a meter.
    MeterId = "mtr_";
    /// A webhook endpoint.
    EndpointId = "whe_";
    /// A message to deliver, the same for every endpoint that gets it.
    MessageId = "msg_";
    /// A delivery of one message to one endpoint.
    DeliveryId = "dlv_";
    /// An API key.
    ApiKeyId = "key_";
    /// A run of a job.
    JobRunId = "run_";
    /// An event that was not stored.
    RejectedEventId = "rej_";
    /// A user.
    UserId = "usr_";
    /// A session: one login and every token that follows from it.
    SessionId = "ses_";
    /// A mail.
    MailId = "eml_";
    /// An invitation to a project.
    InvitationId = "ivt_";
    /// A subscription.
    SubscriptionId = "sub_";
    /// Units of a quota that a client took ahead.
    LeaseId = "lse_";
    /// The erasure of a customer.
    ErasureId = "ers_";
    /// A final invoice.
    InvoiceId = "inv_";
    /// A credit note.
    CreditNoteId = "crn_";
    /// A charge that a payment provider collects.
    ChargeId = "chg_";
    /// An alert.
    AlertId = "alt_";
    /// One time that an alert fired.
    AlertNoticeId = "aln_";
}

/// A project, numbered in the order of making; event records carry the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectId(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_what_it_makes() {
        let id = CustomerId::from_bits(255);
        assert_eq!(id.as_str(), "cus_000000000000000000000000000000ff");
        assert_eq!(CustomerId::parse(id.as_str()), Ok(id.clone()));
        for text in [
            "",
            "cus_",
            "cus_ff",
            "mtr_000000000000000000000000000000ff",
            "cus_000000000000000000000000000000FF",
        ] {
            assert_eq!(CustomerId::parse(text), Err(IdError { prefix: "cus_" }), "{text}");
        }
    }
}
