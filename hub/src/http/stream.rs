//! The streams, read-only: each account its own, everything else is not there (W-081).

use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::header;
use http::request::Parts;
use protocol::error::{ErrorCode, Problem};
use protocol::path::StreamPath;
use streams::http::{Action, HttpOptions};
use tokio_util::sync::CancellationToken;

use super::error::Refused;
use crate::hub::Hub;
use crate::identity::Identity;

/// The stream that a request may read.
#[derive(Debug, Clone)]
struct Allowed(StreamPath);

pub(super) fn router(hub: &Hub) -> Router<Hub> {
    // The face below asks once more, about the path as it understands it.
    let access = |parts: &Parts, stream: &StreamPath, action: Action| {
        let allowed = parts.extensions.get::<Allowed>().is_some_and(|allowed| allowed.0 == *stream);
        if allowed && action == Action::Read {
            return Ok(());
        }
        Err(Box::new(Refused::from(ErrorCode::NotFound).into_response()))
    };
    let options = HttpOptions::new(Arc::new(access), hub.clock(), hub.stopping());
    let face = streams::http::router(hub.streams().clone(), options);
    face.route_layer(from_fn_with_state(hub.clone(), authorise)).with_state(())
}

async fn authorise(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    Path(path): Path<String>,
    mut request: Request,
    next: Next,
) -> Response {
    let Ok(stream) = path.parse::<StreamPath>() else {
        return Refused::from(ErrorCode::NotFound).into_response();
    };
    let lost = match hub.reading(who.account, &stream).await {
        // Of what is one's own nothing is lost.
        Ok(lost) => lost.unwrap_or_default(),
        Err(problem) => return Refused::from(problem).into_response(),
    };
    request.extensions_mut().insert(Allowed(stream));
    // A request that waits for news ends when its device is revoked (W-075), and so does a body that brings them.
    tokio::select! {
        biased;
        response = next.run(request) => end_with(response, &who, lost.clone()),
        () = lost.cancelled() => Refused::from(ErrorCode::NotFound).into_response(),
        () = who.leash.cancelled() => {
            let problem = if who.far && hub.is_shut() { hub.shut() } else { Problem::new(ErrorCode::Unauthenticated) };
            Refused::from(problem).into_response()
        }
    }
}

/// Ends a body that goes on for long when its device is revoked, or its account does not take part any more.
fn end_with(response: Response, who: &Identity, lost: CancellationToken) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
        return response;
    }
    let leash = who.leash.clone();
    response.map(|body| {
        Body::from_stream(body.into_data_stream().take_until(async move {
            tokio::select! {
                () = leash.cancelled() => {}
                () = lost.cancelled() => {}
            }
        }))
    })
}
