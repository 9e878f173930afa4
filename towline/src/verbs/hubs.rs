//! `pair with`, `pair hubs` and `pair leave`: other hubs that this command line can talk to.

use client::Fingerprint;
use protocol::time::UnixMs;
use serde::Serialize;

use super::lists::time;
use crate::cli::PairVerb;
use crate::data_dir::DataDir;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::hubs::{self, OtherHub, Wish};
use crate::links::Address;
use crate::output::{self, Output, printable};

/// A hub, as `--json` prints it; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    name: &'a str,
    url: &'a str,
    reads_only: bool,
    added_at_ms: UnixMs,
}

fn listed(hub: &OtherHub) -> Listed<'_> {
    Listed { name: &hub.name, url: &hub.file.url, reads_only: hub.reads_only, added_at_ms: hub.file.added_at_ms }
}

/// Pairs with a hub, lists those that there are, or leaves one.
pub(crate) async fn hubs(verb: PairVerb, dir: &DataDir, env: &Env, out: Output) -> Result<(), CommandError> {
    match verb {
        PairVerb::With { url, code, name, fingerprint, lan } => {
            let name = name.unwrap_or_else(|| env.machine.clone());
            with(dir, &url, code, name, fingerprint, lan, out).await
        }
        PairVerb::Leave { which } => {
            let (hub, told) = hubs::leave(dir, &which).await?;
            if let Err(words) = told {
                output::note(format!(
                    "The hub was not told: {words}. Remove this device there: under Devices in a browser, or `towline devices revoke`."
                ));
            }
            out.either(&listed(&hub), || format!("left: {}", hub.file.url))
        }
        PairVerb::Hubs { names: true } => hubs::all(dir).iter().try_for_each(|hub| out.line(&hub.name)),
        _ => {
            let all = hubs::all(dir);
            if all.is_empty() && !out.json {
                out.line("No other hub.")?;
                output::note("To pair this command line with one: towline pair with URL --code CODE");
                return Ok(());
            }
            all.iter().try_for_each(|hub| {
                out.either(&listed(hub), || {
                    let how = if hub.reads_only { "linked: may read" } else { "paired" };
                    printable(&format!("{}  {}  {how} since {}", hub.name, hub.file.url, time(hub.file.added_at_ms)))
                })
            })
        }
    }
}

async fn with(
    dir: &DataDir,
    url: &str,
    code: Option<String>,
    name: String,
    pin: Option<Fingerprint>,
    lan: bool,
    out: Output,
) -> Result<(), CommandError> {
    let address = Address::read(url, lan, pin)?;
    if let Some(known) = hubs::all(dir).into_iter().find(|hub| hub.name == address.name && !hub.reads_only) {
        return Err(CommandError::say(
            Kind::No,
            format!("this command line is paired with {} already", known.file.url),
        )
        .hint(format!("To pair it anew: towline pair leave {}, then again.", known.name)));
    }
    let Some(code) = code.or_else(|| address.secret.clone()) else {
        return Err(CommandError::say(Kind::Usage, "a code of that hub is needed")
            .hint("Make one there: `towline pair` on its machine, or Devices in a browser; then add --code CODE."));
    };
    let wish = Wish { address, code, pin, lan, name };
    let hub = hubs::pair(dir, wish, |words| {
        output::note(format!("Confirm it there, if you are asked; it shows the words \"{words}\"."));
    })
    .await?;
    if hub.file.account.is_none() {
        output::note("The hub could not be asked just now; the credential is kept.");
    }
    out.either(&listed(&hub), || format!("paired: {0}\nAsk it: towline sessions --hub {1}", hub.file.url, hub.name))
}
