//! A node's connection that goes by requests, each by a connection of its own.

use std::collections::VecDeque;

use protocol::polled::{Heard, Opened, Taken};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

pub(super) struct Requests {
    lines: mpsc::Sender<DuplexStream>,
    pub(super) credential: String,
    pub(super) connection: String,
    said: u64,
    heard: u64,
    came: VecDeque<Box<RawValue>>,
    /// How it ended; 0 when that was not said.
    over: Option<u16>,
}

/// Sends one request and gives the answer: its status, and its body.
pub(super) async fn request(
    lines: &mpsc::Sender<DuplexStream>,
    credential: &str,
    path: &str,
    body: &str,
) -> (u16, String) {
    let (here, there) = tokio::io::duplex(256 * 1024);
    if lines.send(there).await.is_err() {
        return (0, String::new());
    }
    let head = format!(
        "POST /v1/link/polled{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {credential}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let (mut read, mut write) = tokio::io::split(here);
    let asking = async {
        // Who is refused is not heard to the end.
        let _cut = write.write_all(head.as_bytes()).await;
        let _cut = write.write_all(body.as_bytes()).await;
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let reading = async {
        let _cut = tokio::time::timeout(PATIENCE, read.read_to_end(&mut answer)).await.expect("an end");
    };
    tokio::select! {
        () = asking => unreachable!("it waits for the answer"),
        () = reading => {}
    }
    let text = String::from_utf8(answer).expect("text");
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return (0, text) };
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
}

impl Requests {
    pub(super) async fn open(lines: mpsc::Sender<DuplexStream>, credential: &str) -> Result<Self, WireError> {
        let (status, body) = request(&lines, credential, "", "").await;
        let opened: Opened = match status {
            200 => serde_json::from_str(&body).expect("it was opened"),
            _ => return Err(WireError::ConnectionClosed),
        };
        let (credential, connection) = (credential.to_owned(), opened.connection.to_string());
        Ok(Self { lines, credential, connection, said: 0, heard: 0, came: VecDeque::new(), over: None })
    }

    pub(super) async fn ask(&self, what: &str, body: &serde_json::Value) -> (u16, String) {
        request(&self.lines, &self.credential, &format!("/{}/{what}", self.connection), &body.to_string()).await
    }

    /// Says one frame; whether it was taken.
    pub(super) async fn say(&mut self, text: &str) -> bool {
        let body = format!(r#"{{"first":{},"frames":[{text}]}}"#, self.said + 1);
        let path = format!("/{}/say", self.connection);
        let (status, answer) = request(&self.lines, &self.credential, &path, &body).await;
        if status != 200 {
            return false;
        }
        let taken: Taken = serde_json::from_str(&answer).expect("an answer");
        let was_taken = taken.taken == self.said + 1;
        self.said = taken.taken;
        was_taken
    }

    pub(super) async fn hear(&mut self) -> Result<HubFrame, Option<u16>> {
        loop {
            if let Some(frame) = self.came.pop_front() {
                return Ok(serde_json::from_str(frame.get()).expect("a frame"));
            }
            if let Some(code) = self.over {
                return Err(Some(code).filter(|code| *code != 0));
            }
            let (status, answer) = self.ask("hear", &json!({"after": self.heard, "waitMs": 20_000})).await;
            match status {
                200 => {
                    let heard: Heard = serde_json::from_str(&answer).expect("an answer");
                    assert_eq!(heard.first, self.heard + 1, "in order");
                    self.heard += heard.frames.len() as u64;
                    self.came.extend(heard.frames);
                    self.over = heard.end;
                }
                401 => {
                    self.over = Some(0);
                    let problem = serde_json::from_str(&answer).expect("a problem");
                    return Ok(HubFrame::Refused { problem });
                }
                _ => self.over = Some(0),
            }
        }
    }
}
