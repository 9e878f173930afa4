//! Sending one webhook.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::address::{Reach, Refused, Target};

/// Longest time from asking for the name to the end of the answer.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// Most of an answer that is read, in bytes; all it can say fits in a few.
const MAX_ANSWER: usize = 64 * 1024;

/// A webhook was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeliverError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("cannot connect: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the exchange failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("it answered {0}")]
    Status(http::StatusCode),
    #[error("it took longer than 10 s")]
    Slow,
    #[error("the answer cannot be read")]
    Answer,
}

/// Sends a body and tells whether the receiver says that it is done. Follows no redirect.
pub(super) async fn deliver(url: &str, reach: Reach, signature: String, body: String) -> Result<bool, DeliverError> {
    tokio::time::timeout(LIMIT, send(url, reach, signature, body)).await.unwrap_or(Err(DeliverError::Slow))
}

async fn send(url: &str, reach: Reach, signature: String, body: String) -> Result<bool, DeliverError> {
    let target = Target::parse(url, reach)?;
    let addresses = target.resolve(reach).await?;
    let tcp = TcpStream::connect(&addresses[..]).await?;
    let request = Request::post(&target.path)
        .header(header::HOST, &target.authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "towline")
        .header("webhook-signature", signature)
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| Refused::Url)?;
    if !target.tls {
        return exchange(tcp, request).await;
    }
    let config = tokio::task::spawn_blocking(tls).await.map_err(std::io::Error::other)?;
    let name = ServerName::try_from(target.host.clone()).map_err(|_| Refused::Url)?;
    exchange(TlsConnector::from(config).connect(name, tcp).await?, request).await
}

async fn exchange<S>(io: S, request: Request<Full<Bytes>>) -> Result<bool, DeliverError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await?;
    let talk = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(|_| DeliverError::Answer)?;
        if !status.is_success() {
            return Err(DeliverError::Status(status));
        }
        Ok(says_done(&body.to_bytes()))
    };
    // The connection is driven here, so that it ends with the exchange.
    let mut connection = std::pin::pin!(connection);
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        biased;
        said = &mut talk => said,
        ended = &mut connection => {
            ended?;
            talk.await
        }
    }
}

fn says_done(body: &[u8]) -> bool {
    let answer: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    answer.is_some_and(|answer| answer["done"] == true)
}

/// The certificates that this system trusts, read once.
fn tls() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    Arc::clone(CONFIG.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a certificate of this system cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("the provider has the versions that it was built with");
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }))
}

#[cfg(test)]
mod tests;
