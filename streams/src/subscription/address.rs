//! Where webhooks may go: addresses of the public internet by HTTPS, and nearer ones only where the operator says so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;

/// Which addresses near this machine webhooks may reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    /// This machine itself, also by plain HTTP.
    pub loopback: bool,
    /// Private networks (RFC 1918, unique local, shared address space), by HTTPS.
    pub private: bool,
}

/// Where an address lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Public,
    Loopback,
    Private,
    /// Link-local, where clouds keep their metadata, and what is no host.
    Never,
}

/// A webhook may not go there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the URL is not one of a webhook: https, a host, no user")]
    Url,
    #[error("{0} is not an address that webhooks may reach")]
    Address(String),
    #[error("{0} has no address")]
    Unknown(String),
}

/// Where to send a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of `Host`.
    pub(super) authority: String,
    pub(super) path: String,
}

impl Target {
    /// Reads a URL, and refuses what is seen to be out of reach without asking for names.
    pub(super) fn parse(url: &str, reach: Reach) -> Result<Self, Refused> {
        let uri: Uri = url.parse().map_err(|_| Refused::Url)?;
        let authority = uri.authority().filter(|a| !a.as_str().contains('@')).ok_or(Refused::Url)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(Refused::Url),
        };
        let refused = || Refused::Address(host.clone());
        let named_local = host == "localhost" || host.ends_with(".localhost");
        let place = match host.parse::<IpAddr>() {
            Ok(ip) => place(ip),
            Err(_) if named_local => Place::Loopback,
            Err(_) => Place::Public,
        };
        if host.is_empty() || !reach.allows(place) || (!tls && place != Place::Loopback) {
            return Err(refused());
        }
        Ok(Self {
            tls,
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned()),
            host,
        })
    }

    /// Asks for the addresses of the host, anew for each connection, so that a name cannot be pointed elsewhere after it was looked
    /// at. One that is out of reach refuses them all. The connection must go to one of these, not to the name.
    pub(super) async fn resolve(&self, reach: Reach) -> Result<Vec<SocketAddr>, Refused> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found: Vec<SocketAddr> = found.map_err(|_| Refused::Unknown(self.host.clone()))?.collect();
        self.check(found, reach)
    }

    fn check(&self, found: Vec<SocketAddr>, reach: Reach) -> Result<Vec<SocketAddr>, Refused> {
        for address in &found {
            let place = place(address.ip());
            if !reach.allows(place) || (!self.tls && place != Place::Loopback) {
                return Err(Refused::Address(format!("{} ({})", self.host, address.ip())));
            }
        }
        if found.is_empty() { Err(Refused::Unknown(self.host.clone())) } else { Ok(found) }
    }
}

impl Reach {
    fn allows(self, place: Place) -> bool {
        match place {
            Place::Public => true,
            Place::Loopback => self.loopback,
            Place::Private => self.private,
            Place::Never => false,
        }
    }
}

fn place(ip: IpAddr) -> Place {
    match ip {
        IpAddr::V4(ip) => place_of_v4(ip),
        IpAddr::V6(ip) => place_of_v6(ip),
    }
}

/// By the IANA registry of special-purpose IPv4 addresses.
fn place_of_v4(ip: Ipv4Addr) -> Place {
    // A cloud keeps its metadata here, in the middle of the shared address space.
    if ip.octets() == [100, 100, 100, 200] {
        return Place::Never;
    }
    match ip.octets() {
        [127, ..] => Place::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Place::Private,
        [0 | 224.., ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Place::Never,
        _ => Place::Public,
    }
}

/// By the IANA registry of special-purpose IPv6 addresses; what carries an IPv4 address lies where that one does.
fn place_of_v6(ip: Ipv6Addr) -> Place {
    if ip == Ipv6Addr::LOCALHOST {
        return Place::Loopback;
    }
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        place_of_v4(Ipv4Addr::new(a, b, c, d))
    };
    // A cloud keeps its metadata at fd00:ec2::254.
    if ip.segments()[..2] == [0xfd00, 0xec2] {
        return Place::Never;
    }
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            v4(high, low)
        }
        [0xfc00..=0xfdff, ..] => Place::Private,
        // Global unicast, without Teredo, documentation and benchmarks.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, ..] => Place::Never,
        [0x2000..=0x3fff, ..] => Place::Public,
        _ => Place::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Reach = Reach { loopback: false, private: false };
    const LOOPBACK: Reach = Reach { loopback: true, private: false };
    const ALL: Reach = Reach { loopback: true, private: true };

    #[test]
    fn only_the_public_internet_is_reached_unless_said_otherwise() {
        for (ip, expected) in [
            ("1.1.1.1", Place::Public),
            ("127.9.9.9", Place::Loopback),
            ("10.0.0.1", Place::Private),
            ("172.31.0.1", Place::Private),
            ("172.32.0.1", Place::Public),
            ("192.168.1.1", Place::Private),
            ("100.64.0.1", Place::Private),
            ("100.100.100.200", Place::Never),
            ("169.254.169.254", Place::Never),
            ("0.0.0.0", Place::Never),
            ("255.255.255.255", Place::Never),
            ("224.0.0.1", Place::Never),
            ("::1", Place::Loopback),
            ("::", Place::Never),
            ("::ffff:127.0.0.1", Place::Loopback),
            ("::ffff:169.254.169.254", Place::Never),
            ("64:ff9b::a00:1", Place::Private),
            ("2002:7f00:1::", Place::Loopback),
            ("fe80::1", Place::Never),
            ("fd12::1", Place::Private),
            ("fd00:ec2::254", Place::Never),
            ("2001:db8::1", Place::Never),
            ("2606:4700::1111", Place::Public),
        ] {
            assert_eq!(place(ip.parse().expect("an address")), expected, "{ip}");
        }
    }

    #[test]
    fn urls_are_judged_before_names_are_asked_for() {
        for (url, reach, expected) in [
            ("https://example.com/hook?x=1", NONE, true),
            ("http://example.com/hook", ALL, false),
            ("https://user@example.com/", ALL, false),
            ("ftp://example.com/", ALL, false),
            ("/hook", ALL, false),
            ("http://127.0.0.1:9/hook", NONE, false),
            ("http://127.0.0.1:9/hook", LOOPBACK, true),
            ("http://localhost/hook", LOOPBACK, true),
            ("https://localhost/hook", NONE, false),
            ("http://[::1]:9/hook", LOOPBACK, true),
            ("http://10.0.0.1/hook", ALL, false),
            ("https://10.0.0.1/hook", LOOPBACK, false),
            ("https://10.0.0.1/hook", ALL, true),
            ("https://169.254.169.254/latest", ALL, false),
            ("https://2130706433/", NONE, true),
        ] {
            assert_eq!(Target::parse(url, reach).is_ok(), expected, "{url}");
        }
    }

    #[test]
    fn every_address_of_a_name_is_judged() {
        let target = Target::parse("https://example.com/", NONE).expect("a target");
        let check = |ips: &[&str], reach| {
            target.check(ips.iter().map(|ip| format!("{ip}:443").parse().expect("an address")).collect(), reach).is_ok()
        };
        assert!(check(&["1.1.1.1"], NONE));
        assert!(!check(&["1.1.1.1", "127.0.0.1"], NONE), "one bad address spoils them all");
        assert!(!check(&["169.254.169.254"], ALL));
        assert!(!check(&[], ALL));
    }

    #[tokio::test]
    async fn a_number_that_means_this_machine_is_found_out_when_it_is_asked_for() {
        let target = Target::parse("https://2130706433/", NONE).expect("no address by its look");
        assert!(target.resolve(NONE).await.is_err());
    }

    #[test]
    fn fuzz_webhook_addresses() {
        let corpus = fuzz::words(&[
            "https://example.com/hook?x=1",
            "http://127.0.0.1:9/hook",
            "https://[::ffff:169.254.169.254]:443/latest",
            "https://user@10.0.0.1/",
            "https://localhost./",
            "https://2130706433/",
        ]);
        fuzz::target("webhook-addresses", &corpus, |input| {
            let Ok(target) =
                std::str::from_utf8(input).map_err(|_| ()).and_then(|url| Target::parse(url, NONE).map_err(drop))
            else {
                return false;
            };
            assert!(target.tls && !target.host.is_empty() && !target.authority.contains('@'), "{target:?}");
            assert!(
                target.host.parse::<IpAddr>().is_ok_and(|ip| place(ip) == Place::Public)
                    || target.host.parse::<IpAddr>().is_err()
            );
            true
        });
    }
}
