//! What a person sees of a node that runs.

use protocol::api::PairingOffer;
use protocol::time::UnixMs;

use crate::listen::policy::Public;
use crate::verbs::{offered_code, offered_picture as picture};

/// The sign: you, and the machine.
pub(crate) const SIGN: &str = "●────●";

/// The head: the sign, and where to go.
pub(crate) fn head(url: &str, local_url: &str) -> String {
    let here = if url == local_url { String::new() } else { format!("\n  Here     {local_url}") };
    format!("\n  {SIGN}  Towline {}\n\n  Open     {url}{here}", env!("CARGO_PKG_VERSION"))
}

/// A pairing code; the QR code only where a phone could use it.
pub(super) fn code(url: &str, public: Option<Public>, interactive: bool, offer: &PairingOffer, now: UnixMs) -> String {
    let picture = public.map(|_| format!("\n{}", picture(url, offer)));
    let again = if interactive { "; Enter makes a new one" } else { "" };
    format!("{}{}{again}", picture.unwrap_or_default(), offered_code(offer, now))
}

/// What the address means for others.
pub(super) const fn advice(public: Option<Public>) -> &'static str {
    match public {
        None => {
            "\n  This address works on this machine only. For a phone: `towline up --lan` on a network that you trust,\n  \
             or a certificate (--tls-cert, --tls-key, --listen), or a tailnet name that leads here (--host-name)."
        }
        Some(Public::Lan(_)) => {
            "\n  This is plain HTTP: others on this network can read what is said. On a network that you do not trust,\n  \
             give a certificate (--tls-cert, --tls-key, --listen), or use a tailnet (--host-name)."
        }
        Some(Public::Tls(_) | Public::Proxied(_)) => "",
    }
}
