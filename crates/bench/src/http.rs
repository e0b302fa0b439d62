//! The least of an HTTP/1.1 client: one connection kept open, answers with a length.
use crate::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An open connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What a server answered.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Connection {
    /// Opens a connection to `host:port`.
    pub async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a whole request and reads its answer.
    pub async fn send(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.fill().await?;
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let (status, length) = parse_head(self.buffer.get(..head).unwrap_or_default())?;
        while self.buffer.len() < head + length {
            self.fill().await?;
        }
        Ok(Answer { status, body: self.buffer.split_off(head) })
    }

    async fn fill(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        if self.buffer.len() > ANSWER_BYTES_MAX {
            return Err("the answer is too long".into());
        }
        Ok(())
    }
}

/// Reads an answer of any length to its end, in this form; answers its bytes. An earlier version of HTTP, which ends
/// answers by closing the connection, spares the taking apart of chunks.
pub async fn download(address: &str, target: &str, key: &str, accept: &str) -> Result<u64> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {target} HTTP/1.0\r\nAuthorization: Bearer {key}\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        let read = stream.read(&mut buffer).await?;
        if bytes == 0 && !buffer.get(..read).is_some_and(|start| start.starts_with(b"HTTP/1.0 200")) {
            return Err(format!(
                "{target}: {}",
                String::from_utf8_lossy(buffer.get(..read).unwrap_or_default())
            )
            .into());
        }
        if read == 0 {
            return Ok(bytes);
        }
        bytes += read as u64;
    }
}

/// The head of a request.
pub fn head(method: &str, target: &str, key: &str, length: usize) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Status and length of the body.
fn parse_head(head: &[u8]) -> Result<(u16, usize)> {
    let head = str::from_utf8(head)?.to_ascii_lowercase();
    let status = head.split(' ').nth(1).ok_or("an answer without a status")?.parse()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    Ok((status, length.ok_or("an answer without a length")?.trim().parse()?))
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len()).position(|window| window == pattern)
}

#[test]
fn heads_are_read_whatever_their_case() {
    assert_eq!(parse_head(b"HTTP/1.1 207 X\r\nContent-LENGTH:  12\r\n\r\n").unwrap(), (207, 12));
    assert!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
}
