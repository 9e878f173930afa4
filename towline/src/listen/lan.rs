//! The address of this machine on a private network.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// Where packets would go: somewhere on the internet (an address for documentation, RFC 5737), then each private network
/// (RFC 1918), then a tailnet (RFC 6598). Connecting a UDP socket sends nothing; it only looks up the route.
const SOMEWHERE: [Ipv4Addr; 5] = [
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv4Addr::new(192, 168, 255, 254),
    Ipv4Addr::new(10, 255, 255, 254),
    Ipv4Addr::new(172, 31, 255, 254),
    Ipv4Addr::new(100, 127, 255, 254),
];

/// The address that this machine has where its packets leave it, if that is on a private network.
pub(crate) fn private_address() -> Option<IpAddr> {
    choose(SOMEWHERE.iter().filter_map(|there| route(*there)).chain(assigned()))
}

/// Every address of this machine that others may reach, as far as the system says.
pub(crate) fn addresses() -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = SOMEWHERE.iter().filter_map(|there| route(*there)).chain(assigned()).collect();
    found.retain(|ip| !ip.is_loopback() && !ip.is_unspecified());
    found.sort();
    found.dedup();
    found
}

/// The first private address.
fn choose(candidates: impl IntoIterator<Item = IpAddr>) -> Option<IpAddr> {
    candidates.into_iter().find(is_private)
}

/// Whether an address belongs to a network that is not the internet: private (RFC 1918), link-local, or shared (RFC 6598, which
/// tailnets use).
fn is_private(ip: &IpAddr) -> bool {
    let IpAddr::V4(ip) = ip else { return false };
    let [a, b, ..] = ip.octets();
    ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
}

fn route(there: Ipv4Addr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((there, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Every address of this machine, where no route leads out of its networks.
#[cfg(target_os = "linux")]
fn assigned() -> Vec<IpAddr> {
    local_addresses(&std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default())
}

#[cfg(not(target_os = "linux"))]
fn assigned() -> Vec<IpAddr> {
    Vec::new()
}

/// Reads the addresses out of Linux's routing tables: each `|-- ADDRESS` that is followed by `/32 host LOCAL`.
#[cfg(any(target_os = "linux", test))]
fn local_addresses(table: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in table.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = last.map(IpAddr::V4)
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_addresses_are_taken() {
        let check = |candidates: &[&str], expected: Option<&str>| {
            let candidates = candidates.iter().map(|text| text.parse().unwrap());
            assert_eq!(choose(candidates), expected.map(|text| text.parse().unwrap()));
        };
        check(&["192.168.1.4"], Some("192.168.1.4"));
        check(&["203.0.113.9", "10.1.2.3"], Some("10.1.2.3"));
        check(&["100.64.0.1"], Some("100.64.0.1"));
        check(&["127.0.0.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "fe80::1", "0.0.0.0"], None);
    }

    #[test]
    fn the_kernels_table_is_read() {
        let table = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.20.0.0\n        /24 link UNICAST\n     |-- 10.20.0.2\n        /32 host LOCAL\n     |-- 10.20.0.255\n        /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\nLocal:\n     |-- 10.20.0.2\n        /32 host LOCAL\n";
        let found: Vec<IpAddr> = ["10.20.0.2", "127.0.0.1"].map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(local_addresses(table), found);
    }
}
