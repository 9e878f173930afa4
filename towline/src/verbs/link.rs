//! `link`: other hubs that this machine can be reached through.

use std::time::Duration;

use client::{Api, Fingerprint};
use link::{LinkState, Phase};
use protocol::id::{AccountId, DeviceId};
use serde::Serialize;

use crate::cli::LinkVerb;
use crate::data_dir::DataDir;
use crate::error::{CommandError, Kind};
use crate::links::{Address, Folder, LinkFile, Wish, asked_shown, enrol};
use crate::node::{Node, not_running};
use crate::output::{self, Output, printable};

/// Longest that a removed link may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(3);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    name: &'a str,
    url: &'a str,
    /// Whose this machine is there; null where the hub has not said so yet.
    account: Option<AccountId>,
    device: DeviceId,
    /// Null while Towline does not run.
    state: Option<&'a LinkState>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Removed<'a> {
    name: &'a str,
    /// Whether the hub has forgotten this machine, too.
    forgotten: bool,
}

/// Adds, lists or removes links.
pub(crate) async fn link(verb: LinkVerb, dir: &DataDir, out: Output) -> Result<(), CommandError> {
    match verb {
        LinkVerb::Add { url, code, fingerprint, lan } => add(dir, &url, code, fingerprint, lan, out).await,
        LinkVerb::Ls => list(dir, out).await,
        LinkVerb::Remove { link } => remove(dir, &link, out).await,
    }
}

async fn add(
    dir: &DataDir,
    url: &str,
    code: Option<String>,
    fingerprint: Option<Fingerprint>,
    lan: bool,
    out: Output,
) -> Result<(), CommandError> {
    let address = Address::read(url, lan, fingerprint)?;
    let folder = Folder::of(dir);
    if matches!(folder.read(&address.name), Ok(Some(_))) {
        return Err(CommandError::say(Kind::No, format!("this machine is linked to {} already", address.url))
            .hint(format!("To link it anew: towline link remove {}, then add it again.", address.name)));
    }
    let node = Node::find(dir, out)
        .map_err(|_| not_running(dir).hint(format!("Or in one: towline up --link {}", address.url)))?;
    let me = node.me().await?;
    let device = me
        .host
        .ok_or_else(|| CommandError::say(Kind::No, "this node runs no agents, so there is nothing to be reached"))?;
    let hosts = node.known().await?.hosts;
    let name = hosts.get(&device).map_or_else(|| "a machine".to_owned(), |host| host.content.name.clone());
    let wish = Wish { address, code, pin: fingerprint, lan, device, name };
    let shown = wish.address.url.clone();
    let link = enrol(dir, &wish, |asked| output::note(asked_shown(&shown, asked))).await?;
    let listed =
        Listed { name: &wish.address.name, url: &link.url, account: link.account, device: link.device, state: None };
    if link.account.is_none() {
        output::note(
            "The hub could not be asked just now; the credential is kept, and `towline link ls` says how the link is.",
        );
    }
    out.either(&listed, || format!("linked: {}", link.url))
}

async fn list(dir: &DataDir, out: Output) -> Result<(), CommandError> {
    let folder = Folder::of(dir);
    let links = folder.all();
    if links.is_empty() && !out.json {
        out.line("No link.")?;
        output::note("To reach this machine through a hub: towline link add URL");
        return Ok(());
    }
    let runs = match Node::find(dir, out) {
        Ok(node) => node.ask(node.api.me()).await.is_ok(),
        Err(_) => false,
    };
    links.iter().try_for_each(|(name, link)| {
        let state = folder.state(name).filter(|_| runs);
        let account = link.account.or(state.as_ref().and_then(|state| state.account));
        let listed = Listed { name, url: &link.url, account, device: link.device, state: state.as_ref() };
        out.either(&listed, || line(name, link, state.as_ref()))
    })
}

/// A link, for people.
fn line(name: &str, link: &LinkFile, state: Option<&LinkState>) -> String {
    let Some(state) = state else { return printable(&format!("{name}  {}  Towline does not run", link.url)) };
    let what = match state.phase {
        Phase::Connecting => "connecting".to_owned(),
        Phase::Comparing => "linked; finding out what the hub has".to_owned(),
        Phase::Live => match state.behind {
            behind if behind.streams == 0 && behind.feed_bytes == 0 => "linked".to_owned(),
            behind => format!(
                "linked; {} streams and {} bytes to go",
                behind.streams,
                behind.stream_bytes + behind.feed_bytes
            ),
        },
        Phase::Waiting => "not linked; tries again".to_owned(),
        Phase::Stopped => "stopped".to_owned(),
    };
    let mut text = format!("{name}  {}  {what}", link.url);
    if let Some(slow) = &state.slow {
        let how = if slow.pushed { "by requests" } else { "looking every few seconds" };
        text.extend(["; a slow way, ", how, ": ", &slow.words]);
    }
    if let Some(trouble) = &state.trouble {
        text.extend([": ", &trouble.words]);
        text.extend(trouble.fenced.iter().map(|stream| format!(" ({stream})")));
        text.extend(trouble.hint.iter().map(|hint| format!(". {hint}")));
    }
    printable(&text)
}

async fn remove(dir: &DataDir, wanted: &str, out: Output) -> Result<(), CommandError> {
    let folder = Folder::of(dir);
    let links = folder.all();
    let plain = wanted.trim_end_matches('/');
    let found = links.into_iter().find(|(name, link)| name == wanted || link.url == plain);
    let Some((name, link)) = found else {
        return Err(CommandError::say(Kind::Usage, format!("there is no link `{wanted}`"))
            .hint("`towline link ls` lists them."));
    };
    folder.remove(&name).map_err(|error| CommandError::new(Kind::Config, error).during("cannot remove the link"))?;
    // The running node says goodbye first, so that the hub does not take it for lost.
    let until = tokio::time::Instant::now() + GOODBYE;
    while folder.state(&name).is_some() && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let forgotten = match link.remote() {
        Ok(remote) => Api::new(remote).logout().await.map_err(|error| error.to_string()),
        Err(words) => Err(words),
    };
    if let Err(words) = &forgotten {
        output::note(format!(
            "The hub was not told: {words}. Revoke this machine there: `towline devices`, or under Devices in a browser."
        ));
    }
    out.either(&Removed { name: &name, forgotten: forgotten.is_ok() }, || format!("removed: {}", link.url))
}
