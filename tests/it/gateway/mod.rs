//! The gateway between a real Reckoner and web servers in other languages.
mod attribution;
mod bytes;
mod failures;
mod http;
mod layer;
mod limits;
mod metrics;
mod outage;
mod rates;
mod relay;
mod sdk;
#[expect(dead_code, reason = "the tests of the SDK use the rest of it")]
#[path = "../../../crates/client/tests/sdk/standin.rs"]
mod standin;
mod world;

use world::{Application, Gateway, client, metered, reckoner, traffic};
