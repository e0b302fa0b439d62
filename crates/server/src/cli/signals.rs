//! Being asked to stop.
use super::error::CliError;
use tokio::signal::unix::{Signal, SignalKind, signal};

fn listen(kind: SignalKind) -> Result<Signal, CliError> {
    signal(kind).map_err(|error| CliError::failed(format!("cannot hear signals: {error}")))
}

/// Listens for Ctrl-C, SIGTERM and the terminal's end from now on; what it returns waits for the
/// first of them.
pub fn stop() -> Result<impl Future<Output = ()> + Send + 'static, CliError> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = hangup()?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Listens for SIGHUP from now on.
pub fn hangup() -> Result<Signal, CliError> {
    listen(SignalKind::hangup())
}

/// The same as [`stop`] for a server, which takes SIGHUP as a request to read its files again.
pub fn stop_server() -> Result<impl Future<Output = ()> + Send + 'static, CliError> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
