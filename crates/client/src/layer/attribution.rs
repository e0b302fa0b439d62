//! Who a request is by.
use reckoner_api::event::SourceContext;

/// Most bytes of a customer, a subject and a user.
const NAME_BYTES_MAX: usize = 255;

/// Who a request is by, and where it arose.
#[derive(Clone, Debug, Default)]
pub struct Attribution {
    pub(super) customer: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) user: Option<String>,
    pub(super) source: Option<SourceContext>,
}

impl Attribution {
    /// Nobody: the request goes to the system customer and is not limited.
    pub fn none() -> Self {
        Self::default()
    }

    /// This customer, by its own id. An id that no customer can have (none, or more than 255 bytes) is nobody.
    pub fn customer(id: impl Into<String>) -> Self {
        Self { customer: usable(id.into()), ..Self::default() }
    }

    /// The workspace, project, user or key of the customer that used it.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = usable(subject.into());
        self
    }

    /// The user whose requests have ids of their own; without this the subject, or else the customer.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = usable(user.into());
        self
    }

    /// Where the usage arose.
    pub fn source(mut self, source: SourceContext) -> Self {
        self.source = Some(source);
        self
    }

    /// Whether a customer is known.
    pub fn is_known(&self) -> bool {
        self.customer.is_some()
    }
}

fn usable(name: String) -> Option<String> {
    let good = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    good.then_some(name)
}
