//! Jobs.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One run of a job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct JobRun {
    /// Identifies it.
    pub id: String,
    /// Which job.
    pub job: String,
    /// When it began, by the project's clock.
    pub started_at: String,
    /// When it ended; null while it runs.
    pub finished_at: Option<String>,
    /// `succeeded` or `failed`; null while it runs.
    pub result: Option<String>,
    /// What it did, or why it failed.
    pub detail: Option<String>,
}
