//! `sessions`' verbs: who else is in a session, and the ways in and out.

use protocol::account::InvitationOffer;
use protocol::host::bypasses_approval;
use protocol::id::{AccountId, InvitationId, SessionId};
use protocol::participant::{JoinSession, NewSessionInvitation, ParticipantList, ParticipantRole};
use protocol::time::UnixMs;
use serde::Serialize;

use super::hub::picture;
use super::lists::{time, word};
use crate::cli::SessionVerb;
use crate::error::{CommandError, Kind};
use crate::node::Node;
use crate::output::{self, Output, printable};
use crate::people::{self, People, as_what};

/// What `sessions share --json` prints; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shared {
    session: SessionId,
    invitation: InvitationId,
    role: ParticipantRole,
    trusted: bool,
    url: String,
    expires_at_ms: UnixMs,
}

/// A row of `sessions participants --json`, of somebody who takes part or of an invitation that waits; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    account: Option<AccountId>,
    name: Option<&'a str>,
    invitation: Option<InvitationId>,
    role: ParticipantRole,
    trusted: bool,
    /// When they joined, or when the invitation was made.
    since_ms: UnixMs,
    /// Until when the invitation can be used.
    expires_at_ms: Option<UnixMs>,
}

/// What `sessions join --json` prints; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Joined<'a> {
    session: SessionId,
    role: ParticipantRole,
    title: Option<&'a str>,
    owner: Option<&'a str>,
}

/// Does what was asked about a session and other people.
pub(crate) async fn people(node: &Node, verb: SessionVerb, out: Output) -> Result<(), CommandError> {
    match verb {
        SessionVerb::Share { session, editor, trusted } => share(node, &session, editor, trusted, out).await,
        SessionVerb::Participants { session } => participants(node, &session, out).await,
        SessionVerb::Unshare { session, participant: Some(who), .. } => remove(node, &session, &who, out).await,
        SessionVerb::Unshare { session, invitation, .. } => take_back(node, &session, invitation, out).await,
        SessionVerb::Join { invitation } => join(node, &invitation, out).await,
    }
}

/// The address of an invitation to a session: the page behind it says what one gets before it is used up.
fn invitation_url(url: &str, offer: &InvitationOffer) -> String {
    format!("{}/share#{}", url.trim_end_matches('/'), offer.link.secret)
}

async fn share(node: &Node, session: &str, editor: bool, trusted: bool, out: Output) -> Result<(), CommandError> {
    let known = node.known().await?;
    let session = known.session(session)?;
    let role = if editor { ParticipantRole::Editor } else { ParticipantRole::Viewer };
    let offer = node.ask(node.api.invite_to_session(session, &NewSessionInvitation { role, trusted })).await?;
    let url = invitation_url(&node.file.public_url, &offer);
    let expires_at_ms = offer.link.expires_at_ms;
    let shared = Shared { session, invitation: offer.invitation, role, trusted, url, expires_at_ms };
    let row = known.sessions.get(&session);
    if let Some(mode) = row.and_then(|row| row.mode.as_deref()).filter(|mode| editor && bypasses_approval(mode)) {
        output::note(printable(&format!(
            "note: this session is in the mode `{mode}`, in which its agent asks nobody before it acts, whoever's prompt it is."
        )));
    }
    if out.json {
        return out.json(&shared);
    }
    let title = row.map(|row| row.content.title.as_str()).unwrap_or_default();
    out.prose(format!("{}  {}\n\n{}", picture(&shared.url), shared.url, printable(&meaning(title, &shared))))
}

/// What an invitation is good for, for whoever hands it on.
fn meaning(title: &str, shared: &Shared) -> String {
    let what = match (shared.role, shared.trusted) {
        (ParticipantRole::Viewer, _) => "They read it and change nothing.",
        (ParticipantRole::Editor, false) => {
            "What they send waits until you let it run: towline commands release. They can stop a turn, and refuse what the agent asks."
        }
        (ParticipantRole::Editor, true) => {
            "What they send runs at once on your machine, and they can allow what the agent asks, once each."
        }
    };
    let (role, until) = (as_what(shared.role, shared.trusted), time(shared.expires_at_ms));
    format!(
        "  Whoever opens it first, with an account of this hub, takes part in \"{title}\" as {role}.\n  {what}\n  Valid until {until}, once. Take it back: towline sessions unshare {} --invitation {}",
        shared.session, shared.invitation
    )
}

async fn participants(node: &Node, session: &str, out: Output) -> Result<(), CommandError> {
    let session = node.known().await?.session(session)?;
    let list = node.ask(node.api.participants(session)).await?;
    let rows = rows(&list);
    if rows.is_empty() && !out.json {
        return out.line(format!("Nobody but its owner. Invite somebody: towline sessions share {session}"));
    }
    rows.iter().try_for_each(|row| out.either(row, || line(row)))
}

fn rows(list: &ParticipantList) -> Vec<Row<'_>> {
    let joined = list.participants.iter().map(|part| Row {
        account: Some(part.account),
        name: Some(part.content.name.as_str()),
        invitation: None,
        role: part.role,
        trusted: part.trusted,
        since_ms: part.joined_at_ms,
        expires_at_ms: None,
    });
    let waiting = list.invitations.iter().map(|invitation| Row {
        account: None,
        name: None,
        invitation: Some(invitation.invitation),
        role: invitation.role,
        trusted: invitation.trusted,
        since_ms: invitation.created_at_ms,
        expires_at_ms: Some(invitation.expires_at_ms),
    });
    joined.chain(waiting).collect()
}

fn line(row: &Row<'_>) -> String {
    let id = row.account.map(|id| id.to_string()).or_else(|| row.invitation.map(|id| id.to_string()));
    let name = row.name.unwrap_or("(invitation)");
    let trusted = if row.trusted { "trusted" } else { "" };
    let when = match row.expires_at_ms {
        Some(until) => format!("until {}", time(until)),
        None => format!("since {}", time(row.since_ms)),
    };
    printable(&format!("{}  {name:<20} {:<7} {trusted:<8} {when}", id.unwrap_or_default(), word(&row.role)))
}

async fn remove(node: &Node, session: &str, who: &str, out: Output) -> Result<(), CommandError> {
    let session = node.known().await?.session(session)?;
    let list = node.ask(node.api.participants(session)).await?;
    let part = people::find(&list.participants, who)?;
    let left = node.me().await?.account == part.account;
    node.ask(node.api.remove_participant(session, part.account)).await?;
    let said = serde_json::json!({ "session": session, "account": part.account, "removed": true });
    out.either(&said, || {
        let name = &part.content.name;
        printable(&if left { format!("left: {session}") } else { format!("{name} takes no part any more") })
    })
}

async fn take_back(
    node: &Node,
    session: &str,
    invitation: Option<InvitationId>,
    out: Output,
) -> Result<(), CommandError> {
    let Some(invitation) = invitation else {
        return Err(CommandError::say(Kind::Usage, "nobody was named")
            .hint("Say who, or which invitation: --participant NAME, or --invitation ID."));
    };
    let session = node.known().await?.session(session)?;
    node.ask(node.api.uninvite_from_session(session, invitation)).await?;
    let said = serde_json::json!({ "session": session, "invitation": invitation, "removed": true });
    out.either(&said, || format!("taken back: {invitation}"))
}

async fn join(node: &Node, invitation: &str, out: Output) -> Result<(), CommandError> {
    let secret = secret(invitation, &[&node.file.public_url, &node.file.url])?.to_owned();
    let joined = node.ask(node.api.join_session(&JoinSession { secret })).await?;
    let known = node.known().await?;
    let people = People::of(node, &known).await?;
    let (session, part) = (joined.session, people.part_in(joined.session));
    let title = known.sessions.get(&session).map(|row| row.content.title.as_str());
    let said = Joined { session, role: joined.role, title, owner: people.owner(session) };
    out.either(&said, || {
        let of = said.owner.map(|owner| format!(" of {owner}")).unwrap_or_default();
        let role = as_what(joined.role, part.is_some_and(|part| part.trusted));
        let title = title.unwrap_or("a session");
        printable(&format!("You take part in \"{title}\"{of} as {role}: towline tail {session}{}", node.at()))
    })
}

/// The secret of an invitation: what stands behind the `#` of its link, or what was given where that is no link. A link of another hub than
/// the one that is asked is not told to this one.
fn secret<'a>(given: &'a str, hubs: &[&str]) -> Result<&'a str, CommandError> {
    let given = given.trim();
    let (address, secret) = given.split_once('#').unwrap_or(("", given));
    let plain = |url: &str| url.trim_end_matches('/').to_lowercase();
    let hub = address.strip_suffix("/share").unwrap_or(address);
    if !hub.is_empty() && hubs.iter().all(|known| plain(known) != plain(hub)) {
        let asked = hubs.first().copied().unwrap_or_default();
        return Err(CommandError::say(
            Kind::Usage,
            format!("this invitation is one of {hub}, and {asked} would be asked"),
        )
        .hint("Name the hub with --hub; `towline pair hubs` lists those that this command line knows.")
        .hint("If the two are one hub by two names, give only what stands behind the #."));
    }
    if secret.is_empty() || secret.contains("://") || secret.chars().any(char::is_whitespace) {
        return Err(CommandError::say(Kind::Usage, "there is no invitation in this")
            .hint("Give the whole link, or what stands behind its #."));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use protocol::participant::SessionInvitation;

    use super::*;
    use crate::people::tests::participant;

    fn v7(n: u8) -> uuid::Uuid {
        uuid::Builder::from_unix_timestamp_millis(7, &[n; 10]).into_uuid()
    }

    #[test]
    fn the_secret_is_found_in_a_link_and_told_to_the_hub_that_it_is_of() {
        let hubs = ["https://hub.test", "http://127.0.0.1:4437"];
        let found = |given: &str| secret(given, &hubs).map(str::to_owned).map_err(|error| error.hints.len());
        assert_eq!(found("https://hub.test/share#abc"), Ok("abc".to_owned()));
        assert_eq!(found(" http://127.0.0.1:4437/share#abc\n"), Ok("abc".to_owned()));
        assert_eq!(found("HTTPS://HUB.test/share#abc"), Ok("abc".to_owned()));
        assert_eq!(found("abc"), Ok("abc".to_owned()));
        assert_eq!(found("https://other.test/share#abc"), Err(2));
        assert_eq!(found("https://hub.test.evil/share#abc"), Err(2));
        for none in ["", "https://hub.test/share#", "https://hub.test/share", "a b"] {
            assert_eq!(found(none), Err(1), "{none}");
        }
    }

    #[test]
    fn who_hands_an_invitation_on_is_told_what_it_is_good_for() {
        let said = |role, trusted| {
            let shared = Shared {
                session: SessionId::from_uuid(v7(1)),
                invitation: InvitationId::from_uuid(v7(2)),
                role,
                trusted,
                url: String::new(),
                expires_at_ms: UnixMs(1),
            };
            meaning("Tides", &shared)
        };
        let viewer = said(ParticipantRole::Viewer, false);
        assert!(viewer.contains("in \"Tides\" as a viewer") && viewer.contains("change nothing"), "{viewer}");
        assert!(said(ParticipantRole::Editor, false).contains("waits until you let it run"));
        let trusted = said(ParticipantRole::Editor, true);
        assert!(
            trusted.contains("as a trusted editor") && trusted.contains("runs at once on your machine"),
            "{trusted}"
        );
    }

    #[test]
    fn people_and_invitations_stand_in_one_table() {
        let list = ParticipantList {
            participants: vec![participant(2, "Bo", ParticipantRole::Editor, true)],
            invitations: vec![SessionInvitation {
                invitation: InvitationId::from_uuid(v7(2)),
                role: ParticipantRole::Viewer,
                trusted: false,
                created_at_ms: UnixMs(1),
                expires_at_ms: UnixMs(86_400_000),
            }],
        };
        let lines: Vec<String> = rows(&list).iter().map(line).collect();
        assert!(lines[0].starts_with("acc_") && lines[0].contains("Bo                   editor  trusted  since "));
        assert!(lines[1].starts_with("inv_") && lines[1].contains("(invitation)         viewer           until "));
    }
}
