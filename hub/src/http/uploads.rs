//! Files over HTTP: sent in pieces, read whole.

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use protocol::api::UPLOAD_OFFSET;
use protocol::blob::{BlobId, UploadRequest, UploadState};
use protocol::error::{ErrorCode, Problem};
use protocol::id::{SessionId, UploadId};
use protocol::limits::MAX_UPLOAD_PIECE_BYTES;
use protocol::path::StreamPath;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::body;
use super::error::Refused;
use super::reads::id;
use crate::hub::Hub;
use crate::identity::Identity;
use crate::uploads::Misplaced;
use crate::web_ui::is_known;

/// What a file may do in a browser that opens it: nothing, whatever is in it.
const SANDBOX: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'");
/// A file is named by its content, so it never changes; but a browser that was signed out is not to show it again, so it asks each time.
const ASKED_FOR: HeaderValue = HeaderValue::from_static("private, no-cache");

pub(super) async fn begin(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    request: Body,
) -> Result<Json<UploadState>, Refused> {
    let request = body::from_device::<UploadRequest>(request).await?;
    Ok(Json(hub.begin_upload(&who, &request).await?))
}

pub(super) async fn show(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    upload: Result<Path<UploadId>, PathRejection>,
) -> Result<Json<UploadState>, Refused> {
    Ok(Json(hub.upload(who.account, id(upload)?).await?))
}

pub(super) async fn piece(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    upload: Result<Path<UploadId>, PathRejection>,
    headers: HeaderMap,
    request: Body,
) -> Response {
    match take(&hub, &who, upload, &headers, request).await {
        Ok(state) => Json(state).into_response(),
        Err(refused) => refused,
    }
}

async fn take(
    hub: &Hub,
    who: &Identity,
    upload: Result<Path<UploadId>, PathRejection>,
    headers: &HeaderMap,
    request: Body,
) -> Result<UploadState, Response> {
    let upload = id(upload).map_err(IntoResponse::into_response)?;
    let offset = headers.get(UPLOAD_OFFSET).and_then(|value| value.to_str().ok()?.parse().ok());
    let Some(offset) = offset else {
        return Err(Refused::bad("the header Upload-Offset must say where the piece begins, in bytes").into_response());
    };
    let piece = body::of_piece(request, MAX_UPLOAD_PIECE_BYTES).await.map_err(IntoResponse::into_response)?;
    hub.add_piece(who, upload, offset, piece).await.map_err(|misplaced| match misplaced {
        Misplaced::Refused(problem) => Refused::from(problem).into_response(),
        Misplaced::Offset { received } => {
            let detail = format!("the piece begins at {offset}, the upload stands at {received}");
            let problem = Problem::new(ErrorCode::UploadOffset).detail(detail);
            let mut response = Refused::from(problem).into_response();
            response.headers_mut().insert(HeaderName::from_static(UPLOAD_OFFSET), HeaderValue::from(received));
            response
        }
    })
}

/// Of which session a file is asked for: of one of somebody else's it must be said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfSession {
    session: Option<SessionId>,
}

pub(super) async fn blob(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    blob: Result<Path<BlobId>, PathRejection>,
    query: Result<Query<OfSession>, QueryRejection>,
    asked: HeaderMap,
) -> Result<Response, Refused> {
    let name = id(blob)?;
    let Query(OfSession { session }) = query.map_err(|_| Refused::bad("the query takes `session` only"))?;
    let mut lost = CancellationToken::new();
    let (blob, upload) = match session {
        Some(session) => {
            // Before the look, so that who is taken out after it is cut.
            lost = hub.reading(who.account, &StreamPath::journal(session)).await?.unwrap_or_default();
            hub.blob_of(who.account, session, name).await?
        }
        None => hub.blob(who.account, name).await?,
    };
    let tag = format!("\"{name}\"");
    let media_type = match blob.media_type.as_str() {
        "image/png" => "image/png",
        "image/jpeg" => "image/jpeg",
        "image/gif" => "image/gif",
        "image/webp" => "image/webp",
        _ => "text/plain; charset=utf-8",
    };
    let mut response = Response::new(Body::empty());
    if is_known(&asked, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        let leash = who.leash.clone();
        // Whoever reads slowly does not read on for long once the device is revoked, or its account is taken out of the session.
        *response.body_mut() = Body::from_stream(hub.blob_bytes(upload).take_until(async move {
            tokio::select! {
                () = leash.cancelled() => {}
                () = lost.cancelled() => {}
            }
        }));
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(blob.size_bytes));
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.extend(HeaderValue::try_from(tag).ok().map(|tag| (header::ETAG, tag)));
    headers.insert(header::CACHE_CONTROL, ASKED_FOR);
    headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}
