//! A mail server of aiosmtpd, as a process of its own.
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use tokio::sync::mpsc;

/// Names a Python that has the packages.
const PYTHON: &str = "RECKONER_TEST_PYTHON";
/// Mails that a test leaves unread at most.
const UNREAD_MAX: usize = 1_000;

/// A mail server. It ends when dropped.
pub struct MailServer {
    /// Where it listens.
    pub port: u16,
    mails: mpsc::Receiver<Value>,
    child: Child,
    _input: ChildStdin,
}

impl MailServer {
    /// Starts one; `None`, with a line that says so, where there is no Python with aiosmtpd.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same with the arguments of its script.
    pub fn start_with(arguments: &[&str]) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "tests are told by the environment where Python is")]
        let Ok(python) = std::env::var(PYTHON) else {
            println!("skipped: {PYTHON} is not set; ./test.sh sets it");
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/receivers/smtp.py");
        let mut child = Command::new(python)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        let port = first.strip_prefix("port ").and_then(|port| port.parse().ok());
        let (send, mails) = mpsc::channel(UNREAD_MAX);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let Ok(mail) = serde_json::from_str(&line) else { continue };
                if send.blocking_send(mail).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take().expect("its input");
        Some(Self { port: port.expect("a port"), mails, child, _input: input })
    }

    /// The next mail that arrives.
    pub async fn mail(&mut self) -> Value {
        self.mails.recv().await.expect("a mail")
    }

    /// Whether a mail has arrived that nobody read.
    pub fn is_empty(&mut self) -> bool {
        self.mails.try_recv().is_err()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
