//! A WebSocket of text frames.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header;
use protocol::error::ErrorCode;
use protocol::limits::{HELLO_TIMEOUT_MS, SEND_TIMEOUT_MS};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{LineError, ended};
use crate::dial::Io;
use crate::error;
use crate::remote::Remote;

/// A live WebSocket.
pub(super) struct WebSocket {
    stream: WebSocketStream<Box<dyn Io>>,
}

impl WebSocket {
    /// Connects; each of its two steps is bounded in time.
    pub(super) async fn open(remote: &Remote, path: &str, max_bytes: usize) -> Result<Self, LineError> {
        let limit = Duration::from_millis(HELLO_TIMEOUT_MS);
        let url = format!("ws://{}{path}", remote.authority());
        let mut request = url.into_client_request().map_err(|error| LineError::Broken(error.to_string()))?;
        if let Some(authorization) = remote.authorization() {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        let late = || format!("{} did not answer within {} s", remote.authority(), limit.as_secs());
        let unreachable = |error| LineError::Broken(format!("cannot reach {}: {error}", remote.authority()));
        let stream = timeout(limit, remote.connect()).await.map_err(|_| LineError::Broken(late()))?;
        let stream = stream.map_err(unreachable)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(max_bytes))
            .max_frame_size(Some(max_bytes))
            .write_buffer_size(0);
        // There is somebody: whatever is wrong from here on may be the upgrade alone.
        let upgrade = timeout(limit, client_async_with_config(request, stream, Some(config))).await;
        let (stream, _) = upgrade.map_err(|_| LineError::Barred(late()))?.map_err(barred)?;
        Ok(Self { stream })
    }

    /// Sends a ping and waits for its pong.
    pub(super) async fn prove(&mut self) -> Result<(), LineError> {
        let limit = Duration::from_millis(HELLO_TIMEOUT_MS);
        let proof = async {
            self.stream.send(Message::Ping(Bytes::from_static(b"?"))).await.map_err(broken)?;
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Pong(_))) => return Ok(()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(broken(error)),
                    None => return Err(LineError::Broken("the connection ended".to_owned())),
                }
            }
        };
        let late = || LineError::Broken(format!("nothing came back within {} s", limit.as_secs()));
        timeout(limit, proof).await.unwrap_or_else(|_| Err(late()))
    }

    /// Writes a frame; bounded in time.
    pub(super) async fn send(&mut self, text: String) -> Result<(), LineError> {
        let limit = Duration::from_millis(SEND_TIMEOUT_MS);
        match timeout(limit, self.stream.send(Message::text(text))).await {
            Ok(sent) => sent.map_err(broken),
            Err(_) => Err(LineError::Broken(format!("nothing could be written for {} s", limit.as_secs()))),
        }
    }

    /// Reads a frame; `None` for a sign of life that is not one. Cancellation safe.
    pub(super) async fn receive(&mut self) -> Result<Option<Utf8Bytes>, LineError> {
        match self.stream.next().await {
            None => Err(LineError::Broken("the connection ended".to_owned())),
            Some(Err(error)) => Err(broken(error)),
            Some(Ok(Message::Text(text))) => Ok(Some(text)),
            Some(Ok(Message::Close(frame))) => Err(match frame {
                Some(frame) => ended(u16::from(frame.code), &frame.reason),
                None => LineError::Broken("the hub closed the connection".to_owned()),
            }),
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        }
    }

    /// Says goodbye, without waiting long for an answer.
    pub(super) async fn close(mut self) {
        // Nobody needs to know whether it arrived: the end of the connection says the same.
        let _ended = timeout(Duration::from_millis(200), self.stream.close(None)).await;
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where errors are mapped")]
fn broken(error: Error) -> LineError {
    LineError::Broken(error.to_string())
}

/// Why an upgrade failed.
fn barred(error: Error) -> LineError {
    match error {
        Error::Http(response) => {
            let (status, body) = (response.status(), response.body().as_deref().unwrap_or_default());
            if !error::is_problem(body) {
                // A page of something on the way, which is not the hub's to say and may be gone the next time.
                return LineError::Barred(format!("{} answered {status}", on_the_way(response.headers())));
            }
            let problem = error::problem(status.as_u16(), body);
            match problem.code {
                // An upgrade that lost its headers on the way is a bad request to the hub.
                ErrorCode::BadRequest => {
                    LineError::Barred(format!("{} took the upgrade out of the request", on_the_way(response.headers())))
                }
                _ => LineError::Refused(Box::new(problem)),
            }
        }
        // Something on the way cuts off what it does not know.
        error => LineError::Barred(format!("the connection broke when it was upgraded: {error}")),
    }
}

/// What there is on the way, as far as it names itself.
fn on_the_way(headers: &header::HeaderMap) -> String {
    let named = [header::VIA, header::SERVER].into_iter().find_map(|name| headers.get(name)?.to_str().ok());
    let named = named.map(|name| name.chars().filter(|char| !char.is_control()).take(60).collect::<String>());
    named.map_or_else(|| "something on the way".to_owned(), |name| format!("something on the way (`{}`)", name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hub_refuses() {
        let answer = |status: u16, body: &str| {
            let response = http::Response::builder().status(status).body(Some(body.as_bytes().to_vec())).unwrap();
            barred(Error::Http(Box::new(response)))
        };
        for status in [401, 403, 421, 503] {
            assert!(matches!(answer(status, "<html>Log in</html>"), LineError::Barred(_)), "{status}");
        }
        assert!(matches!(answer(400, r#"{"code":"bad_request"}"#), LineError::Barred(_)));
        assert!(matches!(answer(403, r#"{"code":"forbidden"}"#), LineError::Refused(_)));
    }
}
