//! The address of a hub: by TLS, unless nobody can be on the way.

use std::net::{IpAddr, Ipv6Addr};

use client::{Dialer, Fingerprint, Remote};

use crate::error::{CommandError, Kind};

/// Where a hub is, as a person named it.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// The address without a path and without a secret.
    pub(crate) url: String,
    /// What to call the link: host and port, as they can stand in the name of a file.
    pub(crate) name: String,
    /// The secret of a pairing URL.
    pub(crate) secret: Option<String>,
    /// The way there, without a credential.
    pub(crate) remote: Remote,
}

impl Address {
    /// Reads an address, or the URL that a hub prints for pairing. Plain HTTP is taken on this machine, and with `lan` on a private
    /// network.
    pub(crate) fn read(text: &str, lan: bool, pin: Option<Fingerprint>) -> Result<Self, CommandError> {
        let (url, secret) = match text.trim().split_once('#') {
            Some((url, secret)) => (url, Some(secret.to_owned()).filter(|secret| !secret.is_empty())),
            None => (text.trim(), None),
        };
        let url = url.trim_end_matches('/');
        let url = url.strip_suffix("/pair").or_else(|| url.strip_suffix("/join")).unwrap_or(url);
        let remote = Remote::new(url, None, Dialer::tcp()).map_err(|error| {
            CommandError::new(Kind::Usage, error)
                .hint("Give the address that the hub printed, such as https://hub.example.com.")
        })?;
        if !remote.is_private() && !is_near(remote.host(), lan) {
            let words = format!("plain HTTP to {} could be read and changed by others on the way", remote.host());
            return Err(CommandError::say(Kind::Config, words)
                .hint("Use the hub's https:// address; one that signed its certificate itself is named with --fingerprint.")
                .hint("On a private network that you trust: --lan."));
        }
        if pin.is_some() && !remote.is_private() {
            return Err(CommandError::say(Kind::Usage, "without TLS a hub has no certificate that could be compared")
                .hint("Use the hub's https:// address, or leave out --fingerprint."));
        }
        let name = url.split_once("://").map_or(url, |(_, rest)| rest);
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
        let name = name.to_ascii_lowercase().chars().map(plain).collect();
        Ok(Self { url: url.to_owned(), name, secret, remote: remote.pinned(pin) })
    }
}

/// Whether nobody but who is trusted can be on the way.
fn is_near(host: &str, lan: bool) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) if ip.is_loopback() => true,
        Ok(IpAddr::V4(ip)) => lan && ip.is_private(),
        Ok(IpAddr::V6(ip)) => lan && is_unique_local(ip),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

fn is_unique_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xfe00 == 0xfc00
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, lan: bool) -> Result<(String, String, Option<String>), Kind> {
        let read = Address::read(text, lan, None).map_err(|error| error.kind)?;
        Ok((read.url, read.name, read.secret))
    }

    #[test]
    fn plain_http_is_taken_where_nobody_can_be_on_the_way() {
        for near in ["http://127.0.0.1:4437", "http://localhost:1", "http://[::1]:1"] {
            assert!(check(near, false).is_ok(), "{near}");
        }
        for far in ["http://hub.example.com", "http://8.8.8.8:1", "http://192.168.1.2:1", "http://169.254.169.254"] {
            assert_eq!(check(far, false), Err(Kind::Config), "{far}");
        }
        assert!(check("http://192.168.1.2:1", true).is_ok() && check("http://[fd00::1]:1", true).is_ok());
        for far in ["http://hub.example.com", "http://8.8.8.8:1", "http://169.254.169.254", "http://[2001:db8::1]:1"] {
            assert_eq!(check(far, true), Err(Kind::Config), "{far}");
        }
        for bad in ["", "hub.example.com", "ftp://x", "https://u:p@hub.test"] {
            assert_eq!(check(bad, false), Err(Kind::Usage), "{bad}");
        }
    }

    #[test]
    fn the_url_that_a_hub_prints_for_pairing_is_an_address_with_a_secret() {
        let read = |text: &str| check(text, false).unwrap();
        assert_eq!(
            read("https://Hub.test/pair#hush"),
            ("https://Hub.test".into(), "hub.test".into(), Some("hush".into()))
        );
        assert_eq!(read("http://[::1]:4437/"), ("http://[::1]:4437".into(), "___1__4437".into(), None));
    }

    #[test]
    fn a_certificate_is_compared_only_where_there_is_one() {
        let pin = Some("ab".repeat(32).parse().unwrap());
        assert!(Address::read("https://hub.test", false, pin).is_ok());
        assert_eq!(Address::read("http://127.0.0.1:1", false, pin).unwrap_err().kind, Kind::Usage);
    }
}
