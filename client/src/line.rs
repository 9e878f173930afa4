//! A WebSocket of text frames to any path of a hub: made within limits, with the reason when it ends.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header;
use protocol::error::{ErrorCode, Problem};
use protocol::limits::{HELLO_TIMEOUT_MS, SEND_TIMEOUT_MS};
use protocol::socket::CloseCode;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::dial::Io;
use crate::error;
use crate::remote::Remote;

/// A connection is over, or was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The hub refused, and says why.
    #[error(transparent)]
    Refused(Box<Problem>),
    /// The network, or a hub that ends without a reason.
    #[error("{0}")]
    Broken(String),
    /// Somebody answers, and no WebSocket is to be had: what was answered instead, and by whom as far as it says so.
    #[error("{0}")]
    Barred(String),
}

/// A live connection. Dropping it ends it.
pub struct Line {
    stream: WebSocketStream<Box<dyn Io>>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

impl Line {
    /// Connects with the credential of the remote; bounded in time. `max_bytes` is the largest frame that is taken.
    ///
    /// # Errors
    /// [`LineError`].
    pub async fn open(remote: &Remote, path: &str, max_bytes: usize) -> Result<Self, LineError> {
        let limit = Duration::from_millis(HELLO_TIMEOUT_MS);
        let late = || LineError::Broken(format!("{} did not answer within {} s", remote.authority(), limit.as_secs()));
        timeout(limit, Self::greet(remote, path, max_bytes)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn greet(remote: &Remote, path: &str, max_bytes: usize) -> Result<Self, LineError> {
        let url = format!("ws://{}{path}", remote.authority());
        let mut request = url.into_client_request().map_err(|error| LineError::Broken(error.to_string()))?;
        if let Some(authorization) = remote.authorization() {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        let unreachable = |error| LineError::Broken(format!("cannot reach {}: {error}", remote.authority()));
        let stream = remote.connect().await.map_err(unreachable)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(max_bytes))
            .max_frame_size(Some(max_bytes))
            .write_buffer_size(0);
        let (stream, _) = client_async_with_config(request, stream, Some(config)).await.map_err(broken)?;
        Ok(Self { stream })
    }

    /// Writes a frame; bounded in time. Not cancellation safe: a dropped write leaves the connection unusable.
    ///
    /// # Errors
    /// [`LineError`].
    pub async fn send(&mut self, text: String) -> Result<(), LineError> {
        let limit = Duration::from_millis(SEND_TIMEOUT_MS);
        match timeout(limit, self.stream.send(Message::text(text))).await {
            Ok(sent) => sent.map_err(broken),
            Err(_) => Err(LineError::Broken(format!("nothing could be written for {} s", limit.as_secs()))),
        }
    }

    /// Reads a frame; `None` for a sign of life that is not one. Cancellation safe.
    ///
    /// # Errors
    /// [`LineError`].
    pub async fn receive(&mut self) -> Result<Option<Utf8Bytes>, LineError> {
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
    pub async fn close(mut self) {
        // Nobody needs to know whether it arrived: the end of the connection says the same.
        let _ended = timeout(Duration::from_millis(200), self.stream.close(None)).await;
    }
}

/// What the code of a close frame says.
fn ended(code: u16, reason: &str) -> LineError {
    let known = [
        (CloseCode::AuthExpired, ErrorCode::Unauthenticated),
        (CloseCode::Forbidden, ErrorCode::Forbidden),
        (CloseCode::UpgradeRequired, ErrorCode::UpgradeRequired),
        (CloseCode::BadFrame, ErrorCode::BadRequest),
        (CloseCode::TooLarge, ErrorCode::BodyTooLarge),
    ];
    match known.into_iter().find(|(known, _)| known.code() == code) {
        Some((_, code)) => LineError::Refused(Box::new(Problem::new(code))),
        None => LineError::Broken(format!("the hub closed the connection: {code} {reason}")),
    }
}

fn broken(error: Error) -> LineError {
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
        error => LineError::Broken(error.to_string()),
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
            broken(Error::Http(Box::new(response)))
        };
        for status in [401, 403, 421, 503] {
            assert!(matches!(answer(status, "<html>Log in</html>"), LineError::Barred(_)), "{status}");
        }
        assert!(matches!(answer(400, r#"{"code":"bad_request"}"#), LineError::Barred(_)));
        assert!(matches!(answer(403, r#"{"code":"forbidden"}"#), LineError::Refused(_)));
    }

    #[test]
    fn close_codes_that_say_why_are_refusals() {
        for code in [4400, 4401, 4403, 4413, 4426] {
            assert!(matches!(ended(code, ""), LineError::Refused(_)), "{code}");
        }
        for code in [1000, 1001, 1006, 1011, 4408, 4503, 4999] {
            assert!(matches!(ended(code, ""), LineError::Broken(_)), "{code}");
        }
    }
}
