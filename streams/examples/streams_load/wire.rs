//! HTTP/1.1 by hand, as cheap as it gets: the generator must not be what is measured.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Error;

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) io: TcpStream,
    pub(crate) buffer: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: usize,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Error> {
        let io = TcpStream::connect(address).await?;
        io.set_nodelay(true)?;
        Ok(Self { io, buffer: Vec::with_capacity(64 * 1024) })
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, fields: &str, body: &[u8]) -> Result<(), Error> {
        let length = body.len();
        let head =
            format!("{method} /v1/stream/{path} HTTP/1.1\r\nhost: h\r\n{fields}content-length: {length}\r\n\r\n");
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        self.io.write_all(&request).await?;
        Ok(())
    }

    /// Reads until the head of an answer is there, and leaves what follows in the buffer.
    pub(crate) async fn head(&mut self) -> Result<Answer, Error> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server hung up".into());
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end + 4);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
        Ok(Answer { status, head, body: 0 })
    }

    pub(crate) async fn ask(&mut self, method: &str, path: &str, fields: &str, body: &[u8]) -> Result<Answer, Error> {
        self.send(method, path, fields, body).await?;
        let mut answer = self.head().await?;
        answer.body = answer.field("content-length").map_or(Ok(0), str::parse)?;
        if answer.field("transfer-encoding").is_some() {
            return Err("the generator reads no chunked answers".into());
        }
        let mut left = answer.body;
        while left > 0 {
            if self.buffer.is_empty() && self.io.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server hung up".into());
            }
            let taken = left.min(self.buffer.len());
            self.buffer.drain(..taken);
            left -= taken;
        }
        Ok(answer)
    }
}
