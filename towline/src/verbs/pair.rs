//! `pair`.

use std::time::Duration;

use protocol::api::{NewPairing, NodeCode, PairingClaim, PairingOffer};
use protocol::id::PairingId;
use protocol::time::{Clock, UnixMs};
use serde::Serialize;
use tokio::io::AsyncBufReadExt;

use crate::cli::{Pair, PairVerb};
use crate::clock::SystemClock;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::node::Node;
use crate::output::{self, Output, printable};
use crate::qr;

/// Between two looks for a device that asks.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Offered<'a> {
    pairing: String,
    code: &'a str,
    pair_url: String,
    url: &'a str,
    expires_at_ms: UnixMs,
}

/// Makes a code, or answers a device.
pub(crate) async fn pair(node: &Node, wish: Pair, env: &Env, out: Output) -> Result<(), CommandError> {
    match wish.verb {
        None => offer(node, wish.once, env, out).await,
        Some(PairVerb::List) => {
            let claims = node.ask(node.api.pairings()).await?.claims;
            if claims.is_empty() && !out.json {
                return out.line("No device asks.");
            }
            claims.iter().try_for_each(|claim| out.either(claim, || line(claim)))
        }
        Some(PairVerb::Accept { code, yes }) => accept(node, &code, yes, env, out).await,
        // Done before there is a node.
        Some(PairVerb::With { .. } | PairVerb::Hubs { .. } | PairVerb::Leave { .. }) => Ok(()),
        Some(PairVerb::Allow { pairing }) => answer(node, pairing, true, out).await,
        Some(PairVerb::Deny { pairing }) => answer(node, pairing, false, out).await,
    }
}

/// A device that asks, for people.
pub(crate) fn line(claim: &PairingClaim) -> String {
    let PairingClaim { pairing, name, platform, source, words, fingerprint, .. } = claim;
    let key = fingerprint.as_ref().map(|key| format!(" and the key {key}")).unwrap_or_default();
    printable(&format!("{pairing}  {name} ({platform}) from {source}, which shows \"{words}\"{key}"))
}

/// The address with the secret, for the QR code.
pub(crate) fn pair_url(url: &str, offer: &PairingOffer) -> String {
    format!("{}/pair#{}", url.trim_end_matches('/'), offer.secret)
}

/// The QR code with a line between, or why there is none.
pub(crate) fn picture(url: &str, offer: &PairingOffer) -> String {
    match qr::code(&pair_url(url, offer), output::columns()) {
        Some(code) => format!("{code}\n\n"),
        None => "  This terminal is too narrow for the QR code: make it wider and ask again, or type the code.\n\n"
            .to_owned(),
    }
}

/// What a person sees of an offer.
fn shown(url: &str, offer: &PairingOffer, now: UnixMs) -> String {
    format!("{}  Open     {url}\n{}", picture(url, offer), code(offer, now))
}

/// The code to type, and how long it is good for.
pub(crate) fn code(offer: &PairingOffer, now: UnixMs) -> String {
    let minutes = offer.expires_at_ms.since(now).div_ceil(60_000);
    format!("  Code     {}\n  Valid    {minutes} min, once", offer.code)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    pairing: String,
    allowed: bool,
}

async fn answer(node: &Node, pairing: PairingId, allow: bool, out: Output) -> Result<(), CommandError> {
    node.ask(node.api.answer_pairing(pairing, allow)).await?;
    let word = if allow { "let in" } else { "refused" };
    out.either(&Answered { pairing: pairing.to_string(), allowed: allow }, || format!("{word}: {pairing}"))
}

/// Shows the machine that shows a code, and lets it in when a person says so.
async fn accept(node: &Node, code: &str, yes: bool, env: &Env, out: Output) -> Result<(), CommandError> {
    let claim = node.ask(node.api.accept_node(&NodeCode { code: code.to_owned() })).await?;
    output::note(line(&claim));
    let allow = yes || (env.stdin_is_terminal && asked("Link it to this hub? [y/N] ").await?);
    if !allow && !env.stdin_is_terminal {
        let words = format!(
            "nobody can be asked here; answer with `towline pair allow {0}` or `towline pair deny {0}`",
            claim.pairing
        );
        output::note(words);
        return out.either(&claim, || claim.pairing.to_string());
    }
    answer(node, claim.pairing, allow, out).await
}

async fn offer(node: &Node, once: bool, env: &Env, out: Output) -> Result<(), CommandError> {
    let offer = node.ask(node.api.offer_pairing(&NewPairing { once })).await?;
    let url = node.file.public_url.as_str();
    let offered = Offered {
        pairing: offer.pairing.to_string(),
        code: &offer.code,
        pair_url: pair_url(url, &offer),
        url,
        expires_at_ms: offer.expires_at_ms,
    };
    if out.json {
        out.json(&offered)?;
    } else {
        out.prose(shown(url, &offer, SystemClock.now()))?;
    }
    if out.json || once || !env.stdin_is_terminal {
        return Ok(());
    }
    while SystemClock.now() < offer.expires_at_ms {
        let claims = node.api.pairings().await?.claims;
        if let Some(claim) = claims.iter().find(|claim| claim.pairing == offer.pairing) {
            output::note(line(claim));
            let allow = asked("Let it in? [y/N] ").await?;
            return answer(node, offer.pairing, allow, out).await;
        }
        tokio::time::sleep(LOOK).await;
    }
    out.line("Nobody used the code.")
}

/// Asks a person something; no answer is no.
pub(super) async fn asked(question: &str) -> Result<bool, CommandError> {
    output::ask(question);
    let mut typed = String::new();
    let read = tokio::io::BufReader::new(tokio::io::stdin()).read_line(&mut typed).await;
    read.map_err(|error| CommandError::new(Kind::No, error).during("cannot read what is typed"))?;
    if !typed.ends_with('\n') {
        // The line was ended by no Enter, so what comes next would stand behind the question.
        output::note("");
    }
    Ok(is_yes(&typed))
}

/// Whether somebody typed yes.
pub(crate) fn is_yes(typed: &str) -> bool {
    matches!(typed.trim().to_lowercase().as_str(), "y" | "yes")
}
