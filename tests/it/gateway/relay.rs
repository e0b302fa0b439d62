//! An address that stays while what is behind it moves.
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};

/// Passes connections on, bytes only.
pub struct Relay {
    /// The address that stays.
    pub url: String,
    to: Arc<Mutex<String>>,
}

impl Relay {
    /// Passes connections on to this address.
    pub async fn start(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = format!("http://{}", listener.local_addr().expect("an address"));
        let to = Arc::new(Mutex::new(String::new()));
        let relay = Self { url: own, to: Arc::clone(&to) };
        relay.lead_to(url);
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let to = to.lock().expect("a lock").clone();
                tokio::spawn(async move {
                    if let Ok(mut to) = TcpStream::connect(to).await {
                        // Either side may break off: that is what the tests are about.
                        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                    }
                });
            }
        });
        relay
    }

    /// Passes new connections on to that address.
    pub fn lead_to(&self, url: &str) {
        *self.to.lock().expect("a lock") = url.strip_prefix("http://").expect("an address").to_owned();
    }
}
