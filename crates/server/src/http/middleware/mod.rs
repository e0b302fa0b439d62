//! What every request passes through.
pub mod authenticate;
pub mod browser;
pub mod cors;
pub mod front;
pub mod idempotency;
pub mod observe;
pub mod path;
pub mod protect;
pub mod rates;
pub mod request_id;
