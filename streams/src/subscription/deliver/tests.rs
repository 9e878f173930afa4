//! What counts as taken, and webhooks over real TLS: a receiver on this machine, with certificates that are trusted and that are not.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// What this system trusts, for the child that [`a_webhook_goes_by_tls_to_whom_the_system_trusts_and_to_nobody_else`] starts.
const TRUSTED: &str = "SSL_CERT_FILE";
const CHILD: &str = "STREAMS_WEBHOOK_CHILD";
const NEAR: Reach = Reach { loopback: true, private: false };

#[test]
fn only_true_is_done() {
    assert!(says_done(br#"{"done":true}"#));
    for body in [&b""[..], b"{}", b"true", br#"{"done":"true"}"#, br#"{"done":1}"#, b"<html>"] {
        assert!(!says_done(body));
    }
}

/// A process of its own, because what the system trusts is read from its environment, once.
#[test]
#[expect(clippy::disallowed_methods, reason = "the child is this test itself, and waited for")]
fn a_webhook_goes_by_tls_to_whom_the_system_trusts_and_to_nobody_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "subscription::deliver::tests::child", "--nocapture"])
        .env(TRUSTED, dir.path().join("ca.pem"))
        .env(CHILD, "1")
        .output()
        .expect("a child");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

struct Authority(Issuer<'static, KeyPair>, String);

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let text = params.self_signed(&key).expect("a certificate").pem();
    Authority(Issuer::new(params, key), text)
}

/// Receives webhooks with a certificate for a name; its port.
async fn receiver(by: &Authority, name: &str) -> u16 {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &by.0).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).expect("a pair");
    let (acceptor, listener) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.expect("a port"));
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            // Whoever does not trust it says so and goes.
            let Ok(mut io) = acceptor.accept(tcp).await else { continue };
            let mut asked = Vec::new();
            while !asked.ends_with(b"a body") {
                let count = io.read_buf(&mut asked).await.expect("a request");
                assert!(count > 0, "{}", String::from_utf8_lossy(&asked));
            }
            assert!(asked.starts_with(b"POST /hook?x=1 HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&asked));
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"done\":true}";
            io.write_all(answer).await.expect("an answer");
            io.shutdown().await.expect("an end");
        }
    });
    port
}

async fn told(port: u16, reach: Reach) -> Result<bool, String> {
    let url = format!("https://localhost:{port}/hook?x=1");
    deliver(&url, reach, "v1,signature".to_owned(), "a body".to_owned()).await.map_err(|error| error.to_string())
}

/// Not a test of its own: does nothing unless the one above has started it.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the parent tells its child the directory")]
async fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let (trusted, other) = (authority(), authority());
    std::fs::write(Path::new(&std::env::var_os(TRUSTED).expect("said")), &trusted.1).expect("written");
    let good = receiver(&trusted, "localhost").await;
    assert_eq!(told(good, NEAR).await, Ok(true));
    let refused = told(good, Reach::default()).await.expect_err("this machine is out of reach");
    assert!(refused.contains("not an address that webhooks may reach"), "{refused}");
    let unknown = told(receiver(&other, "localhost").await, NEAR).await.expect_err("nobody trusts it");
    assert!(unknown.contains("invalid peer certificate"), "{unknown}");
    let named = told(receiver(&trusted, "example.com").await, NEAR).await.expect_err("it is somebody else");
    assert!(named.contains("not valid for name"), "{named}");
    assert_eq!(told(good, NEAR).await, Ok(true), "the right one is still taken");
}
