//! Reading bodies: of limited size, in limited time, as JSON that is understood or refused.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Body as _;
use protocol::error::{ErrorCode, Problem};
use protocol::limits::{HELLO_TIMEOUT_MS, MAX_PREAUTH_FRAME_BYTES, MAX_SOCKET_FRAME_BYTES};
use serde::de::DeserializeOwned;

use super::error::Refused;
use crate::link::MAX_SAID_BYTES;

/// Longest that a body may take to arrive, in milliseconds: as long as a socket has for its first frame (N-25).
const BODY_TIMEOUT: Duration = Duration::from_millis(HELLO_TIMEOUT_MS);

/// Longest that a piece of a file may take: the largest one at 10 kB a second, as a phone on a bad network has it.
const PIECE_TIMEOUT: Duration = Duration::from_secs(105);

/// Reads a body of somebody who is not known yet.
pub(super) async fn from_anybody<T: DeserializeOwned>(body: Body) -> Result<T, Refused> {
    parse(&read(body, MAX_PREAUTH_FRAME_BYTES).await?)
}

/// Reads a body of a device.
pub(super) async fn from_device<T: DeserializeOwned>(body: Body) -> Result<T, Refused> {
    parse(&from_device_raw(body).await?)
}

/// Reads a body of a device without looking into it.
pub(super) async fn from_device_raw(body: Body) -> Result<Bytes, Refused> {
    read(body, MAX_SOCKET_FRAME_BYTES).await
}

/// Reads a piece of a file, which may take longer than a word.
pub(super) async fn of_piece(body: Body, limit: usize) -> Result<Bytes, Refused> {
    read_within(body, limit, PIECE_TIMEOUT).await
}

/// Reads what the node of another machine says over a link that has no socket.
pub(super) async fn of_link(body: Body) -> Result<Bytes, Refused> {
    read(body, MAX_SAID_BYTES).await
}

async fn read(body: Body, limit: usize) -> Result<Bytes, Refused> {
    read_within(body, limit, BODY_TIMEOUT).await
}

async fn read_within(body: Body, limit: usize, time: Duration) -> Result<Bytes, Refused> {
    let too_large = || Problem::new(ErrorCode::BodyTooLarge).detail(format!("at most {limit} bytes are taken here"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large().into());
    }
    match tokio::time::timeout(time, axum::body::to_bytes(body, limit)).await {
        Err(_) => Err(Refused::bad("the body took too long to arrive")),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            let too_long = std::error::Error::source(&error).is_some_and(|e| e.to_string().contains("length limit"));
            if too_long { Err(too_large().into()) } else { Err(Refused::bad("the body could not be read")) }
        }
    }
}

/// Reads JSON. The refusal names the place, never what stands there.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "the body has another shape",
            _ => "the body is not JSON",
        };
        Refused::bad(format!("{what}: line {}, column {}", error.line(), error.column()))
    })
}
