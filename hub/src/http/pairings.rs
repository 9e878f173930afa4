//! Enrolment over HTTP.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{StatusCode, header};
use protocol::api::{
    ClaimRequest, ClaimResponse, ClaimStatusRequest, NewPairing, NodeClaimRequest, NodeClaimResponse, NodeCode,
    PairingAnswer, PairingClaim, PairingList, PairingOffer,
};
use protocol::id::PairingId;

use super::error::Refused;
use super::reads::id;
use super::{body, cookie, gate, proxy};
use crate::hub::Hub;
use crate::identity::Identity;

pub(super) async fn claim(State(hub): State<Hub>, request: Request) -> Result<Json<ClaimResponse>, Refused> {
    let source = gate::source(request.extensions());
    let claim: ClaimRequest = body::from_anybody(request.into_body()).await?;
    Ok(Json(hub.claim_pairing(&source, claim).await?))
}

pub(super) async fn node(State(hub): State<Hub>, request: Request) -> Result<Json<NodeClaimResponse>, Refused> {
    let source = gate::source(request.extensions());
    let claim: NodeClaimRequest = body::from_anybody(request.into_body()).await?;
    Ok(Json(hub.claim_node(&source, claim).await?))
}

pub(super) async fn accept(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    request: Body,
) -> Result<Json<PairingClaim>, Refused> {
    let given: NodeCode = body::from_device(request).await?;
    Ok(Json(hub.accept_node(&who, &given.code).await?))
}

pub(super) async fn status(State(hub): State<Hub>, request: Request) -> Result<Response, Refused> {
    let source = gate::source(request.extensions());
    let secure = proxy::is_secure(request.extensions());
    let asked: ClaimStatusRequest = body::from_anybody(request.into_body()).await?;
    let answer = hub.claim_status(&source, &asked).await?;
    let mut response = Json(answer.status).into_response();
    if let Some(value) = answer.cookie.and_then(|credential| cookie::set(&credential, secure)) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    Ok(response)
}

pub(super) async fn offer(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    request: Body,
) -> Result<Json<PairingOffer>, Refused> {
    let new: NewPairing = body::from_device(request).await?;
    Ok(Json(hub.offer_pairing(&who, new).await?))
}

pub(super) async fn list(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
) -> Result<Json<PairingList>, Refused> {
    Ok(Json(hub.pairing_list(who.account).await?))
}

pub(super) async fn answer(
    State(hub): State<Hub>,
    Extension(who): Extension<Identity>,
    pairing: Result<Path<PairingId>, PathRejection>,
    request: Body,
) -> Result<StatusCode, Refused> {
    let answer: PairingAnswer = body::from_device(request).await?;
    hub.answer_pairing(&who, id(pairing)?, answer.allow).await?;
    Ok(StatusCode::NO_CONTENT)
}
