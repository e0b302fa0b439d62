//! System D's usage: recorded by services, read by whoever used it.
pub mod history;
pub mod quota;
pub mod record;

use super::Refused;
use crate::auth::caller::Caller;
use crate::http::compat::own_customer;
use crate::http::error::ApiError;
use crate::http::state::App;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use reckoner_domain::id::ProjectId;
use reckoner_domain::plan::Plan;
use reckoner_domain::ratio::Ratio;

/// The tier of a user without a plan.
const NO_TIER: &str = "none";

/// What is used: each is the event type and the key of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Tokens of language models.
    LlmTokens,
    /// Bytes of memory.
    MemoryStorage,
    /// Minutes of agents.
    AgentMinutes,
    /// Messages.
    Messages,
}

impl Resource {
    /// Each, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::LlmTokens, Self::MemoryStorage, Self::AgentMinutes, Self::Messages];

    /// The name, which is also that of the meter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LlmTokens => "llm_tokens",
            Self::MemoryStorage => "memory_storage",
            Self::AgentMinutes => "agent_minutes",
            Self::Messages => "messages",
        }
    }

    /// The resource of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

/// What is said of a name that is no resource's.
fn no_resource() -> String {
    let names = Resource::ALL.map(Resource::as_str).join(", ");
    format!("resourceType must be one of the following values: {names}")
}

/// Whoever asks for what is their own.
pub struct Own {
    /// Who asks.
    pub caller: Caller,
    /// The own id of the customer that they are, which for users who registered is the user's.
    pub user: String,
}

impl Own {
    /// The project that the call acts on.
    pub fn project(&self) -> ProjectId {
        self.caller.project
    }
}

impl FromRequestParts<App> for Own {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let (caller, user) = own_customer(parts, app).await?;
        let user = user.ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, "No usage record found"))?;
        Ok(Self { caller, user })
    }
}

fn tier(plan: Option<&Plan>) -> &str {
    plan.map_or(NO_TIER, |plan| plan.key.as_str())
}

/// An amount in words: whole numbers with commas, bytes in units of 1,024.
fn human(resource: Resource, amount: Ratio) -> String {
    let count = crate::http::compat::analytics::numbers::grouped(amount);
    match resource {
        Resource::LlmTokens => format!("{count} tokens"),
        Resource::AgentMinutes => format!("{count} minutes"),
        Resource::Messages => format!("{count} messages"),
        Resource::MemoryStorage => human_bytes(amount),
    }
}

fn human_bytes(amount: Ratio) -> String {
    const UNITS: [(&str, u64); 4] = [("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    let size = if amount.is_negative() { amount.negated().unwrap_or(amount) } else { amount };
    let unit = UNITS.into_iter().find(|(_, bytes)| size >= Ratio::from_count(*bytes));
    let (name, bytes) = unit.unwrap_or(("B", 1));
    let in_unit = amount.over(Ratio::from_count(bytes)).and_then(|number| number.to_parts_half_even(2));
    let text = in_unit.ok().and_then(|parts| Ratio::from_parts(parts, 2)).map(|number| number.to_shown());
    format!("{} {name}", text.unwrap_or_default())
}

impl From<crate::entitlements::DecideError> for Refused {
    fn from(error: crate::entitlements::DecideError) -> Self {
        ApiError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_in_words() {
        let ratio = |text: &str| Ratio::parse(text).expect("a number");
        for (resource, amount, told) in [
            (Resource::LlmTokens, "1234567", "1,234,567 tokens"),
            (Resource::AgentMinutes, "2.5", "2.5 minutes"),
            (Resource::Messages, "0", "0 messages"),
            (Resource::MemoryStorage, "0", "0 B"),
            (Resource::MemoryStorage, "1023", "1023 B"),
            (Resource::MemoryStorage, "1536", "1.5 KB"),
            (Resource::MemoryStorage, "1073741824", "1 GB"),
            (Resource::MemoryStorage, "-1610612736", "-1.5 GB"),
        ] {
            assert_eq!(human(resource, ratio(amount)), told);
        }
    }

    #[test]
    fn every_resource_is_found_by_its_name() {
        for resource in Resource::ALL {
            assert_eq!(Resource::parse(resource.as_str()), Some(resource));
        }
        assert_eq!(Resource::parse("Messages"), None);
    }
}
