//! A gateway between a real Reckoner and a web server in another language.
use crate::support::server::{Server, TEST_KEY};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What a web server counted itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// Requests that came.
    pub requests: u64,
    /// Bytes of their bodies.
    pub request_bytes: u64,
    /// Bytes of the bodies of the answers.
    pub response_bytes: u64,
}

/// A web server of `tests/upstreams`; ended when dropped.
pub struct Application {
    child: Child,
    /// Where it answers.
    pub url: String,
    control: String,
}

impl Application {
    /// Node's.
    pub fn node() -> Option<Self> {
        Self::start("node", "server.mjs")
    }

    /// Python's.
    pub fn python() -> Option<Self> {
        Self::start("python3", "server.py")
    }

    /// `None`, with a line that says so, where the language is not installed.
    fn start(program: &str, script: &str) -> Option<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/upstreams").join(script);
        let child = Command::new(program).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            println!("skipped: {program} is not installed");
            return None;
        };
        let line = first_line(&mut child);
        let (port, control) = line.trim().split_once(' ').expect("two ports");
        let url = |port: &str| format!("http://127.0.0.1:{port}");
        Some(Self { child, url: url(port), control: url(control) })
    }

    /// What it counted so far.
    pub async fn count(&self) -> Count {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        client.get(&self.control).send().await.expect("an answer").json().await.expect("counts")
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running gateway; killed when dropped.
pub struct Gateway {
    child: Child,
    /// Where it listens.
    pub url: String,
    /// Where its metrics are, if they were asked for.
    pub metrics: Option<String>,
}

impl Gateway {
    /// Starts one before `upstream`, with its usage kept in `spill`.
    pub fn start(server: &str, upstream: &str, spill: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reckoner"));
        command.args(["gateway", "--listen", "127.0.0.1:0", "--upstream", upstream, "--url", server]);
        command.args(["--api-key", TEST_KEY, "--log-level", "error", "--spill-dir"]).arg(spill).args(more);
        // A machine that is busy with other tests is no server out of reach.
        command.args(["--decision-timeout-s", "60"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the gateway starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut told = |what: &str| {
            let mut line = String::new();
            output.read_line(&mut line).expect("a line");
            line.trim().strip_prefix(what).unwrap_or_else(|| panic!("it said {line:?}")).to_owned()
        };
        let url = told("listening on ");
        let metrics = more.contains(&"--metrics-listen").then(|| told("metrics on "));
        // What it says later has to go somewhere.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self { child, url, metrics }
    }

    /// Where this is.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("an address")
    }

    /// Ends it with SIGTERM and waits until its usage is sent.
    pub fn stop(mut self) {
        let sent = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -TERM");
        assert!(self.child.wait().expect("ended").success());
    }

    /// The most resident memory that it ever had, in KiB.
    pub fn resident_peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a line");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }

    /// Ends it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn first_line(child: &mut Child) -> String {
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    // What it says later has to go somewhere.
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    line
}

/// A client that follows nothing and goes through no other proxy.
pub fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.build().expect("a client")
}

/// A Reckoner with the meters of the gateway.
pub async fn reckoner() -> Server {
    let server = Server::start();
    let meters = [
        json!({"key": "traffic.bytes", "aggregation": "sum"}),
        json!({"key": "traffic.in", "event_type": "traffic.bytes", "aggregation": "sum", "value_property": "$.requestBytes"}),
        json!({"key": "traffic.out", "event_type": "traffic.bytes", "aggregation": "sum", "value_property": "$.responseBytes"}),
        json!({"key": "traffic.requests", "event_type": "traffic.bytes", "aggregation": "count"}),
    ];
    for meter in meters {
        let answer = server.post("/v1/meters", meter).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    server
}

/// A meter's total over all time.
pub async fn total(server: &Server, meter: &str) -> u64 {
    let path = format!("/v1/meters/{meter}/query?from=2020-01-01T00:00:00Z&to=2096-01-01T00:00:00Z");
    let answer = server.get(&path).await.json();
    answer["data"][0]["value"].as_str().unwrap_or_else(|| panic!("{answer}")).parse().expect("a number")
}

/// What Reckoner counted, in the words of the web server.
pub async fn metered(server: &Server) -> Count {
    let count = Count {
        requests: total(server, "traffic.requests").await,
        request_bytes: total(server, "traffic.in").await,
        response_bytes: total(server, "traffic.out").await,
    };
    assert_eq!(total(server, "traffic.bytes").await, count.request_bytes + count.response_bytes);
    count
}

/// All events of traffic, in the order of their commit.
pub async fn traffic(server: &Server) -> Vec<Value> {
    let list = server.get("/v1/events?meter=traffic.bytes&order=sequence&limit=1000").await.json();
    let mut events = list["data"].as_array().expect("a list").clone();
    events.reverse();
    events
}
