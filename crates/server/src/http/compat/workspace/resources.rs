//! What system B meters, and by which meters of the project.
use super::Refusal;
use axum::http::StatusCode;
use reckoner_domain::meter::{Aggregation, Catalogue, Input, Meter};

/// What is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// Bytes of requests and answers.
    Traffic,
    /// Changes of the bytes held.
    Storage,
    /// Operations, by weight.
    Compute,
}

impl Resource {
    /// All of them, in the order of answers.
    pub const ALL: [Self; 3] = [Self::Traffic, Self::Storage, Self::Compute];

    /// The name in requests and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::Storage => "storage",
            Self::Compute => "compute",
        }
    }

    /// The resource of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| resource.as_str() == name)
    }

    /// The type of its events.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::Traffic => "traffic.bytes",
            Self::Storage => "storage.bytes",
            Self::Compute => "compute.units",
        }
    }

    /// The source of events that name none, such as those of the gateway.
    pub fn usual_source(self) -> &'static str {
        match self {
            Self::Traffic => "api",
            Self::Storage => "file",
            Self::Compute => "job",
        }
    }

    /// Whether a meter counts it: other meters may read its events for other ends.
    fn is_counted_by(self, meter: &Meter) -> bool {
        let aggregation = match self {
            Self::Traffic | Self::Compute => Aggregation::Sum,
            Self::Storage => Aggregation::TimeWeightedAvg,
        };
        meter.aggregation == aggregation
            && meter.value_property.is_none()
            && meter.filters.is_empty()
            && (self != Self::Storage || meter.input == Input::Delta)
    }
}

/// The meters of a project that count what system B meters.
pub struct Meters {
    traffic: Meter,
    storage: Meter,
    compute: Meter,
}

impl Meters {
    /// Finds them; where one is missing, the answer that says what to do about it.
    pub fn of(catalogue: &Catalogue) -> Result<Self, Refusal> {
        let find = |resource: Resource| {
            let mut reading = catalogue.reading(resource.event_type()).into_iter().flatten();
            reading.find(|meter| resource.is_counted_by(meter)).cloned()
        };
        let found = Resource::ALL.map(find);
        if let [Some(traffic), Some(storage), Some(compute)] = found {
            return Ok(Self { traffic, storage, compute });
        }
        let missing = Resource::ALL.iter().zip(&found).filter(|(_, found)| found.is_none());
        let missing: Vec<&str> = missing.map(|(resource, _)| resource.as_str()).collect();
        let text = format!(
            "Service misconfigured: no meter counts {}. Apply the catalogue `workspace`: reckoner catalog apply workspace",
            missing.join(", ")
        );
        Err(Refusal { status: StatusCode::SERVICE_UNAVAILABLE, text })
    }

    /// The meter of a resource.
    pub fn get(&self, resource: Resource) -> &Meter {
        match resource {
            Resource::Traffic => &self.traffic,
            Resource::Storage => &self.storage,
            Resource::Compute => &self.compute,
        }
    }
}
