//! The gateway beside a plain reverse proxy: the same requests to the same application, which throws them away.
use crate::child::Child;
use crate::report::Report;
use crate::server::{KEY, Server};
use crate::{Result, progress, run, sample};
use std::path::Path;
use std::time::Duration;

/// Measures both, small requests and large ones; the gateway records each request with a real server.
pub async fn measure(binary: &Path, folder: &Path, duration: Duration, report: &mut Report) -> Result<()> {
    let own = std::env::current_exe()?;
    let application = Child::start(&own, &["discard"], &[], folder)?;
    progress("plain hyper proxy");
    let proxy = Child::start(&own, &["forward", &application.address], &[], folder)?;
    report.proxy_singles = Some(run(&proxy.address, KEY, 1, duration).await?);
    report.proxy_batches = Some(run(&proxy.address, KEY, sample::BATCH_EVENTS, duration).await?);
    drop(proxy);

    let data = folder.join("gateway");
    std::fs::create_dir_all(&data)?;
    let server = Server::start(binary, &data)?;
    server.count_traffic().await?;
    let (upstream, url) =
        (format!("http://{}", application.address), format!("http://{}", server.child.address));
    let spill = data.join("spill");
    let spill = spill.to_str().ok_or("a path that is not UTF-8")?;
    // The load's key stands for a customer, so that each request is decided and counted too.
    let args =
        ["gateway", "--listen", "127.0.0.1:0", "--upstream", &upstream, "--url", &url, "--api-key", KEY];
    let more = ["--spill-dir", spill, "--customer", "header:authorization", "--log-level", "error"];
    let gateway = Child::start(binary, &[&args[..], &more].concat(), &[], folder)?;
    progress("gateway");
    report.gateway_singles = Some(run(&gateway.address, KEY, 1, duration).await?);
    report.gateway_batches = Some(run(&gateway.address, KEY, sample::BATCH_EVENTS, duration).await?);
    Ok(())
}
