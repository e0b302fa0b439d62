//! A server of the demo's own: this very program, started as `serve` on a free port.
use crate::cli::error::CliError;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use tokio::sync::oneshot;
use url::Url;

/// What the first line on standard output begins with.
const READY: &str = "listening on ";
/// Longest wait for that line, in seconds.
const START_TIMEOUT_S: u64 = 30;
/// Longest wait for a graceful end, in seconds; after it the server is killed.
const STOP_TIMEOUT_S: u64 = 10;
/// Pause between two looks whether the server has ended, in milliseconds.
const STOP_POLL_MS: u64 = 20;
/// Most bytes of the first line.
const LINE_BYTES_MAX: u64 = 4_096;
/// Lines of the server's log that are shown when it does not start.
const LOG_LINES_SHOWN: usize = 20;

/// What the server is started with.
#[derive(Debug)]
pub struct Setup<'a> {
    /// A directory for everything it writes.
    pub dir: &'a Path,
    /// The text of `systemconfig.json`.
    pub systemconfig: String,
    /// The administrator's key of the project `live`.
    pub live_key: &'a str,
    /// The administrator's key of the project `test`.
    pub test_key: &'a str,
}

/// A running server; it ends with this value.
pub struct Server {
    child: Child,
    /// Where it answers.
    pub url: Url,
}

impl Server {
    /// Starts a server and waits until it serves.
    pub async fn start(setup: &Setup<'_>) -> Result<Self, CliError> {
        let failed = |what: &str, error: std::io::Error| CliError::failed(format!("cannot {what}: {error}"));
        let log = setup.dir.join("server.log");
        let config = setup.dir.join("systemconfig.json");
        fs::write(&config, &setup.systemconfig).map_err(|error| failed("write the configuration", error))?;
        let stderr = File::create(&log).map_err(|error| failed("write the server's log", error))?;
        let program = std::env::current_exe().map_err(|error| failed("find this program", error))?;
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(setup.dir.join("data"))
            .arg("--systemconfig")
            .arg(&config)
            // The demo is the same whatever is set around it.
            .env_clear()
            .env("RECKONER_BOOTSTRAP_API_KEY", setup.live_key)
            .env("RECKONER_BOOTSTRAP_TEST_API_KEY", setup.test_key)
            .current_dir(setup.dir)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|error| failed("start the server", error))?;
        let stdout = child.stdout.take();
        // From here on the child ends with `server`, also when it does not come up.
        let mut server = Self { child, url: Url::parse("http://127.0.0.1").map_err(not_ready)? };
        let line = tokio::time::timeout(Duration::from_secs(START_TIMEOUT_S), first_line(stdout)).await;
        let url = line.ok().flatten().and_then(|line| Url::parse(line.strip_prefix(READY)?.trim()).ok());
        server.url = url.ok_or_else(|| did_not_start(&log))?;
        Ok(server)
    }

    /// Asks the server to end and waits until it has.
    pub async fn stop(mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // One that has ended already cannot be asked to.
            let _ = kill_process(pid, Signal::TERM);
        }
        let ended = async {
            while matches!(self.child.try_wait(), Ok(None)) {
                tokio::time::sleep(Duration::from_millis(STOP_POLL_MS)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(STOP_TIMEOUT_S), ended).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The first line, and after it everything else unread so that the server never waits for us.
async fn first_line(stdout: Option<ChildStdout>) -> Option<String> {
    let stdout = stdout?;
    let (to_waiter, line) = oneshot::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = String::new();
        let read = reader.by_ref().take(LINE_BYTES_MAX).read_line(&mut line);
        let _ = to_waiter.send(read.ok().map(|_| line));
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    });
    line.await.ok().flatten()
}

fn did_not_start(log: &PathBuf) -> CliError {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(LOG_LINES_SHOWN)..).unwrap_or_default();
    CliError::failed(format!("the server did not start; the end of its log:\n{}", last.join("\n")))
}

fn not_ready(error: url::ParseError) -> CliError {
    CliError::failed(error.to_string())
}
