//! The sockets of a node, and the addresses that lead to them.

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hub::{Hub, Network};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::busy;
use crate::config::origin_host;
use crate::error::CommandError;
use crate::listen::policy::{PORT, Plan, Public};
use crate::listen::tls::Tls;
use crate::listen::{Plain, Proxied, lan};

/// How many ports are tried when nobody asked for one.
const PORTS: u16 = 20;

/// Listens, and says where.
pub(crate) struct Bound {
    pub(crate) local: Plain,
    pub(crate) public: Option<PublicListener>,
    /// The address for programs and browsers on this machine.
    pub(crate) local_url: String,
    /// The address to open: for others where there is one.
    pub(crate) url: String,
    /// Names in the `Host` header that lead here.
    pub(crate) names: Vec<String>,
}

/// What others connect to.
pub(crate) enum PublicListener {
    /// In plain HTTP.
    Lan(Plain),
    /// By TLS.
    Tls(Tls),
    /// In plain HTTP, for named proxies.
    Proxied(Proxied),
}

/// By which names and through whom a node is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ways<'a> {
    /// Names that lead here.
    pub(crate) host_names: &'a [String],
    /// What the machine is called in its network.
    pub(crate) machine: &'a str,
    /// The address that people open, where it is not the one that is listened on.
    pub(crate) public_url: Option<&'a str>,
    /// Proxies that are believed.
    pub(crate) proxies: &'a [Network],
}

impl Bound {
    /// Serves a hub on all of it, in tasks of their own, until the hub stops; requests under way have `budget` then.
    pub(crate) fn serve(
        local: Plain,
        public: Option<PublicListener>,
        hub: &Hub,
        tasks: &mut JoinSet<()>,
        budget: Duration,
    ) {
        fn serve<L: hub::Listener<Addr = SocketAddr> + Send>(
            hub: &Hub,
            listener: L,
            tasks: &mut JoinSet<()>,
            budget: Duration,
        ) where
            L::Io: Send,
        {
            let hub = hub.clone();
            tasks.spawn(async move { hub::serve(&hub, listener, pending(), budget).await });
        }
        serve(hub, local, tasks, budget);
        match public {
            Some(PublicListener::Lan(listener)) => serve(hub, listener, tasks, budget),
            Some(PublicListener::Tls(listener)) => serve(hub, listener, tasks, budget),
            Some(PublicListener::Proxied(listener)) => serve(hub, listener, tasks, budget),
            None => {}
        }
    }
}

/// Listens as planned.
pub(crate) async fn bind(plan: Plan, acceptor: Option<TlsAcceptor>, ways: Ways<'_>) -> Result<Bound, CommandError> {
    let Ways { host_names, machine, public_url, proxies } = ways;
    let (local, lan) = pair(plan).await?;
    let at = |listener: &TcpListener| {
        listener.local_addr().map_err(|error| CommandError::new(crate::error::Kind::Config, error))
    };
    let local_at = at(&local)?;
    let local_url = format!("http://{local_at}");
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned(), named(local_at.ip())];
    names.extend(host_names.iter().cloned());
    let (public, url) = match (plan.public, lan, acceptor) {
        (Some(Public::Lan(_)), Some(lan), _) => {
            let address = at(&lan)?;
            names.push(named(address.ip()));
            (Some(PublicListener::Lan(Plain(lan))), format!("http://{address}"))
        }
        (Some(Public::Tls(wanted)), _, Some(acceptor)) => {
            let listener = TcpListener::bind(wanted).await.map_err(|error| busy(wanted, error))?;
            let address = at(&listener)?;
            let mine = if wanted.ip().is_unspecified() {
                names.push(machine.to_owned());
                lan::private_address().unwrap_or_else(|| wanted.ip())
            } else {
                wanted.ip()
            };
            names.push(named(mine));
            let name = host_names.first().cloned().unwrap_or_else(|| named(mine));
            let port = if address.port() == 443 { String::new() } else { format!(":{}", address.port()) };
            (Some(PublicListener::Tls(Tls::new(Plain(listener), acceptor))), format!("https://{name}{port}"))
        }
        (Some(Public::Proxied(wanted)), _, _) => {
            let listener = TcpListener::bind(wanted).await.map_err(|error| busy(wanted, error))?;
            let address = at(&listener)?;
            names.push(named(address.ip()));
            let proxied = Proxied { tcp: Plain(listener), proxies: proxies.to_vec() };
            (Some(PublicListener::Proxied(proxied)), format!("http://{address}"))
        }
        _ => (None, local_url.clone()),
    };
    names.extend(public_url.and_then(origin_host).map(str::to_owned));
    let url = public_url.map_or(url, str::to_owned);
    names.sort();
    names.dedup();
    Ok(Bound { local: Plain(local), public, local_url, url, names })
}

/// The listener on this machine, and the one on the private network at the same port.
async fn pair(plan: Plan) -> Result<(TcpListener, Option<TcpListener>), CommandError> {
    let wanted = plan.local.port();
    let any = wanted == 0;
    let last = if plan.fixed && !any { wanted } else { wanted.saturating_add(PORTS) };
    let mut failed = None;
    for port in wanted..=last {
        // An unused port is drawn anew each time.
        let address = SocketAddr::new(plan.local.ip(), if any { 0 } else { port });
        let local = match TcpListener::bind(address).await {
            Ok(local) => local,
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                failed.get_or_insert(busy(address, error));
                continue;
            }
            Err(error) => return Err(busy(address, error)),
        };
        let Some(Public::Lan(ip)) = plan.public else { return Ok((local, None)) };
        let same = local.local_addr().map_or(PORT, |address| address.port());
        match TcpListener::bind((ip, same)).await {
            Ok(lan) => return Ok((local, Some(lan))),
            Err(error) => drop(failed.get_or_insert(busy(SocketAddr::new(ip, same), error))),
        }
    }
    Err(failed.unwrap_or_else(|| busy(plan.local, std::io::ErrorKind::AddrInUse.into())))
}

/// An address as it stands in a `Host` header.
fn named(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn plan(port: u16, fixed: bool, public: Option<Public>) -> Plan {
        Plan { local: SocketAddr::from(([127, 0, 0, 1], port)), fixed, public }
    }

    fn ways(host_names: &[String]) -> Ways<'_> {
        Ways { host_names, machine: "desk", public_url: None, proxies: &[] }
    }

    #[tokio::test]
    async fn the_address_that_people_open_may_be_another() {
        let ways = Ways { public_url: Some("https://hub.example.net:8443"), ..ways(&[]) };
        let bound = bind(plan(0, true, None), None, ways).await.unwrap();
        assert_eq!(bound.url, "https://hub.example.net:8443");
        assert!(
            bound.names.contains(&"hub.example.net".to_owned()) && bound.local_url.starts_with("http://127.0.0.1:")
        );
    }

    #[tokio::test]
    async fn a_busy_port_is_an_error_only_if_it_was_asked_for() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind(plan(port, true, None), None, ways(&[])).await.err().unwrap();
        assert_eq!(error.kind, Kind::Config);
        assert!(format!("{:#}", error.source).contains(&port.to_string()));
        let bound = bind(plan(port, false, None), None, ways(&[])).await.unwrap();
        assert_ne!(bound.local_url, format!("http://127.0.0.1:{port}"));
    }

    #[tokio::test]
    async fn others_get_the_same_port_and_this_machine_keeps_its_own() {
        // Another loopback address stands for one of a private network.
        let public = Some(Public::Lan([127, 0, 0, 9].into()));
        let bound = bind(plan(0, true, public), None, ways(&["desk.tail.test".to_owned()])).await.unwrap();
        let port = |url: &str| url.rsplit_once(':').unwrap().1.to_owned();
        assert!(bound.url.starts_with("http://127.0.0.9:") && bound.local_url.starts_with("http://127.0.0.1:"));
        assert_eq!(port(&bound.url), port(&bound.local_url));
        assert_eq!(bound.names, ["127.0.0.1", "127.0.0.9", "[::1]", "desk.tail.test", "localhost"]);
    }
}
