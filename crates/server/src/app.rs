//! A server, wired together: started, served, stopped.
use crate::auth::bootstrap::{self, BootstrapError, ShownKey};
use crate::auth::keys::Keys;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Definitions, Problem};
use crate::events::Events;
use crate::http::body::Budget;
use crate::http::error::ApiError;
use crate::http::state::{App, Parts};
use crate::http::{listen, router, v1};
use crate::ingest::record::{RecordError, Recorder};
use crate::ingest::rejections::Rejections;
use crate::jobs::{Jobs, Schedule, Scheduler, Trigger};
use crate::random::{self, NoRandomness};
use crate::store::meters::Source;
use crate::store::projects::{self, Project};
use crate::store::{
    Db, PostgresSettings, SqliteSettings, StoreError, aggregations, idempotency, leases, settings,
};
use crate::telemetry;
use crate::webhooks::FileEndpoint;
use crate::webhooks::dispatcher::{self, Dispatcher, Settings, Waker};
use crate::webhooks::guard::{Guard, SystemLookup};
use crate::webhooks::sender::Sender;
use crate::webhooks::service::{WebhookError, Webhooks};
use crate::webhooks::vault::{self, Vault, VaultError};
use parking_lot::RwLock;
use reckoner_domain::id::MeterId;
use reckoner_domain::meter::{Meter, MeterKey};
use reckoner_eventlog::{EventLog, OpenError, Options};
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// The file of the embedded control plane, in the data directory.
pub const CONTROL_PLANE: &str = "control.sqlite";
/// How long requests under way may take when the server stops, in seconds.
const DRAIN_S: u64 = 5;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("the data directory {path}: {source}")]
    DataDir {
        /// The directory.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The event log cannot be opened.
    #[error(transparent)]
    EventLog(#[from] OpenError),
    /// The control plane cannot be opened.
    #[error("the control plane: {0}")]
    Store(#[from] StoreError),
    /// Secrets cannot be kept.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Keys cannot be made.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// Webhooks cannot be set up.
    #[error("webhooks: {0}")]
    Webhooks(#[from] WebhookError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// Customers of stored events cannot be made.
    #[error("customers: {0}")]
    Customers(#[from] RecordError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The files define what cannot be.
    #[error(transparent)]
    Config(ConfigError),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// A server that is ready to serve.
pub struct Server {
    app: App,
    listener: TcpListener,
    scheduler: Scheduler,
    dispatcher: Dispatcher,
    /// Keys made at this start, to be shown once.
    pub shown_keys: Vec<ShownKey>,
}

impl Server {
    /// Opens the stores, repairs what a crash may have left between them, and starts the background
    /// work.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        let metrics = telemetry::start_metrics().map_err(|error| StartError::Other(error.to_string()))?;
        make_dir(&config.data_dir)?;
        let log = open_log(&config.data_dir).await?;
        let db = open_db(&config, true).await?;
        // The event log's lock says that this is the only process of its stores.
        leases::end_all(&db).await?;
        idempotency::end_all(&db).await?;
        check_pair(&db, &log).await?;
        projects::ensure(&db, clock.real()).await?;
        set_time_zone(&db, &config.time_zone).await?;
        let projects = projects::list(&db).await?;
        for project in &projects {
            if let Some(frozen) = project.frozen_time {
                clock.freeze(project.id, frozen);
            }
        }
        let shown_keys = bootstrap::run(&db, &config, clock.real()).await?;
        let events = Events::new(log);
        let recorder = Recorder::new(db.clone(), clock.clone(), events.clone(), config.ingest.clone());
        let rejections = Rejections::start(db.clone(), clock.clone());
        let waker = Waker::default();
        let vault = open_vault(&config)?;
        let (webhooks, dispatcher) = start_webhooks(&config, &db, &clock, &vault, &waker)?;
        let jobs = Jobs {
            db: db.clone(),
            clock: clock.clone(),
            events: events.clone(),
            catalogues: recorder.catalogues.clone(),
            definitions: Arc::new(RwLock::new(Arc::new(Definitions::default()))),
            waker,
            schedule: Schedule::parse(&config.jobs.aggregate_cron)
                .ok_or_else(|| StartError::Other("jobs.aggregate_cron must be a cron expression".into()))?,
            worker: random::uuid_text(clock.real())?,
        };
        let keys = Keys::new(db.clone(), clock.clone());
        let trigger = Trigger::start(jobs.clone());
        let definitions = config.definitions.clone();
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.map_err(|source| StartError::Listen { address: config.listen, source })?;
        let stopping = AtomicBool::new(false);
        let bodies = Budget::new(config.ingest.held_bytes_max);
        let parts = Parts {
            config,
            clock,
            db,
            events,
            bodies,
            recorder,
            rejections,
            keys,
            jobs,
            trigger,
            webhooks,
            vault,
            meters_changing: tokio::sync::Mutex::default(),
            metrics,
            projects,
            stopping,
        };
        let app = App::new(parts);
        apply_definitions(&app, definitions).await?;
        restore_customers(&app).await?;
        let scheduler = Scheduler::start(app.jobs.clone(), app.keys.clone());
        Ok(Self { app, listener, scheduler, dispatcher, shown_keys })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr, StartError> {
        self.listener.local_addr().map_err(|error| StartError::Other(error.to_string()))
    }

    /// What handlers work with.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Serves until `stop`, then ends what is under way and closes the stores.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        let Self { app, listener, scheduler, dispatcher, .. } = self;
        let (draining, mut drain_began) = tokio::sync::watch::channel(false);
        let state = app.clone();
        let signal = async move {
            stop.await;
            state.stopping.store(true, Ordering::Relaxed);
            // The receiver lives until the end of this function.
            let _ = draining.send(true);
        };
        let served = listen::serve(listener, router::service(app.clone()), &app.config.http, signal);
        let cut_off = async move {
            // An error means that serving has ended by itself.
            let _ = drain_began.wait_for(|began| *began).await;
            tokio::time::sleep(Duration::from_secs(DRAIN_S)).await;
        };
        tokio::select! {
            () = served => {}
            () = cut_off => tracing::warn!("requests still under way after {DRAIN_S} s are cut off"),
        }
        scheduler.stop().await;
        dispatcher.stop().await;
        if let Err(error) = app.keys.note_uses().await {
            tracing::warn!(%error, "last uses of keys could not be written down");
        }
        app.rejections.flush().await;
        app.events.close().await;
        app.db.close().await;
        Ok(())
    }
}

fn make_dir(path: &Path) -> Result<(), StartError> {
    std::fs::create_dir_all(path)
        .map_err(|source| StartError::DataDir { path: path.display().to_string(), source })
}

async fn open_log(data_dir: &Path) -> Result<EventLog, StartError> {
    let seed = random::bytes::<16>()?;
    let store_id = u128::from_le_bytes(random::bytes::<16>()?);
    let options = Options::new(data_dir.join("events"), seed, store_id);
    let opened = tokio::task::spawn_blocking(move || EventLog::open(&options)).await;
    Ok(opened.map_err(|error| StartError::Other(error.to_string()))??)
}

/// Opens the control plane that the configuration names. Without `migrate` a schema that is not
/// this program's is refused instead of brought up to date.
pub async fn open_db(config: &Config, migrate: bool) -> Result<Db, StoreError> {
    match &config.database_url {
        Some(url) => {
            let settings = PostgresSettings {
                connections_max: config.database_pool_max,
                migrate,
                ..PostgresSettings::new(url.expose())
            };
            Db::open_postgres(&settings).await
        }
        None => {
            let settings = SqliteSettings::new(config.data_dir.join(CONTROL_PLANE));
            Db::open_sqlite(&SqliteSettings { migrate, ..settings }).await
        }
    }
}

/// Refuses a control plane that belongs to another event log: its totals and customers would be of
/// other events.
async fn check_pair(db: &Db, log: &EventLog) -> Result<(), StartError> {
    let ours = format!("{:032x}", log.store_id());
    let known = settings::get_or_set(db, "event_log", &ours).await?;
    if known == ours {
        return Ok(());
    }
    let text = "the control plane belongs to another event log: start with the data directory and database that \
                belong together";
    Err(StartError::Other(text.to_owned()))
}

/// Sets the time zone of the projects' calendar periods, as long as none is aggregated.
async fn set_time_zone(db: &Db, name: &str) -> Result<(), StartError> {
    for project in projects::list(db).await?.into_iter().filter(|project| project.time_zone != name) {
        if aggregations::count(db, project.id).await? > 0 {
            let text = format!(
                "time_zone cannot change from {} to {name}: periods of project {} are aggregated already",
                project.time_zone, project.name
            );
            return Err(StartError::Other(text));
        }
        projects::set_time_zone(db, project.id, name).await?;
    }
    Ok(())
}

fn start_webhooks(
    config: &Config,
    db: &Db,
    clock: &Clock,
    vault: &Vault,
    waker: &Waker,
) -> Result<(Webhooks, Dispatcher), StartError> {
    let guard = Guard::new(config.webhooks.allow_private, Arc::new(SystemLookup));
    let sender = Sender::new(guard.clone()).map_err(|error| StartError::Other(error.to_string()))?;
    let settings = Settings { dry_run: config.webhooks.dry_run, ..Settings::default() };
    let parts =
        dispatcher::Parts { db: db.clone(), clock: clock.clone(), vault: vault.clone(), sender, settings };
    let dispatcher = Dispatcher::start(parts, waker)?;
    Ok((Webhooks::new(db.clone(), clock.clone(), vault.clone(), guard, waker.clone()), dispatcher))
}

fn open_vault(config: &Config) -> Result<Vault, VaultError> {
    let key = config.secret_key.as_ref().map(|key| key.expose());
    vault::load(&config.data_dir.join("secret.key"), key)
}

/// Puts the operator's files in force: meters, periods and endpoints, in every project.
pub async fn apply_definitions(app: &App, definitions: Definitions) -> Result<(), StartError> {
    let meters = meters_of(&definitions).map_err(|problems| StartError::Config(ConfigError(problems)))?;
    let failed = |error: ApiError| StartError::Other(format!("meters: {}", error.detail()));
    let changing = app.meters_changing.lock().await;
    for Project { id, .. } in &app.projects {
        for meter in &meters {
            v1::meters::put(app, *id, meter.clone(), Source::File).await.map_err(failed)?;
        }
        if definitions.from_file {
            v1::meters::archive_left_out(app, *id, &meters).await.map_err(failed)?;
        }
        v1::meters::reload(app, *id).await.map_err(failed)?;
    }
    drop(changing);
    let endpoint = |webhook: &crate::config::FileWebhook| FileEndpoint {
        url: webhook.url.clone(),
        secret: Some(webhook.secret.expose().to_owned()),
        enabled: webhook.enabled,
        project: webhook.project.clone(),
    };
    let endpoints: Vec<FileEndpoint> = definitions.webhooks.iter().map(endpoint).collect();
    app.webhooks.sync_file(&endpoints).await?;
    *app.jobs.definitions.write() = Arc::new(definitions);
    Ok(())
}

/// What is wrong with the meters that the operator's files define.
pub fn check_definitions(definitions: &Definitions) -> Vec<Problem> {
    meters_of(definitions).err().unwrap_or_default()
}

/// The meters that the operator's files define.
fn meters_of(definitions: &Definitions) -> Result<Vec<Meter>, Vec<Problem>> {
    let mut meters: Vec<Meter> = Vec::new();
    let mut problems = Vec::new();
    let mut note = |setting: String, reason: String| problems.push(Problem { setting, reason });
    for (event_type, aggregation) in &definitions.events {
        match MeterKey::parse(event_type) {
            Ok(key) => meters.push(Meter::plain(MeterId::from_bits(0), key, *aggregation)),
            Err(error) => note(format!("events.{event_type}"), error.to_string()),
        }
    }
    for (index, definition) in definitions.meters.iter().enumerate() {
        match v1::meters::from_file(definition) {
            Ok(meter) if meters.iter().any(|known| known.key == meter.key) => {
                // Each start would make two versions of it.
                note(format!("meters[{index}].key"), format!("{} is defined already", meter.key));
            }
            Ok(meter) => meters.push(meter),
            Err(faults) => {
                for fault in faults {
                    note(format!("meters[{index}].{}", fault.field), fault.reason);
                }
            }
        }
    }
    if problems.is_empty() { Ok(meters) } else { Err(problems) }
}

/// A crash between an event's commit and its customer's leaves the customer to be made here.
async fn restore_customers(app: &App) -> Result<(), StartError> {
    for Project { id, .. } in &app.projects {
        let customers =
            app.events.customers(*id).await.map_err(|error| StartError::Other(error.to_string()))?;
        let customers = customers.iter().map(ToString::to_string).collect();
        app.recorder.ensure_customers(*id, customers).await?;
    }
    Ok(())
}
