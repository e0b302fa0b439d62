//! The control plane: everything that is state and no event, on SQLite or PostgreSQL.
//!
//! One schema, one set of migrations and one SQL text for both. Each aggregate root has a file of
//! typed functions over anything that executes: a [`Db`], or a [`Tx`] where several writes belong
//! together. Every function names the project it acts on.
pub mod aggregations;
pub mod alert_notices;
pub mod alerts;
pub mod api_keys;
pub mod audit;
pub mod audit_check;
pub mod authenticators;
pub mod billing_details;
pub mod billing_standings;
pub mod catalog;
pub mod changes;
pub mod closings;
pub mod credit_notes;
pub mod customer_zones;
pub mod customers;
mod db;
pub mod erasing;
pub mod erasures;
mod error;
mod exec;
pub mod idempotency;
mod immutable;
pub mod invitations;
pub mod invoices;
pub mod job_retries;
pub mod job_runs;
pub mod leases;
pub mod level_snapshots;
pub mod locks;
pub mod login_failures;
pub mod mails;
pub mod memberships;
mod meter_definition;
pub mod meters;
mod migrate;
pub mod one_time_tokens;
mod open;
pub mod overview;
mod page;
pub mod project_zones;
pub mod projects;
pub mod provider_charges;
mod query;
pub mod quota_leases;
pub mod quota_notices;
pub mod rejected_events;
mod row;
mod scope;
pub mod sessions;
pub mod settings;
pub mod snapshot;
pub mod stripe;
pub mod subjects;
pub mod subscription_coupons;
pub mod subscription_moves;
pub mod subscription_phases;
pub mod subscriptions;
mod token_hash;
pub mod trial_reminders;
pub mod trials;
pub mod users;
pub mod wallets;
pub mod watermarks;
pub mod webhook_deliveries;
pub mod webhook_endpoints;
pub mod webhook_messages;
pub mod webhook_purge;
pub mod webhook_queue;
pub mod webhook_status;
pub mod workspace_invoices;

pub use db::{Db, Engine, PoolState, Tx};
pub use error::{Result, StoreError};
pub use exec::{Exec, Record};
pub use meter_definition::{Definition, DefinitionError};
pub use open::{Place, PostgresSettings, SqliteSettings};
pub use page::{Cursor, CursorError, LIMIT_COMPATIBLE_MAX, LIMIT_DEFAULT, LIMIT_MAX, Limit, Page};
pub use query::{Query, STATEMENTS, Statement, Val};
pub use row::{count, json, sequence, time};
pub use scope::{Scope, Scopes, UnknownScope};
pub use token_hash::TokenHash;

/// Registers a statement and binds its arguments to `$1`, `$2`, ...: one text for both engines, or
/// `sqlite: .., postgres: ..` where one cannot serve both.
#[macro_export]
macro_rules! sql {
    (sqlite: $sqlite:expr, postgres: $postgres:expr $(, $arg:expr)* $(,)?) => {{
        #[expect(unsafe_code, reason = "the linker collects the registry")]
        #[linkme::distributed_slice($crate::store::STATEMENTS)]
        static STATEMENT: $crate::store::Statement =
            $crate::store::Statement { sqlite: $sqlite, postgres: $postgres };
        $crate::store::Query::new(&STATEMENT, vec![$($crate::store::Val::from($arg)),*])
    }};
    ($text:expr $(, $arg:expr)* $(,)?) => {
        $crate::sql!(sqlite: $text, postgres: $text $(, $arg)*)
    };
}
