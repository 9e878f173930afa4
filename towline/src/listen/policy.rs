//! Which address may be listened on. Plain HTTP stays on this machine, unless a person asks for their network by name.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::error::{CommandError, Kind};

/// The port of Towline, when nobody says otherwise.
pub(crate) const PORT: u16 = 4437;

/// What to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The address on this machine, in plain HTTP; for the command line, and for a browser here.
    pub(crate) local: SocketAddr,
    /// Whether `local`'s port was asked for: then a busy one is an error.
    pub(crate) fixed: bool,
    /// The address for others.
    pub(crate) public: Option<Public>,
}

/// How others reach the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Public {
    /// In plain HTTP, on the private network of that address.
    Lan(IpAddr),
    /// By TLS.
    Tls(SocketAddr),
    /// In plain HTTP, by proxies that are named and by nobody else.
    Proxied(SocketAddr),
}

/// What a person asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish {
    /// `--listen`.
    pub(crate) listen: Option<SocketAddr>,
    /// `--lan`.
    pub(crate) lan: bool,
    /// `--tls-cert` and `--tls-key`.
    pub(crate) tls: bool,
    /// Whether plain HTTP beyond this machine is for named proxies alone.
    pub(crate) proxied: bool,
}

/// Decides; `private` finds an address of this machine on a private network.
pub(crate) fn plan(wish: Wish, private: impl FnOnce() -> Option<IpAddr>) -> Result<Plan, CommandError> {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let usage = |words: &str| CommandError::say(Kind::Usage, words);
    match wish {
        Wish { lan: true, tls: true, .. } => Err(usage("--lan is plain HTTP, and there is a certificate")
            .hint("With a certificate, say which address to listen on: --listen ADDRESS:PORT.")),
        Wish { lan: true, listen: Some(listen), .. } if !listen.ip().is_loopback() => {
            Err(usage("--lan finds the address by itself").hint("Leave out --listen, or --lan."))
        }
        Wish { lan: true, listen, .. } => {
            let ip = private().ok_or_else(|| {
                CommandError::say(Kind::Config, "this machine has no address on a private network")
                    .hint("Connect it to the network of the phone, or give a certificate and an address: --tls-cert, --tls-key, --listen.")
            })?;
            Ok(Plan { local: listen.unwrap_or(loopback), fixed: listen.is_some(), public: Some(Public::Lan(ip)) })
        }
        Wish { tls: true, listen, .. } => {
            let public = listen.ok_or_else(|| {
                usage("a certificate is given, and no address")
                    .hint("Say which address to listen on: --listen ADDRESS:PORT.")
            })?;
            let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            Ok(Plan { local, fixed: false, public: Some(Public::Tls(public)) })
        }
        Wish { listen: Some(listen), .. } if listen.ip().is_loopback() => {
            Ok(Plan { local: listen, fixed: true, public: None })
        }
        Wish { listen: Some(listen), proxied: true, .. } => {
            let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            Ok(Plan { local, fixed: false, public: Some(Public::Proxied(listen)) })
        }
        Wish { listen: Some(listen), .. } => {
            let words = format!("plain HTTP on {listen} could be read by others on the way");
            Err(CommandError::say(Kind::Config, words)
                .hint("For a phone on your own network: `towline up --lan`.")
                .hint("Anywhere else, give a certificate: --tls-cert FILE --tls-key FILE; or listen on 127.0.0.1 and let your tailnet serve it."))
        }
        Wish { listen: None, .. } => Ok(Plan { local: loopback, fixed: false, public: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(listen: &str, lan: bool, tls: bool) -> Result<Plan, Kind> {
        let listen = (!listen.is_empty()).then(|| listen.parse().unwrap());
        plan(Wish { listen, lan, tls, proxied: false }, || Some([10, 0, 0, 7].into())).map_err(|error| error.kind)
    }

    #[test]
    fn plain_http_stays_on_this_machine_unless_asked_for_by_name() {
        let local = |text: &str, fixed| Ok(Plan { local: text.parse().unwrap(), fixed, public: None });
        assert_eq!(wish("", false, false), local("127.0.0.1:4437", false));
        assert_eq!(wish("127.0.0.1:0", false, false), local("127.0.0.1:0", true));
        assert_eq!(wish("[::1]:80", false, false), local("[::1]:80", true));
        for refused in ["0.0.0.0:4437", "[::]:4437", "192.168.1.2:4437", "10.0.0.7:1", "8.8.8.8:80"] {
            assert_eq!(wish(refused, false, false), Err(Kind::Config), "{refused}");
        }
        let lan = wish("", true, false).unwrap();
        assert_eq!((lan.local.ip().is_loopback(), lan.public), (true, Some(Public::Lan([10, 0, 0, 7].into()))));
        assert_eq!(wish("127.0.0.1:9", true, false).unwrap().local.port(), 9);
        assert_eq!(wish("10.0.0.7:9", true, false), Err(Kind::Usage));
    }

    #[test]
    fn with_a_certificate_any_address_goes_and_the_command_line_keeps_its_own() {
        let plan = wish("0.0.0.0:443", false, true).unwrap();
        assert_eq!(plan.public, Some(Public::Tls("0.0.0.0:443".parse().unwrap())));
        assert!(plan.local.ip().is_loopback());
        assert_eq!(wish("", false, true), Err(Kind::Usage));
        assert_eq!(wish("", true, true), Err(Kind::Usage));
    }

    #[test]
    fn behind_named_proxies_plain_http_goes_further() {
        let wish = |listen: &str| Wish { listen: listen.parse().ok(), proxied: true, ..Wish::default() };
        let found = plan(wish("0.0.0.0:4437"), || None).unwrap();
        assert_eq!(
            (found.local.ip().is_loopback(), found.public),
            (true, Some(Public::Proxied("0.0.0.0:4437".parse().unwrap())))
        );
        assert_eq!(plan(wish("127.0.0.1:4437"), || None).unwrap().public, None);
    }

    #[test]
    fn without_a_private_network_there_is_no_lan() {
        let error = plan(Wish { lan: true, ..Wish::default() }, || None).unwrap_err();
        assert_eq!(error.kind, Kind::Config);
    }
}
