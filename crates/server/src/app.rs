//! A server, wired together: started, served, stopped.
mod definitions;
mod people;

pub use definitions::{apply_definitions, check_definitions, reapply};

use crate::alerts::{self, Alerts};
use crate::auth::accounts::{AdminError, Resets};
use crate::auth::bootstrap::{self, BootstrapError, ShownKey};
use crate::auth::keys::Keys;
use crate::auth::services::Services;
use crate::billing::Billing;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Definitions};
use crate::entitlements::{Entitlements, Warner};
use crate::events::Events;
use crate::http::body::Budget;
use crate::http::own_traffic::OwnTraffic;
use crate::http::state::{App, Parts};
use crate::http::{listen, router};
use crate::ingest::record::{RecordError, Recorder};
use crate::ingest::rejections::Rejections;
use crate::jobs::{self, Jobs, Moving, Schedule, Scheduler, Trigger};
use crate::mail::{self, Mailer, TransportError};
use crate::payments::stripe::Stripe;
use crate::random::{self, NoRandomness};
use crate::store::projects::{self, Project};
use crate::store::webhook_endpoints::{self, Source};
use crate::store::{
    Db, Place, PostgresSettings, SqliteSettings, StoreError, authenticators, catalog, idempotency, leases,
    mails, settings, subjects,
};
use crate::telemetry;
use crate::webhooks::dispatcher::{self, Dispatcher, Settings, Waker};
use crate::webhooks::guard::{Guard, SystemLookup};
use crate::webhooks::sender::Sender;
use crate::webhooks::service::{WebhookError, Webhooks};
use crate::webhooks::vault::{self, Purpose, Vault, VaultError};
use parking_lot::RwLock;
use reckoner_client::rates::Buckets;
use reckoner_domain::time::Timestamp;
use reckoner_eventlog::{EventLog, OpenError, Options};
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// The file of the embedded control plane, in the data directory.
pub const CONTROL_PLANE: &str = "control.sqlite";
/// The directory of the event log in the data directory.
pub const EVENTS: &str = "events";
/// The key of secrets at rest in the data directory, where the operator gives none.
pub const SECRET_KEY: &str = "secret.key";
/// Mails as files in the data directory, where no mail server is configured.
pub const OUTBOX: &str = "outbox";
/// The setting that says which event log a control plane belongs to.
pub const EVENT_LOG: &str = "event_log";
/// The mode of a data directory that is made.
const DATA_DIR_MODE: u32 = 0o700;
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
    /// Stored secrets cannot be opened.
    #[error(
        "{0} secret(s) of webhook endpoints and authenticators do not open with this key: set secret_key (RECKONER_SECRET_KEY) to the \
         key they were stored with, or unset it and put the file secret.key of the data directory back"
    )]
    Secrets(usize),
    /// Webhooks cannot be set up.
    #[error("webhooks: {0}")]
    Webhooks(#[from] WebhookError),
    /// Administrators cannot be made.
    #[error(transparent)]
    Admins(#[from] AdminError),
    /// Mail cannot be set up.
    #[error(transparent)]
    Mail(#[from] TransportError),
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
    warner: Warner,
    watcher: alerts::Watcher,
    dispatcher: Dispatcher,
    mail: mail::Dispatcher,
    /// Where it listens.
    pub address: SocketAddr,
    /// Keys made at this start, to be shown once.
    pub shown_keys: Vec<ShownKey>,
}

impl Server {
    /// Opens the stores, repairs what a crash may have left between them, and starts the background
    /// work.
    ///
    /// Nothing is changed before it is known that the stores belong together and that the address is
    /// free. First keys, and then background work, come last: a server that does not come up, or does
    /// not know the operator's files yet, makes no key, sends nothing and runs no job.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        let metrics = telemetry::start_metrics().map_err(|error| StartError::Other(error.to_string()))?;
        make_dir(&config.data_dir)?;
        let log = open_log(&config.data_dir).await?;
        let (listener, address) = bind(config.listen).await?;
        let db = open_pair(&config, &log).await?;
        let vault = open_vault(&config)?;
        check_secrets(&db, &vault, &config, clock.real()).await?;
        let projects = prepare_projects(&db, &config, &clock).await?;
        bootstrap::check(&db, &config, &projects).await?;
        let events = Events::new(log);
        let recorder = Recorder::new(db.clone(), clock.clone(), events.clone(), config.ingest.clone());
        let rejections = Rejections::start(db.clone(), clock.clone());
        let own_traffic = start_own_traffic(&config, (&db, &clock), &recorder);
        let waker = Waker::default();
        let (webhooks, sending) = prepare_webhooks(&config, &db, &clock, &vault, &waker)?;
        let mailer = Mailer::new(vault.clone());
        let billing = prepare_billing(&config, (&db, &clock), &recorder, (&waker, &mailer))?;
        let people = people::prepare(&config, (&db, &clock), (&vault, mailer), &billing, address)?;
        let (documents, accounts, mailing) = people;
        let resets = Resets::start(Arc::clone(&accounts));
        let entitlements = prepare_entitlements((&db, &clock), &recorder, &billing).await?;
        let outlets = (&waker, &accounts.mailer);
        let jobs = prepare_jobs(&config, (&db, &clock), &recorder, outlets, &billing)?;
        let keys = Keys::new(db.clone(), clock.clone());
        let services = Services::new(&config.services, Arc::clone(&accounts.signer), clock.clone(), &vault);
        let definitions = config.definitions.clone();
        let parts = Parts {
            rates: Buckets::new(config.rate_limits),
            bodies: Budget::new(config.ingest.held_bytes_max),
            config,
            clock,
            db,
            calls: Calls::new(events.clone()),
            events,
            recorder,
            billing,
            documents,
            entitlements,
            alerts: jobs.alerts.clone(),
            own_traffic,
            rejections,
            keys,
            accounts,
            services,
            resets,
            trigger: Trigger::new(jobs.clone()),
            jobs,
            webhooks,
            vault,
            meters_changing: tokio::sync::Mutex::default(),
            assignments_changing: tokio::sync::Mutex::default(),
            metrics,
            projects,
            stopping: AtomicBool::new(false),
        };
        let app = App::new(parts);
        restore_customers(&app).await?;
        apply_definitions(&app, definitions).await?;
        definitions::tell_absent_plans(&app).await?;
        app.accounts.prepare_admins(&app.projects).await?;
        follow_time_zone(&app).await?;
        // What follows cannot fail: keys that are made are shown.
        let shown_keys = bootstrap::run(&app.db, &app.config, &app.projects, &app.clock).await?;
        let (warner, watcher) = start_watches(&app, &waker);
        let dispatcher = Dispatcher::start(sending, &waker);
        let mail = mail::Dispatcher::start(mailing);
        let scheduler = start_scheduler(&app);
        Ok(Self { app, listener, scheduler, warner, watcher, dispatcher, mail, address, shown_keys })
    }

    /// What handlers work with.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Serves until `stop`, then ends what is under way and closes the stores.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        let Self { app, listener, scheduler, warner, watcher, dispatcher, mail, .. } = self;
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
            never = telemetry::keep_up(app.metrics.clone()) => match never {},
            () = cut_off => tracing::warn!("requests still under way after {DRAIN_S} s are cut off"),
        }
        scheduler.stop().await;
        tokio::join!(warner.stop(), watcher.stop(), dispatcher.stop(), mail.stop());
        if let Err(error) = app.keys.note_uses().await {
            tracing::warn!(%error, "last uses of keys could not be written down");
        }
        app.rejections.flush().await;
        if let Some(traffic) = &app.own_traffic {
            traffic.flush().await;
        }
        app.events.close().await;
        app.db.close().await;
        Ok(())
    }
}

/// Starts to meter the API itself, where that is wanted.
fn start_own_traffic(config: &Config, (db, clock): (&Db, &Clock), recorder: &Recorder) -> Option<OwnTraffic> {
    let wanted = config.traffic.meter_own_api;
    wanted.then(|| OwnTraffic::start(db.clone(), recorder.clone(), clock.clone()))
}

/// What looks after what customers have, with Stripe where an account is configured.
fn prepare_billing(
    config: &Config,
    (db, clock): (&Db, &Clock),
    recorder: &Recorder,
    outlets: (&Waker, &Mailer),
) -> Result<Billing, StartError> {
    let billing = Billing::new((db, clock), recorder, outlets, &config.billing, None);
    let settings = &config.stripe;
    if settings.live.is_none() && settings.test.is_none() {
        return Ok(billing);
    }
    let stripe = Stripe::new(db, clock, settings, config.billing.payment_days);
    let stripe = stripe.map_err(|error| StartError::Other(error.to_string()))?;
    Ok(billing.with_stripe(stripe, &config.billing))
}

/// What decides about limits.
async fn prepare_entitlements(
    (db, clock): (&Db, &Clock),
    recorder: &Recorder,
    billing: &Billing,
) -> Result<Entitlements, StoreError> {
    let (store, catalogues) = ((db.clone(), clock.clone()), recorder.catalogues.clone());
    Entitlements::start(store, recorder.events(), catalogues, billing.standing.clone()).await
}

/// What jobs work with.
fn prepare_jobs(
    config: &Config,
    (db, clock): (&Db, &Clock),
    recorder: &Recorder,
    (waker, mailer): (&Waker, &Mailer),
    billing: &Billing,
) -> Result<Jobs, StartError> {
    Ok(Jobs {
        db: db.clone(),
        clock: clock.clone(),
        events: recorder.events(),
        catalogues: recorder.catalogues.clone(),
        billing: billing.clone(),
        alerts: Alerts::new((db, clock), recorder, billing, (waker, mailer)),
        definitions: Arc::new(RwLock::new(Arc::new(Definitions::default()))),
        waker: waker.clone(),
        schedule: Schedule::parse(&config.jobs.aggregate_cron)
            .ok_or_else(|| StartError::Other("jobs.aggregate_cron must be a cron expression".into()))?,
        moving: Moving::default(),
        recorder: recorder.clone(),
        outbox: config.data_dir.join(OUTBOX),
        erasing: Arc::default(),
        worker: random::uuid_text(clock.real())?,
    })
}

/// Starts what looks at customers whose usage moved.
fn start_watches(app: &App, waker: &Waker) -> (Warner, alerts::Watcher) {
    let (entitlements, used) = (app.entitlements.clone(), app.recorder.used.clone());
    let warner = Warner::start(entitlements, used, waker.clone(), app.accounts.mailer.clone());
    (warner, alerts::Watcher::start(app.alerts.clone()))
}

/// Starts what runs by the clock.
fn start_scheduler(app: &App) -> Scheduler {
    let kept = jobs::Kept {
        webhook_days: app.config.webhooks.retention_days,
        event_days: app.config.events.retention_days,
    };
    Scheduler::start(app.jobs.clone(), app.keys.clone(), kept)
}

/// Makes the data directory its owner's. One that is there stays as it is: who may read it is the
/// operator's to decide.
fn make_dir(path: &Path) -> Result<(), StartError> {
    let failed = |source| StartError::DataDir { path: path.display().to_string(), source };
    std::fs::DirBuilder::new().recursive(true).mode(DATA_DIR_MODE).create(path).map_err(failed)?;
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & !DATA_DIR_MODE != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format!("{mode:o}"),
            "other users have access to the data directory, which holds all events and keys: chmod it to 700"
        );
    }
    Ok(())
}

async fn open_log(data_dir: &Path) -> Result<EventLog, StartError> {
    let seed = random::bytes::<16>()?;
    let store_id = u128::from_le_bytes(random::bytes::<16>()?);
    let options = Options::new(data_dir.join(EVENTS), seed, store_id);
    let opened = tokio::task::spawn_blocking(move || EventLog::open(&options)).await;
    Ok(opened.map_err(|error| StartError::Other(error.to_string()))??)
}

/// Listens there; answers the address that it came to be.
async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Opens the control plane that the configuration names. Without `migrate` a schema that is not
/// this program's is refused instead of brought up to date.
pub async fn open_db(config: &Config, migrate: bool) -> Result<Db, StoreError> {
    let db = Db::connect(&place(config)).await?;
    if migrate {
        db.migrate().await?;
    } else {
        db.check_schema().await?;
    }
    Ok(db)
}

fn place(config: &Config) -> Place {
    match &config.database_url {
        Some(url) => Place::Postgres(PostgresSettings {
            connections_max: config.database_pool_max,
            ..PostgresSettings::new(url.expose())
        }),
        None => Place::Sqlite(SqliteSettings::new(config.data_dir.join(CONTROL_PLANE))),
    }
}

/// Opens the control plane of this event log. One that belongs to another log is refused as it is,
/// before its schema changes: its totals and customers would be of other events, and the server of
/// that log may be running.
async fn open_pair(config: &Config, log: &EventLog) -> Result<Db, StartError> {
    let ours = format!("{:032x}", log.store_id());
    let db = Db::connect(&place(config)).await?;
    if settings::peek(&db, EVENT_LOG).await?.is_none_or(|known| known == ours) {
        db.migrate().await?;
        // Of two that start on an empty database at once, one gets it.
        if settings::get_or_set(&db, EVENT_LOG, &ours).await? == ours {
            return Ok(db);
        }
    }
    let text = "the control plane belongs to another event log: start with the data directory and database that \
                belong together";
    Err(StartError::Other(text.to_owned()))
}

/// Makes the projects where they are absent, ends what a process before this one left running in
/// them, and sets their clocks.
async fn prepare_projects(db: &Db, config: &Config, clock: &Clock) -> Result<Vec<Project>, StartError> {
    // The event log's lock says that this is the only process of its stores.
    leases::end_all(db).await?;
    idempotency::end_all(db).await?;
    mails::release_all(db).await?;
    projects::ensure(db, clock.real()).await?;
    let mut projects = projects::list(db).await?;
    for project in &mut projects {
        if let Some(frozen) = project.frozen_time {
            clock.freeze(project.id, frozen);
        }
        // In the store once nothing refuses this start any more.
        project.time_zone.clone_from(&config.time_zone);
    }
    Ok(projects)
}

/// What serves requests about webhooks, and what the dispatcher is to be started with.
fn prepare_webhooks(
    config: &Config,
    db: &Db,
    clock: &Clock,
    vault: &Vault,
    waker: &Waker,
) -> Result<(Webhooks, dispatcher::Parts), StartError> {
    let guard = Guard::new(config.webhooks.allow_private, Arc::new(SystemLookup));
    let sender = Sender::new(guard.clone()).map_err(|error| StartError::Other(error.to_string()))?;
    let settings = Settings { dry_run: config.webhooks.dry_run, ..Settings::default() };
    let parts = dispatcher::Parts {
        db: db.clone(),
        clock: clock.clone(),
        vault: vault.clone(),
        sender,
        worker: random::uuid_text(clock.real())?,
        settings,
    };
    Ok((Webhooks::new(db.clone(), clock.clone(), vault.clone(), guard, waker.clone()), parts))
}

/// Refuses a key that does not open what is stored: nothing could be signed. Endpoints of the
/// operator's file are sealed anew under the key in force, with the secret that the file gives.
async fn check_secrets(db: &Db, vault: &Vault, config: &Config, now: Timestamp) -> Result<(), StartError> {
    let mut closed = 0;
    for endpoint in webhook_endpoints::list_all(db).await? {
        if endpoint.source == Source::File && config.definitions.from_file {
            continue;
        }
        let previous = endpoint.previous.filter(|previous| now < previous.expires_at);
        let sealed = std::iter::once(endpoint.secret).chain(previous.map(|previous| previous.secret));
        let opens =
            |sealed: &String| vault.open(Purpose::WebhookSecret, endpoint.id.as_str(), sealed).is_ok();
        closed += usize::from(!sealed.collect::<Vec<_>>().iter().all(opens));
    }
    for one in authenticators::list(db).await? {
        closed += usize::from(vault.open(Purpose::Authenticator, one.user.as_str(), &one.secret).is_err());
    }
    if closed == 0 { Ok(()) } else { Err(StartError::Secrets(closed)) }
}

fn open_vault(config: &Config) -> Result<Vault, VaultError> {
    let key = config.secret_key.as_ref().map(|key| key.expose());
    vault::load(&config.data_dir.join(SECRET_KEY), key)
}

/// Lets periods follow the time zone that is configured.
async fn follow_time_zone(app: &App) -> Result<(), StartError> {
    let subscriptions = &app.billing.subscriptions;
    jobs::change_project_zones((&app.db, &app.clock), subscriptions, &app.config.time_zone)
        .await
        .map_err(|error| StartError::Other(error.to_string()))
}

/// A crash between an event's commit and its customer's leaves the customer to be made here.
async fn restore_customers(app: &App) -> Result<(), StartError> {
    for Project { id, .. } in &app.projects {
        let customers =
            app.events.customers(*id).await.map_err(|error| StartError::Other(error.to_string()))?;
        let customers = customers.iter().map(ToString::to_string).collect();
        app.recorder.ensure_customers(*id, customers).await?;
        for assignment in subjects::all_assignments(&app.db, *id).await? {
            app.recorder.assignments.put(*id, assignment);
        }
        app.recorder.used.set_limited(*id, catalog::has_plans(&app.db, *id).await?);
    }
    Ok(())
}
