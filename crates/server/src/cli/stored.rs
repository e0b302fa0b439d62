//! Opening the store of a server, whether one runs on it or not.
use super::error::CliError;
use super::host::ServeArgs;
use super::serve;
use crate::app;
use crate::store::Db;
use std::path::PathBuf;

/// The control plane of this data directory or PostgreSQL. A server may be running: its schema must be
/// that of this program, and stays as it is.
pub async fn open(data_dir: Option<PathBuf>, database_url: Option<String>) -> Result<Db, CliError> {
    let told = ServeArgs { data_dir, database_url, ..ServeArgs::default() };
    let loaded = serve::load(&told).map_err(|error| CliError::usage(error.to_string()))?;
    if loaded.config.database_url.is_none() && !loaded.config.data_dir.join(app::CONTROL_PLANE).is_file() {
        let dir = loaded.config.data_dir.display();
        return Err(CliError::usage(format!("{dir} is no data directory: no server was started on it")));
    }
    app::open_db(&loaded.config, false).await.map_err(|error| CliError::failed(format!("the store: {error}")))
}
