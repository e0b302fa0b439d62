//! Whether Reckoner meters its own API.
use super::reader::{Reader, named};

/// What is metered of Reckoner itself.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Whether each request of its API becomes an event.
    pub meter_own_api: bool,
}

pub(super) fn read_traffic(reader: &mut Reader<'_>) -> Traffic {
    let about = named(
        "traffic.meter_own_api",
        "Whether each request of this API becomes an event traffic.bytes of its project, of live where it names none.",
    );
    Traffic { meter_own_api: reader.flag(about, false) }
}
