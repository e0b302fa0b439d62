//! The real server, as a process of its own.
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The administrator's key of project `live`.
pub const LIVE_KEY: &str = "live-administrator-key-of-the-tests-0001";
/// The administrator's key of project `test`.
pub const TEST_KEY: &str = "test-administrator-key-of-the-tests-0001";

/// How a server is started.
pub struct Setup {
    system: Option<Value>,
    toml: Option<String>,
    env: Vec<(String, String)>,
    database_url: Option<String>,
    keyless: bool,
}

impl Default for Setup {
    fn default() -> Self {
        let system = json!({
            "periods": ["hourly", "daily", "weekly", "monthly", "yearly"],
            "events": {
                "api.calls": {"op": "sum"},
                "storage.bytes": {"op": "max"},
                "response.time.ms": {"op": "avg"},
            },
            "webhooks": [],
        });
        Self { system: Some(system), toml: None, env: Vec::new(), database_url: None, keyless: false }
    }
}

impl Setup {
    /// With this `systemconfig.json`.
    pub fn system(mut self, system: Value) -> Self {
        self.system = Some(system);
        self
    }

    /// With this `reckoner.toml`.
    pub fn toml(mut self, text: &str) -> Self {
        self.toml = Some(text.to_owned());
        self
    }

    /// With this environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With its control plane there.
    pub fn database_url(mut self, url: &str) -> Self {
        self.database_url = Some(url.to_owned());
        self
    }

    /// Without keys of its own: the server makes some.
    pub fn keyless(mut self) -> Self {
        self.keyless = true;
        self
    }

    /// Starts it and waits until it listens.
    pub fn start(self) -> Server {
        let dir = TempDir::new().expect("a directory");
        if let Some(system) = &self.system {
            std::fs::write(dir.path().join("system.json"), system.to_string()).expect("written");
        }
        if let Some(text) = &self.toml {
            std::fs::write(dir.path().join("reckoner.toml"), text).expect("written");
        }
        let client = new_client();
        let (child, url) = spawn(&self, dir.path());
        Server { setup: self, dir, child, url, client }
    }
}

fn command(setup: &Setup, dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reckoner"));
    command.arg("serve").arg("--data-dir").arg(dir.join("data")).args(["--listen", "127.0.0.1:0"]);
    if setup.system.is_some() {
        command.arg("--systemconfig").arg(dir.join("system.json"));
    }
    if setup.toml.is_some() {
        command.arg("--config").arg(dir.join("reckoner.toml"));
    }
    if let Some(url) = &setup.database_url {
        command.arg("--database-url").arg(url);
    }
    if !setup.keyless {
        command.env("RECKONER_BOOTSTRAP_API_KEY", LIVE_KEY).env("RECKONER_BOOTSTRAP_TEST_API_KEY", TEST_KEY);
    }
    command.envs(setup.env.iter().map(|(name, value)| (name, value)));
    command
}

fn spawn(setup: &Setup, dir: &Path) -> (Child, String) {
    let log = std::fs::File::options().create(true).append(true).open(dir.join("log")).expect("a log");
    let mut child =
        command(setup, dir).stdout(Stdio::piped()).stderr(log).spawn().expect("the server starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    let log = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
    let Some(url) = first.strip_prefix("listening on ") else {
        panic!("the server said {first:?}\n{}", log())
    };
    let url = url.to_owned();
    // What else it says is read so that it never waits for a reader.
    let mut said = std::fs::File::options().create(true).append(true).open(dir.join("said")).expect("a file");
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| writeln!(said, "{line}")));
    (child, url)
}

/// A client that lets go of connections long before the server does: some tests think for a minute.
fn new_client() -> Client {
    let idle = std::time::Duration::from_secs(20);
    Client::builder().no_proxy().pool_idle_timeout(idle).build().expect("a client")
}

/// A running server. It is killed when dropped.
pub struct Server {
    setup: Setup,
    dir: TempDir,
    child: Child,
    url: String,
    client: Client,
}

impl Server {
    /// A server with the usual event types, on SQLite.
    pub fn start() -> Self {
        Setup::default().start()
    }

    /// Where it listens.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The directory of its files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Makes the next start one with this environment variable.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.setup.env.push((name.to_owned(), value.to_owned()));
    }

    /// Makes the next start one without files.
    pub fn without_files(&mut self) {
        (self.setup.system, self.setup.toml) = (None, None);
    }

    /// Makes the next start one with the `reckoner.toml` of its directory.
    pub fn with_toml(&mut self) {
        self.setup.toml = Some(String::new());
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said on standard output after its first line, once that is `lines` lines or more.
    pub fn said(&self, lines: usize) -> Vec<String> {
        until(|| {
            let said = std::fs::read_to_string(self.dir.path().join("said")).unwrap_or_default();
            let said: Vec<String> = said.lines().map(str::to_owned).collect();
            (said.len() >= lines).then_some(said)
        })
    }

    /// Waits until its log holds a text.
    pub fn logged(&self, text: &str) {
        self.logged_times(text, 1);
    }

    /// Waits until its log, which goes on over restarts, has this text so many times.
    pub fn logged_times(&self, text: &str, times: usize) {
        until(|| (self.log().matches(text).count() >= times).then_some(()));
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Ends it as a power failure would, and starts it again on its data.
    pub fn crash_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Ends it with SIGTERM and waits; says how it ended.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        self.child.wait().expect("ended")
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Starts it again after it ended.
    pub fn restart(&mut self) {
        // Connections to the process before, which may have had the same port, are let go.
        self.client = new_client();
        (self.child, self.url) = spawn(&self.setup, self.dir.path());
    }

    /// Starts another process on its data, which must not come up; says how that ended and why.
    pub fn refused_start(&self) -> (Option<i32>, String) {
        let output = command(&self.setup, self.dir.path()).stdin(Stdio::null()).output().expect("a process");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!said.contains("listening"), "it came up: {said}");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// A request with a key.
    pub fn request(&self, method: Method, path: &str, key: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path)).header("x-apikey", key)
    }

    /// A request without a key.
    pub fn bare(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// `GET` in project `test`.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path, TEST_KEY).send().await).await
    }

    /// `POST` of JSON in project `test`.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path, TEST_KEY).json(&body).send().await).await
    }

    /// `PUT` of JSON in project `test`.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PUT, path, TEST_KEY).json(&body).send().await).await
    }

    /// `PATCH` of JSON in project `test`.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path, TEST_KEY).json(&body).send().await).await
    }

    /// `DELETE` in project `test`.
    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path, TEST_KEY).send().await).await
    }

    /// Freezes the clock of project `test`.
    pub async fn freeze(&self, time: &str) {
        let answer = self.put("/v1/test-clock", json!({"frozen_time": time})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }

    /// Advances the clock of project `test`; answers how many jobs ran.
    pub async fn advance(&self, time: &str) -> u64 {
        let answer = self.post("/v1/test-clock/advance", json!({"frozen_time": time})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()["jobs_run"].as_u64().expect("a number")
    }

    /// Reads the process's resident memory, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    /// Reads the most resident memory that the process ever had, in KiB.
    pub fn resident_peak_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    fn memory_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }
}

/// Looks again and again until there is something, for as long as anybody would wait.
fn until<T>(look: impl Fn() -> Option<T>) -> T {
    const LOOKS_MAX: u32 = 6_000;
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it never came");
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let mut log = String::new();
            let file = std::fs::File::open(self.dir.path().join("log"));
            let _ = file.and_then(|mut file| file.read_to_string(&mut log));
            eprintln!("--- the server's log ---\n{log}");
        }
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
    /// Its body.
    pub text: String,
}

impl Answer {
    /// Reads an answer.
    pub async fn of(response: Result<Response, reqwest::Error>) -> Self {
        let response = response.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a body") }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The status as a number, with the body as JSON.
    pub fn parts(&self) -> (u16, Value) {
        (self.status.as_u16(), self.json())
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
