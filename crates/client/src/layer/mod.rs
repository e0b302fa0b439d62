//! A tower layer that meters requests and enforces limits.
use crate::clock;
use crate::limits::Limiter;
use crate::rates::{Buckets, RateLimits};
use crate::tracker::Tracker;
use http::request::Parts;
use repeats::Repeats;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

mod answer;
mod attribution;
mod body;
mod endpoint;
mod exchange;
mod finished;
mod rated;
mod repeats;
mod request_id;
mod service;

pub use attribution::Attribution;
pub use body::MeteredBody;
pub use endpoint::template;
pub use exchange::TrafficMeter;
pub use finished::{DecidedBy, Finished, Refusal};
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
type HearFinished = Arc<dyn Fn(&Finished<'_>) + Send + Sync>;
/// Microseconds since 1970.
type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

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
    rates: Option<Arc<Buckets>>,
    clock: Clock,
    on_finished: Option<HearFinished>,
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
            rates: None,
            clock: Arc::new(clock::now_micros),
            on_finished: None,
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

    /// How often each API key, customer and client address may call, in real time, decided without asking the server:
    /// token buckets of this layer and its clones. Refusals are 429 with `Retry-After` and a JSON body, and come before
    /// the [limiter](Self::enforce) is asked: they are no calls, take nothing of a quota and nothing of the other buckets,
    /// and are traffic. All answers say how the limits stand, beside the quota, in `RateLimit` and `RateLimit-Policy`;
    /// `X-RateLimit-*` is of the limit that refused, else of the quota, else of the limit with least left.
    ///
    /// Which key and which address a request has says its [`Attribution`]; a request without one of them is not limited
    /// by it, and one of nobody falls under the limits of its key and address only.
    ///
    /// ```
    /// use axum::{Router, body::Body, http::Request, routing::get};
    /// use reckoner_client::{Attribution, Client, MeterLayer, Rate, RateLimits, Rates, Tracker};
    /// use tower::ServiceExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let tracker = Tracker::builder(Client::new("http://127.0.0.1:9", "rk_live_...")?)
    /// #     .drop_wait(std::time::Duration::ZERO).start()?;
    /// let limits = RateLimits::default()
    ///     .per_key(Rates::default().per_second(Rate::new(10).at_once(20)))
    ///     .per_customer("2/m".parse()?)
    ///     .per_address("50/s,1000/m".parse()?);
    /// let layer = MeterLayer::new(tracker).rate_limits(limits).attribute(|request| {
    ///     let text = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
    ///     let who = text("x-customer-id").map_or_else(Attribution::none, Attribution::customer);
    ///     // The address is that of axum's ConnectInfo unless said here.
    ///     text("x-api-key").into_iter().fold(who, Attribution::key)
    /// });
    /// let app = Router::new().route("/", get(|| async { "good" })).layer(layer);
    ///
    /// let mut statuses = Vec::new();
    /// for _ in 0..3 {
    ///     let request = Request::get("/").header("x-customer-id", "acme").body(Body::empty())?;
    ///     statuses.push(app.clone().oneshot(request).await?.status().as_u16());
    /// }
    /// assert_eq!(statuses, [200, 200, 429]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rate_limits(self, limits: RateLimits) -> Self {
        self.with(|settings| settings.rates = limits.is_on().then(|| Arc::new(Buckets::new(limits))))
    }

    /// What time it is for [rate limits](Self::rate_limits): the system's unless said here, as tests do.
    pub fn clock(self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        let micros = move || {
            let since = now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
        };
        self.with(|settings| settings.clock = Arc::new(micros))
    }

    /// Calls `hear` when a request is over, for metrics of the service's own. It is called by whoever has the last part of
    /// the request and has to return at once.
    pub fn on_finished(self, hear: impl Fn(&Finished<'_>) + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.on_finished = Some(Arc::new(hear)))
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
        let Settings { traffic_meter, calls_meter, limiter, rates, .. } = &*self.settings;
        let mut shown = f.debug_struct("MeterLayer");
        shown.field("traffic_meter", traffic_meter).field("calls_meter", calls_meter);
        let rates = rates.as_ref().map(|rates| rates.limits());
        shown.field("limiter", limiter).field("rates", &rates).finish_non_exhaustive()
    }
}
