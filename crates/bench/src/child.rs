//! A server in a process of its own.
use crate::Result;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

const READY: &str = "listening on http://";

/// A running server; dropping it ends it.
pub struct Child {
    process: std::process::Child,
    /// Where it listens, as `host:port`.
    pub address: String,
}

impl Child {
    /// Starts a program and waits for the line that says where it listens. What it logs goes into a file in `folder`.
    pub fn start(binary: &Path, args: &[&str], env: &[(&str, &str)], folder: &Path) -> Result<Self> {
        let log = File::create(folder.join("child.log"))?;
        let mut command = Command::new(binary);
        command.args(args).envs(env.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut process = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
        let mut output = BufReader::new(process.stdout.take().ok_or("no standard output")?);
        let mut child = Self { process, address: String::new() };
        let mut line = String::new();
        while !line.starts_with(READY) {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                let log = std::fs::read_to_string(folder.join("child.log")).unwrap_or_default();
                return Err(format!("{} ended before it listened: {log}", binary.display()).into());
            }
        }
        line.trim().trim_start_matches(READY).trim_end_matches('/').clone_into(&mut child.address);
        // What it prints later has to go somewhere, or it would stop at a full pipe.
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
        Ok(child)
    }
}

impl Child {
    /// One of the figures of its memory (`VmRSS`, `VmHWM`), in KiB.
    pub fn memory_kib(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
