//! What a gateway could cost at best: hyper's own reverse proxy, which passes on and does nothing else.
use crate::Result;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;

/// Serves on a free port until the process is ended.
pub async fn serve(upstream: String) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), upstream.clone());
        let pass = service_fn(move |mut request: Request<Incoming>| {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            let uri = format!("http://{upstream}{path}").parse::<Uri>();
            let client = client.clone();
            async move {
                *request.uri_mut() = uri.map_err(|error| error.to_string())?;
                request.headers_mut().remove(header::CONNECTION);
                client.request(request).await.map_err(|error| error.to_string())
            }
        });
        tokio::spawn(async move {
            // A load that ends closes its connections: nothing to tell.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), pass).await;
        });
    }
}
