//! One WebSocket: made, greeted, written to and read from within limits, and what its end means.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header;
use protocol::error::ErrorCode;
use protocol::limits::{HEARTBEAT_MS, HELLO_TIMEOUT_MS, MAX_APPEND_BYTES, SEND_TIMEOUT_MS};
use protocol::socket::{ClientFrame, CloseCode, PROTOCOL_MAX, PROTOCOL_MIN, ServerFrame};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::wire::Cut;
use super::{Closed, Welcome};
use crate::dial::Io;
use crate::error;
use crate::remote::Remote;

/// Largest frame that is taken, in bytes: a batch of one message of the largest size, in its envelope.
const MAX_FRAME_BYTES: usize = MAX_APPEND_BYTES + 64 * 1024;

/// A live connection.
pub(super) struct WebSocket {
    stream: WebSocketStream<Box<dyn Io>>,
}

impl WebSocket {
    /// Connects, says hello and waits for the welcome; bounded in time.
    pub(super) async fn open(remote: &Remote, client: &str) -> Result<(Self, Welcome), Cut> {
        let limit = Duration::from_millis(HELLO_TIMEOUT_MS);
        let late = || Cut::Barred(format!("{} did not say welcome within {} s", remote.authority(), limit.as_secs()));
        timeout(limit, Self::greet(remote, client)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn greet(remote: &Remote, client: &str) -> Result<(Self, Welcome), Cut> {
        let url = format!("ws://{}/v1/connect", remote.authority());
        let mut request = url.into_client_request().map_err(|error| Cut::Again(error.to_string()))?;
        if let Some(authorization) = remote.authorization() {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        let stream = remote.connect().await;
        let stream = stream.map_err(|error| Cut::Again(format!("cannot reach {}: {error}", remote.authority())))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_FRAME_BYTES))
            .max_frame_size(Some(MAX_FRAME_BYTES))
            .write_buffer_size(0);
        let made = client_async_with_config(request, stream, Some(config)).await;
        let (stream, _) = made.map_err(refused)?;
        let mut wire = Self { stream };
        wire.send(&ClientFrame::Hello {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            capabilities: Vec::new(),
            client: client.to_owned(),
        })
        .await?;
        loop {
            match wire.receive().await? {
                Some(ServerFrame::Welcome {
                    protocol,
                    account,
                    device,
                    host,
                    hub_at_ms,
                    version,
                    heartbeat_ms,
                    ..
                }) => {
                    if !(PROTOCOL_MIN..=PROTOCOL_MAX).contains(&protocol) {
                        return Err(Cut::Over(Closed::UpgradeRequired));
                    }
                    tracing::debug!(%version, heartbeat_ms, usual_ms = HEARTBEAT_MS, "connected");
                    return Ok((wire, Welcome { account, device, host, hub_at_ms, version, slow: false }));
                }
                Some(ServerFrame::Error { problem, .. }) => tracing::debug!(%problem, "instead of a welcome"),
                Some(_) | None => {}
            }
        }
    }

    /// Writes a frame; bounded in time. Not cancellation safe: a dropped write leaves the connection unusable.
    pub(super) async fn send(&mut self, frame: &ClientFrame) -> Result<(), Cut> {
        let text = serde_json::to_string(frame).expect("frames have string keys and finite numbers");
        let limit = Duration::from_millis(SEND_TIMEOUT_MS);
        match timeout(limit, self.stream.send(Message::text(text))).await {
            Ok(sent) => sent.map_err(broken),
            Err(_) => Err(Cut::Again(format!("nothing could be written for {} s", limit.as_secs()))),
        }
    }

    /// Reads a frame; `None` for a sign of life that is not one. Cancellation safe.
    pub(super) async fn receive(&mut self) -> Result<Option<ServerFrame>, Cut> {
        match self.stream.next().await {
            None => Err(Cut::Again("the connection ended".to_owned())),
            Some(Err(error)) => Err(broken(error)),
            Some(Ok(Message::Text(text))) => match ServerFrame::parse(&text) {
                Ok(frame) => Ok(Some(frame)),
                // Skipping it could lose what it carried: from the last offset everything comes again.
                Err(error) => Err(Cut::Again(format!("a frame was not understood: {error}"))),
            },
            Some(Ok(Message::Close(frame))) => Err(ended(frame.as_ref())),
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        }
    }

    /// Says goodbye, without waiting long for an answer.
    pub(super) async fn close(mut self) {
        // Nobody needs to know whether it arrived: the end of the connection says the same.
        let _ended = timeout(Duration::from_millis(200), self.stream.close(None)).await;
    }
}

fn ended(frame: Option<&CloseFrame>) -> Cut {
    let Some(frame) = frame else { return Cut::Again("the hub closed the connection".to_owned()) };
    let code = u16::from(frame.code);
    let is = |known: CloseCode| known.code() == code;
    if is(CloseCode::AuthExpired) {
        Cut::Over(Closed::AuthExpired)
    } else if is(CloseCode::Forbidden) {
        Cut::Over(Closed::Forbidden)
    } else if is(CloseCode::UpgradeRequired) {
        Cut::Over(Closed::UpgradeRequired)
    } else if is(CloseCode::BadFrame) {
        Cut::Over(Closed::BadFrame)
    } else if is(CloseCode::TooLarge) {
        Cut::Over(Closed::TooLarge)
    } else {
        Cut::Again(format!("the hub closed the connection: {code} {}", frame.reason))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where errors are mapped")]
fn broken(error: Error) -> Cut {
    Cut::Again(error.to_string())
}

/// What it means that the upgrade was answered with something else: the hub's own words are its refusal, anybody else's say that
/// something on the way takes no WebSocket.
fn refused(error: Error) -> Cut {
    let Error::Http(response) = error else { return Cut::Barred(error.to_string()) };
    let status = response.status().as_u16();
    let body = response.body().as_deref().unwrap_or_default();
    if !error::is_problem(body) {
        return Cut::Barred(format!("no WebSocket gets through: {status}"));
    }
    let problem = error::problem(status, body);
    match (status, problem.code) {
        (401, _) => Cut::Over(Closed::AuthExpired),
        (_, ErrorCode::UpgradeRequired) => Cut::Over(Closed::UpgradeRequired),
        // An upgrade that lost its headers on the way is a bad request to the hub.
        (_, ErrorCode::BadRequest) => Cut::Barred(problem.to_string()),
        (408 | 429 | 500.., _) => Cut::Again(problem.to_string()),
        _ => Cut::Over(Closed::Refused(Box::new(problem))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: u16, over: bool) {
        let cut = ended(Some(&CloseFrame { code: code.into(), reason: "x".into() }));
        assert_eq!(matches!(cut, Cut::Over(_)), over, "{code}: {cut:?}");
    }

    #[test]
    fn each_close_code_has_its_reaction() {
        for code in [1000, 1001, 1006, 1011, 4408, 4503, 4999] {
            check(code, false);
        }
        for code in [4400, 4401, 4403, 4413, 4426] {
            check(code, true);
        }
    }
}
