//! The clock of project `test`.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A time to set or advance the clock to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetTestClock {
    /// The project's time (RFC 3339).
    #[schema(format = DateTime)]
    pub frozen_time: String,
}

/// The clock.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TestClock {
    /// The project's time; null when it follows real time.
    pub frozen_time: Option<String>,
}

/// The clock after it was advanced.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AdvancedTestClock {
    /// The project's time.
    pub frozen_time: String,
    /// How many job runs were due on the way.
    pub jobs_run: u64,
}
