//! The reserved paths below `__ds/`: subscriptions and the keys that sign their wake-ups.

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode, header};
use protocol::path::StreamPath;

use super::headers::{self, Reply};
use super::pace::Paced;
use super::problem::Problem;
use super::{Action, Face};
use crate::subscription::{Named, Said, Wish};

/// What reserved paths start with, below the root of streams.
pub(super) const RESERVED: &str = "__ds/";
/// Largest body of a request here, in bytes.
const MAX_BODY: usize = 256 * 1024;

impl Face {
    /// Asks the access policy about a reserved path, given without `__ds/`, as if it were a stream, and tells which subscription it names
    /// and what of it; nothing when it names none. Acks carry the token of their wake-up instead of a credential.
    pub(super) fn let_in_reserved<'a>(
        &self,
        parts: &Parts,
        path: &'a str,
    ) -> Result<Option<(&'a str, Option<&'a str>)>, Problem> {
        let nothing = || Problem::new(StatusCode::NOT_FOUND, "not_found", "Nothing is here", "");
        if self.options.subscriptions.is_none() {
            return Err(nothing());
        }
        if path == "jwks.json" {
            return Ok(None);
        }
        let rest = path.strip_prefix("subscriptions/").ok_or_else(nothing)?;
        let (id, step) = rest.split_once('/').map_or((rest, None), |(id, step)| (id, Some(step)));
        let by_token = parts.method == Method::POST && matches!(step, Some("callback" | "ack" | "release"));
        if !by_token {
            let named = format!("{RESERVED}subscriptions/{id}").parse::<StreamPath>().map_err(|_| nothing())?;
            let action = match parts.method {
                Method::GET => Action::Read,
                Method::DELETE if step.is_none() => Action::Delete,
                Method::PUT => Action::Create,
                _ => Action::Append,
            };
            (self.options.access)(parts, &named, action).map_err(Problem::Denied)?;
        }
        Ok(Some((id, step)))
    }

    /// Serves a reserved path, given without `__ds/`.
    pub(super) async fn reserved(&self, parts: &Parts, path: &str, body: Body) -> Result<Response, Problem> {
        let nothing = || Problem::new(StatusCode::NOT_FOUND, "not_found", "Nothing is here", "");
        let subscriptions = self.options.subscriptions.as_ref().ok_or_else(nothing)?;
        let Some((id, step)) = self.let_in_reserved(parts, path)? else {
            let reply = Reply::new(StatusCode::OK)
                .set(header::CONTENT_TYPE, "application/jwk-set+json")
                .set(header::CACHE_CONTROL, "public, max-age=300");
            return match parts.method {
                Method::GET | Method::HEAD => Ok(reply.body(subscriptions.jwks().to_string())),
                _ => Err(Problem::method()),
            };
        };
        let (method, token) = (parts.method.clone(), bearer(parts));
        let body = axum::body::to_bytes(Body::new(Paced::new(body)), MAX_BODY)
            .await
            .map_err(|e| Problem::body(&e, MAX_BODY))?;
        let said = match (method, step) {
            (Method::PUT, None) => match Wish::parse(&body) {
                Ok(wish) => {
                    self.may(parts, wish.touches())?;
                    subscriptions.put(id, wish, self.base_url(parts)).await
                }
                Err(refused) => Err(refused),
            },
            (Method::GET, None) => subscriptions.get(id).await,
            (Method::DELETE, None) => subscriptions.remove(id).await,
            (Method::POST, Some("streams")) => match Named::parse(&body) {
                Ok(named) => {
                    self.may(parts, named.touches())?;
                    subscriptions.add(id, named).await
                }
                Err(refused) => Err(refused),
            },
            (Method::POST, Some("claim")) => subscriptions.claim(id, &body).await,
            (Method::POST, Some("callback" | "ack")) => subscriptions.ack(id, token, &body).await,
            (Method::POST, Some("release")) => subscriptions.release(id, token, &body).await,
            (Method::DELETE, Some(step)) => {
                let path = step.strip_prefix("streams/").and_then(headers::percent_decoded);
                let path = path.and_then(|path| path.parse().ok()).ok_or_else(nothing)?;
                subscriptions.take_out(id, &path).await
            }
            (Method::PUT | Method::GET | Method::POST, Some(_)) => return Err(nothing()),
            _ => return Err(Problem::method()),
        };
        Ok(answer(said.unwrap_or_else(|refused| refused)))
    }

    /// Asks the access policy about what a subscription tells of and writes to.
    fn may(&self, parts: &Parts, touched: impl Iterator<Item = (StreamPath, Action)>) -> Result<(), Problem> {
        for (path, action) in touched {
            (self.options.access)(parts, &path, action).map_err(Problem::Denied)?;
        }
        Ok(())
    }

    /// How the client reached this server.
    fn base_url(&self, parts: &Parts) -> String {
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str)).unwrap_or("localhost");
        format!("{}://{host}", if self.options.secure { "https" } else { "http" })
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn answer(said: Said) -> Response {
    let reply = Reply::new(said.status).set(header::CACHE_CONTROL, "no-store");
    match said.body {
        Some(body) => reply.set(header::CONTENT_TYPE, "application/json").body(body.to_string()),
        None => reply.empty(),
    }
}
