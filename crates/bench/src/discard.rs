//! (b): a handler that reads the body and throws it away.
use crate::Result;
use axum::body::Bytes;
use axum::routing::post;
use axum::{Router, extract::DefaultBodyLimit};
use tokio::net::TcpListener;

/// Serves on a free port until the process is ended.
pub async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let discard = |body: Bytes| async move { format!("{{\"bytes\":{}}}", body.len()) };
    let router = Router::new().route("/v1/events", post(discard)).layer(DefaultBodyLimit::disable());
    axum::serve(listener, router).await?;
    Ok(())
}
