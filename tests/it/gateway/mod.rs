//! The gateway between a real Reckoner and web servers in other languages.
mod attribution;
mod bytes;
mod failures;
mod http;
mod outage;
mod relay;
mod world;

use world::{Application, Gateway, client, metered, reckoner, traffic};
