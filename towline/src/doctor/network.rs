//! The network: whether there is an address to listen on, and who can reach it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use protocol::health::{Finding, FindingLevel};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::timeout;

use super::Running;
use crate::config::Settings;
use crate::listen::lan;
use crate::listen::policy::{self, Plan, Public, Wish};

/// Longest that a connection or a name is waited for.
const LIMIT: Duration = Duration::from_secs(3);

/// Looks at what these settings listen on.
pub(super) async fn look(settings: &Settings, is_hub: bool, running: Option<&Running>) -> Vec<Finding> {
    let proxied = is_hub && !settings.trusted_proxies.is_empty();
    let wish = Wish { listen: settings.listen, lan: settings.lan && !is_hub, tls: settings.tls.is_some(), proxied };
    let plan = match policy::plan(wish, lan::private_address) {
        Ok(plan) => plan,
        Err(error) => {
            let mut finding = Finding::new("listen", FindingLevel::Problem, format!("{:#}", error.source));
            finding.next = error.hints.into_iter().next();
            return vec![finding];
        }
    };
    let mut findings = vec![match running {
        Some(running) => runs(running),
        None => free(plan, is_hub).await,
    }];
    findings.push(reach(plan, running).await);
    if is_hub {
        findings.push(public(settings));
    }
    for name in &settings.host_names {
        findings.push(resolves(name).await);
    }
    findings
}

fn runs(running: &Running) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    let title = format!("Towline {} runs: {}", running.version, running.url);
    if running.version == ours {
        return Finding::new("listen", FindingLevel::Ok, title);
    }
    Finding::new("listen", FindingLevel::Warning, title)
        .detail(format!("This program is {ours}"))
        .next("Stop it and start it again to upgrade.")
}

/// Whether the address could be listened on now.
async fn free(plan: Plan, is_hub: bool) -> Finding {
    let wanted = match plan.public {
        Some(Public::Tls(address) | Public::Proxied(address)) => address,
        _ => plan.local,
    };
    match TcpListener::bind(wanted).await {
        Ok(_) => {
            let title = format!("Towline does not run; {wanted} is free for it");
            Finding::new("listen", FindingLevel::Ok, title).next(if is_hub {
                "Start it: towline hub"
            } else {
                "Start it: towline up"
            })
        }
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && !plan.fixed && plan.public.is_none() => {
            let title = format!("Another program listens on {wanted}, so Towline takes the next free port");
            Finding::new("listen", FindingLevel::Ok, title)
        }
        Err(error) => {
            let next = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "Stop the program that listens there, or choose another port: --listen."
                }
                std::io::ErrorKind::PermissionDenied => {
                    "Ports below 1024 are for the system: choose a higher one with --listen."
                }
                _ => "Choose an address of this machine: --listen ADDRESS:PORT.",
            };
            Finding::new("listen", FindingLevel::Problem, format!("{wanted} cannot be listened on"))
                .detail(error.to_string())
                .next(next)
        }
    }
}

/// Whether what people open says how they come in safely.
fn public(settings: &Settings) -> Finding {
    let id = "hub.public";
    match &settings.public_url {
        _ if settings.tls.is_some() => {
            Finding::new(id, FindingLevel::Ok, "People come in by TLS, with a certificate of its own")
        }
        Some(url) if url.starts_with("https://") && settings.trusted_proxies.is_empty() => {
            Finding::new(id, FindingLevel::Warning, format!("{url} leads here through a proxy that is not believed"))
                .detail("Then all people are one source, and their cookie is not kept to TLS")
                .next("Name the proxy: --trusted-proxy 127.0.0.1, or `listen.trusted_proxies` in the configuration.")
        }
        Some(url) if url.starts_with("https://") => {
            Finding::new(id, FindingLevel::Ok, format!("People come in at {url}, through a proxy that is believed"))
        }
        Some(url) => Finding::new(id, FindingLevel::Warning, format!("People come in at {url}, in plain HTTP")).next(
            "Give a certificate (--tls-cert, --tls-key), or let a proxy with one lead here (--public-url https://…).",
        ),
        None => Finding::new(id, FindingLevel::Warning, "Nobody beyond this machine can come in safely").next(
            "Say the address that people open: --public-url https://…, and who leads there: a certificate or a proxy.",
        ),
    }
}

/// Whether a phone could come in.
async fn reach(plan: Plan, running: Option<&Running>) -> Finding {
    let here = addresses();
    let Some(public) = plan.public else {
        return match running.filter(|running| running.url != running.local_url) {
            // Started with other flags than those that are configured.
            Some(running) => connected(&running.url).await,
            None => Finding::new("reach", FindingLevel::Ok, "Only this machine reaches Towline: it listens on no other address")
                .next("For a phone: `towline up --lan` on a network that you trust, or a certificate, or a tailnet name (--host-name)."),
        };
    };
    match (public, running) {
        (_, Some(running)) => connected(&running.url).await,
        (Public::Lan(ip), None) => {
            let title = format!("A phone on the same network would reach Towline at {ip}");
            Finding::new("reach", FindingLevel::Ok, title).detail(here)
        }
        (Public::Proxied(address), None) => {
            let title = format!("Proxies that are named would reach Towline at {address}, and nobody else would");
            Finding::new("reach", FindingLevel::Ok, title).detail(here)
        }
        (Public::Tls(address), None) if address.ip().is_loopback() => {
            let title = "With a certificate, and only this machine reaches it: it listens on a loopback address";
            Finding::new("reach", FindingLevel::Warning, title)
                .next("Listen on an address that others reach: --listen 0.0.0.0:443.")
        }
        (Public::Tls(address), None) => {
            Finding::new("reach", FindingLevel::Ok, format!("Others would reach Towline at {address}, by TLS"))
                .detail(here)
        }
    }
}

/// Whether the address for others is one that this machine itself reaches.
async fn connected(url: &str) -> Finding {
    let secure = url.starts_with("https://");
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/').to_owned();
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let target = if has_port { authority.clone() } else { format!("{authority}:{}", if secure { 443 } else { 80 }) };
    let port = target.rsplit_once(':').map_or("", |(_, port)| port).to_owned();
    match timeout(LIMIT, TcpStream::connect(&target)).await {
        Ok(Ok(_)) => Finding::new("reach", FindingLevel::Ok, format!("Others on the network open {url}"))
            .detail(format!("This machine reaches it. If a phone does not: {}", firewall(&port))),
        Ok(Err(error)) => Finding::new("reach", FindingLevel::Problem, format!("{url} does not lead here"))
            .detail(error.to_string())
            .next("The machine may have another address now: start Towline again."),
        Err(_) => Finding::new("reach", FindingLevel::Problem, format!("{url} does not answer"))
            .next(format!("A firewall may be in between: {}", firewall(&port))),
    }
}

/// How a port is let through the firewall here.
fn firewall(port: &str) -> String {
    if cfg!(target_os = "macos") {
        "allow `towline` in System Settings, Network, Firewall".to_owned()
    } else if cfg!(windows) {
        "allow `towline` when Windows asks, for private networks".to_owned()
    } else {
        format!(
            "`sudo ufw allow {port}/tcp`, or `sudo firewall-cmd --add-port={port}/tcp`; guest networks often keep devices apart"
        )
    }
}

fn addresses() -> String {
    let all: Vec<String> = lan::addresses().iter().map(IpAddr::to_string).collect();
    if all.is_empty() {
        "This machine has no address on a network".to_owned()
    } else {
        format!("Addresses here: {}", all.join(", "))
    }
}

async fn resolves(name: &str) -> Finding {
    let id = format!("name.{name}");
    let found = timeout(LIMIT, lookup_host((name.trim_matches(['[', ']']), 0))).await;
    let addresses: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    match addresses.first() {
        Some(address) => Finding::new(id, FindingLevel::Ok, format!("{name} leads to {}", address.ip())),
        None => Finding::new(id, FindingLevel::Warning, format!("{name} leads nowhere from here"))
            .next("See whether it is spelled right, and whether the tailnet or the name server knows it."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(port: u16, fixed: bool) -> Plan {
        Plan { local: SocketAddr::from(([127, 0, 0, 1], port)), fixed, public: None }
    }

    #[tokio::test]
    async fn a_busy_port_is_a_problem_only_if_it_was_asked_for() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let asked = free(plan(port, true), false).await;
        assert_eq!((asked.level, asked.next.is_some()), (FindingLevel::Problem, true));
        assert_eq!(free(plan(port, false), false).await.level, FindingLevel::Ok);
        assert_eq!(connected(&format!("http://127.0.0.1:{port}")).await.level, FindingLevel::Ok);
        drop(taken);
        assert_eq!(connected(&format!("http://127.0.0.1:{port}")).await.level, FindingLevel::Problem);
    }

    #[tokio::test]
    async fn an_older_node_that_runs_is_said() {
        let running = |version: &str| Running { local_url: "u".into(), url: "u".into(), version: version.into() };
        assert_eq!(runs(&running(env!("CARGO_PKG_VERSION"))).level, FindingLevel::Ok);
        assert_eq!(runs(&running("0.0.1")).level, FindingLevel::Warning);
        assert_eq!(resolves("no-such-name.invalid").await.level, FindingLevel::Warning);
        assert_eq!(resolves("localhost").await.level, FindingLevel::Ok);
    }
}
