//! A long load: sends many events while the server is killed now and then, and holds its totals against what was sent.
//!
//! Events follow from their numbers alone, so that a batch that was not answered is sent again as it was, and so that
//! what the totals must be is known without asking the server.
use crate::Result;
use crate::beside_duckdb;
use crate::http::{self, Connection};
use crate::server::{KEY, Server};
use crate::soak_events::{CUSTOMERS, DAYS, Expected, Plan, customer_name, scramble};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections that send at once.
const CONNECTIONS: usize = 16;
/// Every so many batches one is sent twice.
const REPEAT_EVERY: u64 = 50;
/// Events whose rate at the beginning and at the end is compared.
const EDGE_EVENTS: u64 = 1_000_000;
/// Queries of each kind whose time is told.
const QUERIES: u64 = 2_000;
/// How often it is looked how far the load has come, and the disk is probed.
const LOOK: Duration = Duration::from_millis(20);
/// How long nothing may change among the log's files until it counts as sealed.
const SEALED_AFTER: Duration = Duration::from_secs(20);
const PROBE_PAUSE: Duration = Duration::from_millis(250);

/// What a soak is asked to do.
pub struct Soak {
    /// The binary.
    pub server: PathBuf,
    /// Where the data go.
    pub dir: PathBuf,
    /// How many events, in batches of a thousand.
    pub events: u64,
    /// How often the server is killed on the way.
    pub kills: u64,
    /// A Python with the package duckdb.
    pub duckdb: Option<PathBuf>,
}

/// What the senders share.
struct Sending {
    plan: Plan,
    next: AtomicU64,
    done: AtomicU64,
    repeats: AtomicU64,
    slowest_us: AtomicU64,
}

impl Soak {
    /// Runs it and prints what came of it; an error where a total is wrong.
    pub async fn run(&self) -> Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        let folder = tempfile::tempdir_in(&self.dir)?;
        let mut server = Server::start(&self.server, folder.path())?;
        let plan = Plan::new(self.events);
        let (tell, address) = watch::channel(server.child.address.clone());
        let zero = AtomicU64::default;
        let sending =
            Arc::new(Sending { plan, next: zero(), done: zero(), repeats: zero(), slowest_us: zero() });
        let mut senders = JoinSet::new();
        for _ in 0..CONNECTIONS {
            senders.spawn(send(Arc::clone(&sending), address.clone()));
        }
        let probe = Probe::start(folder.path());
        let began = Instant::now();
        let (mut peak_kib, mut marks) = (0, Vec::new());
        let mut kills = 0;
        while !senders.is_empty() {
            tokio::time::sleep(LOOK).await;
            let done = sending.done.load(Ordering::Relaxed);
            marks.push((done, began.elapsed()));
            peak_kib = peak_kib.max(server.child.memory_kib("VmHWM").unwrap_or(0));
            if kills < self.kills && done >= self.events * (kills + 1) / (self.kills + 1) {
                kills += 1;
                drop(server);
                let killed = Instant::now();
                server = Server::start(&self.server, folder.path())?;
                println!(
                    "kill {kills} at {done} events: serving again after {:.2} s",
                    killed.elapsed().as_secs_f64()
                );
                tell.send(server.child.address.clone())?;
            }
            while let Some(sent) = senders.try_join_next() {
                sent??;
            }
        }
        let elapsed = began.elapsed();
        let load = Load { began_at: marks, elapsed, events: self.events };
        load.print(&sending, peak_kib, &probe.end());
        println!("memory when it ended: {} MiB", server.child.memory_kib("VmRSS").unwrap_or(0) / 1024);
        let expected = Expected::of(&sending.plan);
        check(&server.child.address, &sending.plan, &expected).await?;
        println!("totals of {CUSTOMERS} customers and {} days are exact", DAYS + 1);
        time_queries(&server.child.address, &sending.plan).await?;
        wait_until_sealed(&folder.path().join("data")).await?;
        time_queries(&server.child.address, &sending.plan).await?;
        if let Some(python) = &self.duckdb {
            let events = folder.path().join("data/events");
            beside_duckdb::run(&server.child.address, &sending.plan, python, &events).await?;
        }
        println!("memory then: {} MiB", server.child.memory_kib("VmRSS").unwrap_or(0) / 1024);
        println!("on disk: {} MiB", size(&folder.path().join("data"))? / (1024 * 1024));
        drop(server);
        let killed = Instant::now();
        let server = Server::start(&self.server, folder.path())?;
        println!("killed at the end: serving again after {:.2} s", killed.elapsed().as_secs_f64());
        println!("memory after that: {} MiB", server.child.memory_kib("VmRSS").unwrap_or(0) / 1024);
        check(&server.child.address, &sending.plan, &expected).await?;
        println!("totals are the same");
        time_queries(&server.child.address, &sending.plan).await
    }
}

/// How the load went.
struct Load {
    began_at: Vec<(u64, Duration)>,
    elapsed: Duration,
    events: u64,
}

impl Load {
    #[expect(clippy::cast_precision_loss, reason = "rates are shown with few digits")]
    fn print(&self, sending: &Sending, peak_kib: u64, probe: &[Duration]) {
        let at = |events: u64| {
            let reached = self.began_at.iter().find(|(done, _)| *done >= events);
            reached.map_or(self.elapsed, |(_, at)| *at)
        };
        let rate = |events: u64, took: Duration| events as f64 / took.as_secs_f64().max(1e-9);
        let edge = EDGE_EVENTS.min(self.events / 2).max(1);
        let first = rate(edge, at(edge));
        let last = rate(edge, self.elapsed.saturating_sub(at(self.events - edge)));
        println!(
            "{} events in {:.1} s: {:.0} a second; the first {edge} {first:.0}, the last {last:.0}, ratio {:.2}",
            self.events,
            self.elapsed.as_secs_f64(),
            rate(self.events, self.elapsed),
            last / first
        );
        println!("batches sent again: {}", sending.repeats.load(Ordering::Relaxed));
        println!("memory at most: {} MiB", peak_kib / 1024);
        let slowest = Duration::from_micros(sending.slowest_us.load(Ordering::Relaxed));
        let worst = probe.last().copied().unwrap_or_default();
        let median = probe.get(probe.len() / 2).copied().unwrap_or_default();
        println!(
            "slowest answer of a server that was not killed: {slowest:.0?}; a raw fdatasync in the same minutes: {median:.2?} \
             at the median, {worst:.2?} at most of {}",
            probe.len()
        );
    }
}

/// Sends batches until there are no more; what is not answered is sent again.
async fn send(sending: Arc<Sending>, mut address: watch::Receiver<String>) -> Result<()> {
    let mut connection: Option<Connection> = None;
    loop {
        let batch = sending.next.fetch_add(1, Ordering::Relaxed);
        if batch >= sending.plan.batches() {
            return Ok(());
        }
        let body = sending.plan.body(batch);
        let mut request = http::head("POST", "/v1/events", KEY, body.len()).into_bytes();
        request.extend_from_slice(&body);
        let times = if batch.is_multiple_of(REPEAT_EVERY) { 2 } else { 1 };
        for _ in 0..times {
            let mut tries = 0;
            loop {
                let began = Instant::now();
                match try_send(&mut connection, &mut address, &request).await {
                    Ok(200) => {
                        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                        sending.slowest_us.fetch_max(if tries == 0 { took } else { 0 }, Ordering::Relaxed);
                        break;
                    }
                    Ok(429 | 503) | Err(_) => {
                        connection = None;
                        tries += 1;
                        tokio::time::sleep(LOOK).await;
                    }
                    Ok(status) => return Err(format!("batch {batch}: {status}").into()),
                }
            }
            sending.repeats.fetch_add(tries + times - 1, Ordering::Relaxed);
        }
        sending.done.fetch_add(sending.plan.events_of(batch), Ordering::Relaxed);
    }
}

async fn try_send(
    connection: &mut Option<Connection>,
    address: &mut watch::Receiver<String>,
    request: &[u8],
) -> Result<u16> {
    let open = match connection.take() {
        Some(open) => connection.insert(open),
        None => {
            let address = address.borrow_and_update().clone();
            connection.insert(Connection::open(&address).await?)
        }
    };
    Ok(open.send(request).await?.status)
}

/// Syncs of the bare disk while the load goes on.
struct Probe {
    end: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<Duration>>,
}

impl Probe {
    fn start(folder: &Path) -> Self {
        let (end, path) = (Arc::new(AtomicBool::new(false)), folder.join("probe"));
        let told = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let mut took = Vec::new();
            while !told.load(Ordering::Relaxed) {
                took.extend(probe_once(&path));
                std::thread::sleep(PROBE_PAUSE);
            }
            took.sort_unstable();
            took
        });
        Self { end, thread }
    }

    fn end(self) -> Vec<Duration> {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

fn probe_once(path: &Path) -> Option<Duration> {
    use std::io::Write;
    let mut file = std::fs::File::create(path).ok()?;
    let began = Instant::now();
    file.write_all(&[7; 4096]).ok()?;
    file.sync_data().ok()?;
    Some(began.elapsed())
}

/// Fails unless every customer's total, and every day's, is what was sent.
async fn check(address: &str, plan: &Plan, expected: &Expected) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    let rows = query(&mut connection, plan, "group_by=customer").await?;
    let text =
        |row: &Value, field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut found = vec![String::from("0"); CUSTOMERS as usize];
    for row in &rows {
        let number = text(row, "customer").trim_start_matches("customer_").parse::<usize>();
        if let Some(place) = number.ok().and_then(|number| found.get_mut(number)) {
            *place = text(row, "value");
        }
    }
    for (customer, (found, cents)) in found.iter().zip(&expected.by_customer).enumerate() {
        if *found != as_text(*cents) {
            return Err(format!("customer {customer}: {found}, sent {}", as_text(*cents)).into());
        }
    }
    let rows = query(&mut connection, plan, "window=day").await?;
    let days: Vec<String> = rows.iter().map(|row| text(row, "value")).collect();
    let sent: Vec<String> = expected.by_day.values().map(|cents| as_text(*cents)).collect();
    if days == sent { Ok(()) } else { Err(format!("days: {days:?}, sent {sent:?}").into()) }
}

/// Hundredths as a decimal without trailing zeros.
fn as_text(cents: u64) -> String {
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

async fn query(connection: &mut Connection, plan: &Plan, parameters: &str) -> Result<Vec<Value>> {
    let from = plan.from - SignedDuration::from_hours(24);
    let to = plan.to + SignedDuration::from_hours(24);
    query_range(connection, from, to, parameters).await.map(|(rows, _)| rows)
}

/// The rows of a query, and how long it took until the last byte of the answer was there.
pub async fn query_range(
    connection: &mut Connection,
    from: Timestamp,
    to: Timestamp,
    parameters: &str,
) -> Result<(Vec<Value>, Duration)> {
    let target = format!("/v1/meters/api.calls/query?from={from:.0}&to={to:.0}&{parameters}");
    let began = Instant::now();
    let answer = connection.send(http::head("GET", &target, KEY, 0).as_bytes()).await?;
    let took = began.elapsed();
    let mut json: Value = serde_json::from_slice(&answer.body)?;
    match json.get_mut("data").map(Value::take).unwrap_or_default() {
        Value::Array(rows) if answer.status == 200 => Ok((rows, took)),
        _ => Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)).into()),
    }
}

/// Tells how long queries take, as a client sees it.
async fn time_queries(address: &str, plan: &Plan) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    for (what, parameters) in [
        ("one customer's month by day, UTC", "window=day"),
        ("the same in Asia/Kolkata", "window=day&time_zone=Asia/Kolkata"),
    ] {
        let mut took = Vec::new();
        for number in 0..QUERIES {
            let customer = customer_name(scramble(number) % CUSTOMERS);
            let began = Instant::now();
            query(&mut connection, plan, &format!("{parameters}&customer={customer}")).await?;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let rank = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
        println!("{what}: {:.2?} at the median, p99 {:.2?}", rank(50), rank(99));
    }
    let began = Instant::now();
    let rows = query(&mut connection, plan, "group_by=customer").await?.len();
    println!("all customers' month: {rows} rows in {:.2?}", began.elapsed());
    let to = plan.from + SignedDuration::from_hours(3 * 24);
    let (rows, took) = query_range(&mut connection, plan.from, to, "group_by=region").await?;
    println!("three days by a property: {} rows in {took:.2?}", rows.len());
    let (began, customer) = (Instant::now(), customer_name(1));
    let parameters = format!("window=day&customer={customer}&filter[region]=eu-west-1");
    let rows = query(&mut connection, plan, &parameters).await?.len();
    println!("one customer's month by day, of one property's value: {rows} rows in {:.2?}", began.elapsed());
    for (what, parameters) in
        [("the newest 50 events", "limit=50"), ("a customer's newest 50", "limit=50&customer=customer_00001")]
    {
        let began = Instant::now();
        let target = format!("/v1/events?{parameters}");
        let answer = connection.send(http::head("GET", &target, KEY, 0).as_bytes()).await?;
        println!("{what}: {} in {:.2?}", answer.status, began.elapsed());
    }
    Ok(())
}

/// Waits until segments become columns no more, however long that takes.
async fn wait_until_sealed(data: &Path) -> Result<()> {
    let began = Instant::now();
    let (mut before, mut since) = (u64::MAX, began);
    while since.elapsed() < SEALED_AFTER {
        tokio::time::sleep(LOOK).await;
        let now = std::fs::read_dir(data.join("events"))?.count() as u64;
        if now != before {
            (before, since) = (now, Instant::now());
        }
    }
    println!("sealed {:.0} s after the load ended", since.duration_since(began).as_secs_f64());
    Ok(())
}

/// Bytes of all files in a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
