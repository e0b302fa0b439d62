//! The stand-in of Stripe: a process with state, from a package for Python 3.13 or newer.
use super::KEY;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The Pythons that run it, the newest first.
const NAMES: [&str; 4] = ["python3.16", "python3.15", "python3.14", "python3.13"];

/// A running stand-in; it ends when dropped.
pub struct StandIn {
    child: Child,
    url: String,
}

impl StandIn {
    /// Starts one; `None`, with a line that says so, where there is no Python that runs it.
    pub fn start() -> Option<Self> {
        let python = python()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/standins/stripe.py");
        let mut child =
            Command::new(python).arg(script).stdout(Stdio::piped()).spawn().expect("the stand-in starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let url = lines.next().and_then(Result::ok).expect("an address");
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(Self { child, url })
    }

    /// Where the API of an account of its own is.
    pub fn world(&self) -> String {
        self.url.clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python that has the package, which is installed on first need.
pub fn python() -> Option<PathBuf> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let Some(base) = base() else {
        println!(
            "skipped: the stand-in of Stripe needs Python 3.13 or newer, on PATH or among pyenv's versions"
        );
        return None;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let venv = root.join("target/stripe-venv");
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let script = root.join("tests/standins/stripe_install.py");
    let installed = Command::new(&base).arg(script).arg(&venv).status().expect("Python runs");
    assert!(installed.success(), "the stand-in of Stripe could not be installed");
    let _ = KEY;
    Some(venv.join("bin/python"))
}

fn base() -> Option<PathBuf> {
    let runs = |python: &Path| {
        let asked =
            Command::new(python).arg("-c").arg("import venv, ensurepip").stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    let named = NAMES.iter().map(PathBuf::from);
    named.chain(of_pyenv()).find(|python| runs(python))
}

/// Pythons of pyenv, the newest first.
fn of_pyenv() -> Vec<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests are told by the environment where pyenv is")]
    let home =
        std::env::var("PYENV_ROOT").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.pyenv")));
    let Ok(entries) = std::fs::read_dir(Path::new(&home.unwrap_or_default()).join("versions")) else {
        return Vec::new();
    };
    let minor = |path: &Path| -> Option<u32> {
        let name = path.file_name()?.to_str()?.to_owned();
        name.strip_prefix("3.")?.split('.').next()?.parse().ok()
    };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((minor(&entry.path())?, entry.path().join("bin/python"))))
        .filter(|(minor, _)| *minor >= 13)
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}
