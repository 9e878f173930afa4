//! Which hub, and as whom.

use std::fmt;
use std::io;

use http::Uri;

use crate::dial::{Dialer, Io};
use crate::tls::{self, Fingerprint};

/// A hub to talk to, and the credential to do it with; cheap to clone.
#[derive(Clone)]
pub struct Remote {
    pub(crate) dialer: Dialer,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) credential: Option<String>,
    tls: bool,
    pin: Option<Fingerprint>,
}

/// A text is not the address of a hub that this program can talk to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address like `http://127.0.0.1:4437`")]
pub struct ParseRemoteError {
    /// What was given.
    pub text: String,
}

impl Remote {
    /// Names a hub by its address and the bearer credential of this device, if it has one. By `https`, the hub is known by the
    /// certificates that this system trusts.
    ///
    /// # Errors
    /// [`ParseRemoteError`] unless the address is `http://HOST[:PORT]` or `https://HOST[:PORT]`.
    pub fn new(url: &str, credential: Option<String>, dialer: Dialer) -> Result<Self, ParseRemoteError> {
        let bad = || ParseRemoteError { text: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad()),
        };
        let root = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority =
            uri.authority().filter(|authority| root && !authority.as_str().contains('@')).ok_or_else(bad)?;
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { dialer, host: authority.host().to_owned(), port, credential, tls, pin: None })
    }

    /// Takes this certificate of the hub and no other, whoever has signed it; says nothing of a hub that is reached without TLS.
    #[must_use]
    pub fn pinned(self, pin: Option<Fingerprint>) -> Self {
        Self { pin, ..self }
    }

    /// Whether nobody on the way can read what is said.
    pub fn is_private(&self) -> bool {
        self.tls
    }

    /// The name or address of the hub, as it was given.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Connects; the caller bounds the wait.
    pub(crate) async fn connect(&self) -> io::Result<Box<dyn Io>> {
        let stream = self.dialer.dial(&self.host, self.port).await?;
        // On the heap: a handshake is large, and most connections have none.
        if self.tls { Box::pin(tls::wrap(stream, &self.host, self.pin)).await } else { Ok(stream) }
    }

    /// What belongs into the `Host` header.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What belongs into the `Authorization` header.
    pub(crate) fn authorization(&self) -> Option<http::HeaderValue> {
        let mut value = http::HeaderValue::try_from(format!("Bearer {}", self.credential.as_ref()?)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the credential.
        f.debug_struct("Remote").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<&str>) {
        let remote = Remote::new(url, None, Dialer::tcp()).ok().map(|remote| remote.authority());
        assert_eq!(remote.as_deref(), expected, "{url}");
    }

    #[test]
    fn addresses_of_hubs_are_taken_and_nothing_else() {
        check("http://127.0.0.1:4437", Some("127.0.0.1:4437"));
        check("http://[::1]:1/", Some("[::1]:1"));
        check("http://desk", Some("desk:80"));
        check("https://desk", Some("desk:443"));
        check("https://a:1", Some("a:1"));
        for url in ["ftp://a:1", "http://a:1/b", "http://a:1/?q=1", "http://u:p@a:1", "127.0.0.1:1", "", "http://"] {
            check(url, None);
        }
    }

    #[test]
    fn a_credential_does_not_show() {
        let remote = Remote::new("http://a:1", Some("twl_dev_secret".to_owned()), Dialer::tcp()).unwrap();
        assert!(!format!("{remote:?}").contains("secret"));
    }
}
