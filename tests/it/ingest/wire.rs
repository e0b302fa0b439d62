//! Requests written byte by byte.
use crate::support::server::{Server, TEST_KEY};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to a server.
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    /// Connects.
    pub async fn open(server: &Server) -> Self {
        let address = server.url("").replace("http://", "");
        Self { stream: TcpStream::connect(address).await.expect("a connection"), read: Vec::new() }
    }

    /// Begins a `POST /v1/events` of a media type; `framing` says how long its body is.
    pub async fn begin_post(server: &Server, kind: &str, framing: &str) -> Self {
        let mut wire = Self::open(server).await;
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nhost: x\r\nx-apikey: {TEST_KEY}\r\ncontent-type: {kind}\r\n{framing}\r\n\r\n"
        );
        wire.write(head.as_bytes()).await.expect("written");
        wire
    }

    /// Writes bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Writes one chunk of a chunked body.
    pub async fn chunk(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.write(&chunk).await
    }

    /// Reads until a text has come; gives all that came so far.
    pub async fn read_until(&mut self, text: &str) -> String {
        self.read_until_times(text, 1).await
    }

    /// Reads until a text has come that many times; gives all that came so far.
    pub async fn read_until_times(&mut self, text: &str, times: usize) -> String {
        loop {
            let so_far = String::from_utf8_lossy(&self.read);
            if so_far.matches(text).count() >= times {
                return so_far.into_owned();
            }
            let mut buffer = [0; 4_096];
            let read = self.stream.read(&mut buffer).await.expect("bytes");
            assert!(read > 0, "the connection ended after {so_far:?}");
            self.read.extend_from_slice(&buffer[..read]);
        }
    }

    /// Reads until the other end closes; gives all that came.
    pub async fn read_to_end(&mut self) -> String {
        // A reset is an end too.
        let _ = self.stream.read_to_end(&mut self.read).await;
        String::from_utf8_lossy(&self.read).into_owned()
    }
}
