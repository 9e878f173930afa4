//! `hub`'s verbs: the ways into a hub that several people share, and who is there.

use protocol::account::{Account, NewInvitation, SecretLink};
use protocol::id::{AccountId, InvitationId};
use protocol::time::UnixMs;
use serde::Serialize;

use super::lists::time;
use super::pair::asked;
use crate::cli::HubVerb;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::node::Node;
use crate::output::{self, Output, printable};
use crate::qr;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation: Option<InvitationId>,
    url: String,
    expires_at_ms: UnixMs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Closed {
    account: AccountId,
}

/// The address with the secret, which no server sees before the page sends it.
pub(crate) fn secret_url(url: &str, link: &SecretLink) -> String {
    format!("{}/pair#{}", url.trim_end_matches('/'), link.secret)
}

/// The address of an invitation: the page behind it says what one gets before anything is used up.
fn invitation_url(url: &str, link: &SecretLink) -> String {
    format!("{}/join#{}", url.trim_end_matches('/'), link.secret)
}

/// The QR code of a link with a line between; nothing where the terminal is too narrow for it.
pub(crate) fn secret_picture(url: &str, link: &SecretLink) -> String {
    picture(&secret_url(url, link))
}

/// The QR code of an address with a line between; nothing where the terminal is too narrow for it.
pub(super) fn picture(text: &str) -> String {
    qr::code(text, output::columns()).map_or_else(String::new, |code| format!("{code}\n\n"))
}

/// Does what was asked of a hub that runs.
pub(crate) async fn hub(node: &Node, verb: HubVerb, env: &Env, out: Output) -> Result<(), CommandError> {
    match verb {
        HubVerb::SetupLink => {
            let link = node.ask(node.api.setup_link()).await?;
            show(node, None, &link, "Whoever opens it first owns this hub.", out)
        }
        HubVerb::Invite { name } => {
            let offer = node.ask(node.api.invite(&NewInvitation { name })).await?;
            show(
                node,
                Some(offer.invitation),
                &offer.link,
                "Whoever joins with it first has an account of their own.",
                out,
            )
        }
        HubVerb::Invitations { revoke: Some(invitation) } => {
            node.ask(node.api.uninvite(invitation)).await?;
            out.either(&serde_json::json!({ "invitation": invitation, "revoked": true }), || {
                format!("taken back: {invitation}")
            })
        }
        HubVerb::Invitations { revoke: None } => {
            let open = node.ask(node.api.invitations()).await?.invitations;
            if open.is_empty() && !out.json {
                return out.line("No invitation waits. Make one: towline hub invite");
            }
            open.iter().try_for_each(|each| {
                out.either(each, || {
                    let name = each.name.as_deref().unwrap_or("(no name)");
                    printable(&format!("{}  until {}  {name}", each.invitation, time(each.expires_at_ms)))
                })
            })
        }
        HubVerb::Accounts { close: Some(account), yes } => close(node, account, yes, env, out).await,
        HubVerb::Accounts { close: None, .. } => {
            let accounts = node.ask(node.api.accounts()).await?.accounts;
            accounts.iter().try_for_each(|account| out.either(account, || line(account)))
        }
    }
}

fn show(
    node: &Node,
    invitation: Option<InvitationId>,
    link: &SecretLink,
    what: &str,
    out: Output,
) -> Result<(), CommandError> {
    let url = node.file.public_url.as_str();
    let address = if invitation.is_some() { invitation_url(url, link) } else { secret_url(url, link) };
    let shown = Link { invitation, url: address, expires_at_ms: link.expires_at_ms };
    if out.json {
        return out.json(&shown);
    }
    let until = time(link.expires_at_ms);
    out.prose(format!("{}  {}\n\n  {what} Valid until {until}, once.", picture(&shown.url), shown.url))
}

fn line(account: &Account) -> String {
    let seen = account.seen_at_ms.map_or_else(|| "never".to_owned(), time);
    let devices = if account.devices == 1 { "1 device ".to_owned() } else { format!("{} devices", account.devices) };
    let size = crate::doctor::size(account.bytes);
    let owner = if account.owner { "  (owns this hub)" } else { "" };
    printable(&format!("{}  {:<20} {devices:<11} {size:>9}  last there {seen}{owner}", account.account, account.name))
}

async fn close(node: &Node, account: AccountId, yes: bool, env: &Env, out: Output) -> Result<(), CommandError> {
    let accounts = node.ask(node.api.accounts()).await?.accounts;
    let Some(found) = accounts.into_iter().find(|each| each.account == account) else {
        return Err(CommandError::say(Kind::No, "there is no such account")
            .hint("`towline hub accounts` lists those that there are."));
    };
    if !yes {
        if !env.stdin_is_terminal {
            return Err(CommandError::say(Kind::Usage, "closing an account is for good, and nobody can be asked here")
                .hint("Say it: --yes."));
        }
        output::note(line(&found));
        output::note(
            "Its devices are out at once, and its sessions, files and lists on this hub are deleted for good.",
        );
        if !asked("Close it? [y/N] ").await? {
            return out.line("Nothing was changed.");
        }
    }
    node.ask(node.api.close_account(account)).await?;
    out.either(&Closed { account }, || printable(&format!("closed: {}", found.name)))
}
