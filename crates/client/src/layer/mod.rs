//! A tower layer that meters requests and enforces limits.
use crate::limits::Limiter;
use crate::tracker::Tracker;
use http::request::Parts;
use repeats::Repeats;
use std::sync::Arc;

mod answer;
mod attribution;
mod body;
mod endpoint;
mod exchange;
mod repeats;
mod request_id;
mod service;

pub use attribution::Attribution;
pub use body::MeteredBody;
pub use endpoint::template;
pub use exchange::TrafficMeter;
pub use service::MeterService;

/// The event type of traffic unless said otherwise.
const TRAFFIC_METER: &str = "traffic.bytes";
/// The meter that is enforced unless said otherwise.
const CALLS_METER: &str = "api.calls";
/// Whom unattributed traffic goes to unless said otherwise.
const SYSTEM_CUSTOMER: &str = "system";
/// Where refused callers find more unless said otherwise.
const UPGRADE_URL: &str = "/dashboard/billing";

type Attribute = Arc<dyn Fn(&Parts) -> Attribution + Send + Sync>;
type NameEndpoint = Arc<dyn Fn(&Parts) -> String + Send + Sync>;

/// Meters every request that passes: one event `traffic.bytes` whose value is the bytes of both bodies, counted while
/// they stream and however far they came, with `endpoint`, `method`, `requestBytes`, `responseBytes`, `durationMs` and
/// `statusCode` as properties. With a [limiter](Self::enforce) it also decides whether a request may pass.
///
/// A request that carries the same `X-Request-Id` as an earlier one by the same user to the same endpoint is a retry
/// and counts once; from the sixth on each counts. Requests without one get one. Nothing is exempt: what nobody can be
/// charged for goes to a system customer.
///
/// ```
/// use axum::{Router, routing::get};
/// use reckoner_client::{Attribution, Client, MeterLayer, Tracker};
///
/// # fn app() -> Result<Router, Box<dyn std::error::Error>> {
/// let tracker = Tracker::start(Client::new("http://127.0.0.1:8080", "rk_live_...")?)?;
/// let layer = MeterLayer::new(tracker).attribute(|request| {
///     let customer = request.headers.get("x-customer-id").and_then(|value| value.to_str().ok());
///     customer.map_or_else(Attribution::none, Attribution::customer)
/// });
/// let app = Router::new().route("/files/{id}", get(|| async { "a file" })).layer(layer);
/// # Ok(app)
/// # }
/// ```
#[derive(Clone)]
pub struct MeterLayer {
    settings: Arc<Settings>,
}

#[derive(Clone)]
struct Settings {
    tracker: Tracker,
    limiter: Option<Limiter>,
    attribute: Attribute,
    endpoint: NameEndpoint,
    traffic_meter: String,
    calls_meter: String,
    system_customer: String,
    upgrade_url: String,
    takes_request_ids: bool,
    repeats: Arc<Repeats>,
}

impl MeterLayer {
    /// A layer that meters and refuses nothing.
    pub fn new(tracker: Tracker) -> Self {
        let settings = Settings {
            tracker,
            limiter: None,
            attribute: Arc::new(|parts| parts.extensions.get().cloned().unwrap_or_default()),
            endpoint: Arc::new(endpoint::of),
            traffic_meter: TRAFFIC_METER.to_owned(),
            calls_meter: CALLS_METER.to_owned(),
            system_customer: SYSTEM_CUSTOMER.to_owned(),
            upgrade_url: UPGRADE_URL.to_owned(),
            takes_request_ids: true,
            repeats: Arc::default(),
        };
        Self { settings: Arc::new(settings) }
    }

    /// Who a request is by. Without this the [`Attribution`] among the request's extensions, put there by an
    /// outer layer, or nobody.
    pub fn attribute(self, who: impl Fn(&Parts) -> Attribution + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.attribute = Arc::new(who))
    }

    /// How the endpoint of a request is named. Without this by axum's route template (feature `axum`), and where
    /// there is none by the path with [ids taken out](template).
    pub fn endpoint(self, name: impl Fn(&Parts) -> String + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.endpoint = Arc::new(name))
    }

    /// Ask whether each attributed request may pass: one unit of the enforced meter. Refusals are 429 with the
    /// customer's limit; what passes is recorded as an event of its own beside `traffic.bytes`.
    pub fn enforce(self, limiter: Limiter) -> Self {
        self.with(|settings| settings.limiter = Some(limiter))
    }

    /// The meter that is enforced, one unit a request; `api.calls` by default.
    pub fn calls_meter(self, meter: impl Into<String>) -> Self {
        self.with(|settings| settings.calls_meter = meter.into())
    }

    /// The event type of traffic; `traffic.bytes` by default.
    pub fn traffic_meter(self, meter: impl Into<String>) -> Self {
        self.with(|settings| settings.traffic_meter = meter.into())
    }

    /// Whom unattributed traffic goes to; `system` by default.
    pub fn system_customer(self, customer: impl Into<String>) -> Self {
        self.with(|settings| settings.system_customer = customer.into())
    }

    /// Where refused callers are sent to; `/dashboard/billing` by default.
    pub fn upgrade_url(self, url: impl Into<String>) -> Self {
        self.with(|settings| settings.upgrade_url = url.into())
    }

    /// Whether callers may name their requests: `true` by default. Callers who are not trusted with that can send five
    /// requests under one `X-Request-Id` and are counted once.
    pub fn take_request_ids(self, take: bool) -> Self {
        self.with(|settings| settings.takes_request_ids = take)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S> tower_layer::Layer<S> for MeterLayer {
    type Service = MeterService<S>;

    fn layer(&self, inner: S) -> MeterService<S> {
        MeterService::new(inner, Arc::clone(&self.settings))
    }
}

impl std::fmt::Debug for MeterLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Settings { traffic_meter, calls_meter, limiter, .. } = &*self.settings;
        let mut shown = f.debug_struct("MeterLayer");
        shown.field("traffic_meter", traffic_meter).field("calls_meter", calls_meter);
        shown.field("limiter", limiter).finish_non_exhaustive()
    }
}
