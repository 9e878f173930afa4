//! What devices read: who they are, lists, transcripts, the audit trail.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use protocol::api::{AuditPage, Lists, Me, TranscriptPage};
use protocol::error::ErrorCode;
use protocol::health::HealthReport;
use protocol::id::{AuditId, SessionId};
use protocol::offset::Offset;
use serde::Deserialize;

use super::error::Refused;
use crate::hub::Hub;
use crate::identity::Identity;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cut<T> {
    before: Option<T>,
    limit: Option<usize>,
}

type Cuts<T> = Result<Query<Cut<T>>, QueryRejection>;

/// The id in a path; a text that is none names nothing.
pub(super) fn id<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Refused> {
    path.map(|Path(id)| id).map_err(|_| ErrorCode::NotFound.into())
}

fn cut<T>(query: Cuts<T>) -> Result<Cut<T>, Refused> {
    query.map(|Query(cut)| cut).map_err(|_| Refused::bad("the query takes `before` and `limit` only"))
}

pub(super) async fn me(State(hub): State<Hub>, Extension(who): Extension<Identity>) -> Result<Json<Me>, Refused> {
    Ok(Json(hub.me(&who).await?))
}

pub(super) async fn lists(State(hub): State<Hub>, Extension(who): Extension<Identity>) -> Result<Json<Lists>, Refused> {
    Ok(Json(hub.lists(who.account).await?))
}

pub(super) async fn transcript(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    session: Result<Path<SessionId>, PathRejection>,
    query: Cuts<Offset>,
) -> Result<Json<TranscriptPage>, Refused> {
    let Cut { before, limit } = cut(query)?;
    Ok(Json(hub.transcript(who.account, id(session)?, before, limit).await?))
}

pub(super) async fn audit(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    query: Cuts<AuditId>,
) -> Result<Json<AuditPage>, Refused> {
    let Cut { before, limit } = cut(query)?;
    Ok(Json(hub.audit_page(who.account, before, limit).await?))
}

pub(super) async fn health(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
) -> Result<Json<HealthReport>, Refused> {
    // The machine is its owner's: others who share the hub learn nothing of its disk and its certificate.
    if who.account != hub.account() {
        return Err(ErrorCode::NotFound.into());
    }
    Ok(Json(hub.health().await))
}
