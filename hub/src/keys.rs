//! Every key of the map that the hub writes. What is not here does not exist.
//!
//! | key | value | what for |
//! |---|---|---|
//! | `hub/format` | a decimal number | which layout this is |
//! | `hub/owner` | [`Owner`](crate::rows::Owner) | the account and the device made at the first start |
//! | `hub/account/{acc}` | [`AccountRow`](crate::rows::AccountRow) | how many devices an account has |
//! | `hub/invitation/{inv}` | [`InvitationRow`](crate::rows::InvitationRow) | an invitation that nobody has used |
//! | `hub/participant/{ses}/{acc}` | [`ParticipantRow`](crate::rows::ParticipantRow) | an account that takes part in a session of another one |
//! | `hub/share/{ses}/{inv}` | [`ShareRow`](crate::rows::ShareRow) | an invitation to a session that nobody has used |
//! | `hub/secret/{sha256}` | a session and an invitation | from the hash of its secret to an invitation to a session |
//! | `hub/once/{acc}/{ses}` | empty | an account takes part in a session, or did: what it decided there keeps its author |
//! | `hub/held/{ses}/{acc}/{cmd}` | empty | a prompt of a participant that waits for the word of the session's owner |
//! | `hub/sent/{dev}/{acc}/{cmd}` | empty | a command of a participant that waits for a host, or whose turn there has not begun |
//! | `hub/device/{acc}/{dev}` | [`DeviceRow`](crate::rows::DeviceRow) | a device and the hashes of its credentials |
//! | `hub/credential/{sha256}` | [`CredentialRow`](crate::rows::CredentialRow) | from the hash of a credential to its device |
//! | `hub/pairing/{pai}` | [`PairingRow`](crate::rows::PairingRow) | an enrolment under way |
//! | `hub/asked/{pai}` | [`AskedRow`](crate::rows::AskedRow) | a node that shows a code which nobody has typed yet |
//! | `hub/command/{cmd}` | [`CommandRow`](crate::rows::CommandRow) | a command and where it stands |
//! | `hub/back/{acc}/{cmd}` | Unix milliseconds | a command that was taken back before it came, and until when that is remembered |
//! | `hub/waiting/{dev}/{arrival}` | a command id | what waits for a host, in the order of arrival |
//! | `hub/leased/{dev}/{arrival}` | a command id | what a host has taken and not begun |
//! | `hub/line/{ses}/{cmd}` | empty | a prompt of a session whose turn has not begun |
//! | `hub/due/{time}/{kind}/{id}` | empty, or an account id | what is to happen at a time (see [`Due`]) |
//! | `hub/row/{acc}/{type}/{key}` | a fact | the newest fact of each row of the feed |
//! | `hub/audit/{acc}/{aud}` | an `AuditEntry` | the audit trail of an account, in the order of time |
//! | `hub/begun/{dev}/{arrival}` | a command id | what a linked host has begun, or what nobody knows of |
//! | `hub/link/{dev}` | [`LinkRow`](crate::rows::LinkRow) | the link of a host: its generation, and how far its feed was taken over |
//! | `hub/replica/{dev}/{path}` | empty | a stream of a linked host that was made here |
//! | `hub/host/{dev}` | [`HostRow`](crate::rows::HostRow) | a host and its generation |
//! | `hub/fence/{dev}/{generation}` | empty | this generation was replaced |
//! | `hub/note/{dev}/{key}` | opaque | private notes of a host |
//! | `hub/session/{ses}` | [`SessionRow`](crate::rows::SessionRow) | whose a session is |
//! | `hub/edit/{ses}` | [`EditRow`](crate::rows::EditRow) | what a person has set by hand of a session |
//! | `hub/gone/{ses}` | an account id | a session that was deleted; its id is never given to another |
//! | `hub/news/{dev}/{number}` | a `SessionNews`, of a linked host a `LinkNews` | what a host has to hear |
//! | `hub/urgent/{dev}/{number}` | a `LinkNews` | what a linked host has to hear before all other news: somebody loses something |
//! | `hub/quota/{acc}` | [`QuotaRow`](crate::rows::QuotaRow) | how much an account keeps |
//! | `hub/upload/{acc}/{upl}` | [`UploadRow`](crate::rows::UploadRow) | a file on its way |
//! | `hub/blob/{acc}/{sha256}` | [`BlobRow`](crate::rows::BlobRow) | a file, and in which stream its bytes are |
//! | `hub/file/{ses}/{sha256}` | empty | a session uses a file |
//! | `hub/user/{acc}/{sha256}/{ses}` | empty | a file is used by a session |
//! | `hub/turn/{trn}` | [`TurnRow`](crate::rows::TurnRow) | of which session a turn is |
//! | `hub/open/{ses}/{type}/{key}` | a fact | the newest facts of turns and approvals that are not over |
//! | `hub/handed/{acc}/{cmd}` | empty | a command that another hub handed over (`acc` is the account there) and whose end it has not heard |
//! | `hub/chain/{stream}` | a `ChainRow` | the chain of an own stream up to a position |

use protocol::blob::BlobId;
use protocol::id::{AccountId, AuditId, CommandId, DeviceId, InvitationId, PairingId, SessionId, TurnId, UploadId};
use protocol::path::StreamPath;
use protocol::time::UnixMs;

/// The layout's number.
pub(crate) const FORMAT: &str = "hub/format";
/// The owner and the node.
pub(crate) const OWNER: &str = "hub/owner";
/// Never written; taking it away proves that the store takes commits.
pub(crate) const PROBE: &str = "hub/probe";
/// What keys of timed things start with.
pub(crate) const DUE: &str = "hub/due/";
/// What keys of devices start with.
pub(crate) const DEVICES: &str = "hub/device/";
/// What keys of commands of other hubs start with.
pub(crate) const HANDED: &str = "hub/handed/";
/// What keys of chains start with.
pub(crate) const CHAINS: &str = "hub/chain/";
/// What keys of turns start with.
pub(crate) const TURNS: &str = "hub/turn/";
/// What keys of accounts start with.
pub(crate) const ACCOUNTS: &str = "hub/account/";
/// What keys of invitations start with.
pub(crate) const INVITATIONS: &str = "hub/invitation/";
/// What keys of participants start with.
pub(crate) const PARTICIPANTS: &str = "hub/participant/";
/// What keys of who took part start with.
pub(crate) const ONCE: &str = "hub/once/";
/// What keys of sessions start with.
pub(crate) const SESSIONS: &str = "hub/session/";
/// What keys of commands start with.
pub(crate) const COMMANDS: &str = "hub/command/";
/// What keys of hosts start with.
pub(crate) const HOSTS: &str = "hub/host/";
/// What keys of nodes that ask start with.
pub(crate) const ASKED: &str = "hub/asked/";
/// What keys of enrolments start with.
pub(crate) const PAIRINGS: &str = "hub/pairing/";

pub(crate) fn account(account: AccountId) -> String {
    format!("{ACCOUNTS}{account}")
}

pub(crate) fn invitation(invitation: InvitationId) -> String {
    format!("{INVITATIONS}{invitation}")
}

pub(crate) fn participant(session: SessionId, account: AccountId) -> String {
    format!("{PARTICIPANTS}{session}/{account}")
}

pub(crate) fn all_participants(session: SessionId) -> String {
    format!("{PARTICIPANTS}{session}/")
}

pub(crate) fn share(session: SessionId, invitation: InvitationId) -> String {
    format!("hub/share/{session}/{invitation}")
}

pub(crate) fn all_shares(session: SessionId) -> String {
    format!("hub/share/{session}/")
}

pub(crate) fn secret(hash: &str) -> String {
    format!("hub/secret/{hash}")
}

pub(crate) fn once(account: AccountId, session: SessionId) -> String {
    format!("{ONCE}{account}/{session}")
}

pub(crate) fn all_once(account: AccountId) -> String {
    format!("{ONCE}{account}/")
}

pub(crate) fn held(session: SessionId, account: AccountId, command: CommandId) -> String {
    format!("hub/held/{session}/{account}/{command}")
}

pub(crate) fn all_held_of(session: SessionId, account: AccountId) -> String {
    format!("hub/held/{session}/{account}/")
}

pub(crate) fn all_held(session: SessionId) -> String {
    format!("hub/held/{session}/")
}

pub(crate) fn sent(host: DeviceId, account: AccountId, command: CommandId) -> String {
    format!("hub/sent/{host}/{account}/{command}")
}

pub(crate) fn all_sent_by(host: DeviceId, account: AccountId) -> String {
    format!("hub/sent/{host}/{account}/")
}

pub(crate) fn all_sent(host: DeviceId) -> String {
    format!("hub/sent/{host}/")
}

pub(crate) fn device(account: AccountId, device: DeviceId) -> String {
    format!("{DEVICES}{account}/{device}")
}

pub(crate) fn devices(account: AccountId) -> String {
    format!("{DEVICES}{account}/")
}

pub(crate) fn credential(hash: &str) -> String {
    format!("hub/credential/{hash}")
}

pub(crate) fn pairing(pairing: PairingId) -> String {
    format!("{PAIRINGS}{pairing}")
}

pub(crate) fn asked(pairing: PairingId) -> String {
    format!("{ASKED}{pairing}")
}

pub(crate) fn command(command: CommandId) -> String {
    format!("{COMMANDS}{command}")
}

pub(crate) fn back(account: AccountId, command: CommandId) -> String {
    format!("hub/back/{account}/{command}")
}

/// What keys of commands that an account took back before they came start with.
pub(crate) fn all_back(account: AccountId) -> String {
    format!("hub/back/{account}/")
}

pub(crate) fn waiting(host: DeviceId, arrival: u64) -> String {
    format!("hub/waiting/{host}/{arrival:020}")
}

pub(crate) fn all_waiting(host: DeviceId) -> String {
    format!("hub/waiting/{host}/")
}

pub(crate) fn leased(host: DeviceId, arrival: u64) -> String {
    format!("hub/leased/{host}/{arrival:020}")
}

pub(crate) fn all_leased(host: DeviceId) -> String {
    format!("hub/leased/{host}/")
}

/// By the command and not by its place, which another one may take in the same step.
pub(crate) fn line(session: SessionId, command: CommandId) -> String {
    format!("hub/line/{session}/{command}")
}

pub(crate) fn whole_line(session: SessionId) -> String {
    format!("hub/line/{session}/")
}

pub(crate) fn begun(host: DeviceId, arrival: u64) -> String {
    format!("hub/begun/{host}/{arrival:020}")
}

pub(crate) fn all_begun(host: DeviceId) -> String {
    format!("hub/begun/{host}/")
}

pub(crate) fn link(host: DeviceId) -> String {
    format!("hub/link/{host}")
}

pub(crate) fn replica(host: DeviceId, stream: &StreamPath) -> String {
    format!("hub/replica/{host}/{stream}")
}

pub(crate) fn all_replicas(host: DeviceId) -> String {
    format!("hub/replica/{host}/")
}

pub(crate) fn row(account: AccountId, kind: &str, key: &str) -> String {
    format!("hub/row/{account}/{kind}/{key}")
}

pub(crate) fn rows(account: AccountId, kind: &str) -> String {
    format!("hub/row/{account}/{kind}/")
}

pub(crate) fn audit(account: AccountId, entry: AuditId) -> String {
    format!("hub/audit/{account}/{entry}")
}

pub(crate) fn all_audit(account: AccountId) -> String {
    format!("hub/audit/{account}/")
}

pub(crate) fn host(host: DeviceId) -> String {
    format!("{HOSTS}{host}")
}

pub(crate) fn fence(host: DeviceId, generation: u64) -> String {
    format!("hub/fence/{host}/{generation:020}")
}

pub(crate) fn note(host: DeviceId, key: &str) -> String {
    format!("hub/note/{host}/{key}")
}

pub(crate) fn session(session: SessionId) -> String {
    format!("{SESSIONS}{session}")
}

pub(crate) fn edit(session: SessionId) -> String {
    format!("hub/edit/{session}")
}

pub(crate) fn gone(session: SessionId) -> String {
    format!("hub/gone/{session}")
}

pub(crate) fn news(host: DeviceId, number: u64) -> String {
    format!("hub/news/{host}/{number:020}")
}

pub(crate) fn all_news(host: DeviceId) -> String {
    format!("hub/news/{host}/")
}

pub(crate) fn urgent(host: DeviceId, number: u64) -> String {
    format!("hub/urgent/{host}/{number:020}")
}

pub(crate) fn all_urgent(host: DeviceId) -> String {
    format!("hub/urgent/{host}/")
}

pub(crate) fn quota(account: AccountId) -> String {
    format!("hub/quota/{account}")
}

pub(crate) fn upload(account: AccountId, upload: UploadId) -> String {
    format!("hub/upload/{account}/{upload}")
}

pub(crate) fn blob(account: AccountId, blob: BlobId) -> String {
    format!("hub/blob/{account}/{blob}")
}

pub(crate) fn uploads(account: AccountId) -> String {
    format!("hub/upload/{account}/")
}

pub(crate) fn blobs(account: AccountId) -> String {
    format!("hub/blob/{account}/")
}

/// What keys of the users of an account's files start with.
pub(crate) fn every_user(account: AccountId) -> String {
    format!("hub/user/{account}/")
}

/// What keys of an account's lists start with.
pub(crate) fn every_row(account: AccountId) -> String {
    format!("hub/row/{account}/")
}

/// What keys of everything that a host keeps here start with, but for its own row.
pub(crate) fn all_of_host(host: DeviceId) -> [String; 9] {
    ["waiting", "sent", "leased", "begun", "fence", "note", "news", "urgent", "replica"]
        .map(|kind| format!("hub/{kind}/{host}/"))
}

pub(crate) fn file(session: SessionId, blob: BlobId) -> String {
    format!("hub/file/{session}/{blob}")
}

pub(crate) fn all_files(session: SessionId) -> String {
    format!("hub/file/{session}/")
}

pub(crate) fn user(account: AccountId, blob: BlobId, session: SessionId) -> String {
    format!("hub/user/{account}/{blob}/{session}")
}

pub(crate) fn all_users(account: AccountId, blob: BlobId) -> String {
    format!("hub/user/{account}/{blob}/")
}

pub(crate) fn turn(turn: TurnId) -> String {
    format!("hub/turn/{turn}")
}

pub(crate) fn open(session: SessionId, kind: &str, key: &str) -> String {
    format!("hub/open/{session}/{kind}/{key}")
}

pub(crate) fn all_open(session: SessionId) -> String {
    format!("hub/open/{session}/")
}

pub(crate) fn handed(there: AccountId, command: CommandId) -> String {
    format!("{HANDED}{there}/{command}")
}

pub(crate) fn all_handed(there: AccountId) -> String {
    format!("{HANDED}{there}/")
}

/// What is to happen at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// A command that has not started expires.
    Expire(CommandId),
    /// A command that has ended is forgotten.
    Forget(CommandId),
    /// It needs no memory any more that a command was taken back before it came.
    Back(AccountId, CommandId),
    /// A closed turn stream is deleted.
    Turn(TurnId),
    /// An enrolment is over.
    Pairing(PairingId),
    /// An invitation is over.
    Invitation(InvitationId),
    /// An invitation to a session is over.
    Share(SessionId, InvitationId),
    /// What a closed account kept goes.
    Close(AccountId),
    /// What was on its way when a session was deleted is deleted too.
    Sweep(SessionId),
    /// Commands of a host that was revoked end.
    Orphans(DeviceId),
    /// An upload is over, or forgotten.
    Upload(AccountId, UploadId),
    /// A file goes, unless somebody uses it.
    Blob(AccountId, BlobId),
}

impl Due {
    /// The key of this at a time.
    pub(crate) fn key(self, at: UnixMs) -> String {
        let at = at.0;
        match self {
            Self::Expire(id) => format!("{DUE}{at:020}/expire/{id}"),
            Self::Forget(id) => format!("{DUE}{at:020}/forget/{id}"),
            Self::Back(account, id) => format!("{DUE}{at:020}/back/{id}/{account}"),
            Self::Turn(id) => format!("{DUE}{at:020}/turn/{id}"),
            Self::Pairing(id) => format!("{DUE}{at:020}/pairing/{id}"),
            Self::Invitation(id) => format!("{DUE}{at:020}/invitation/{id}"),
            Self::Share(session, id) => format!("{DUE}{at:020}/share/{id}/{session}"),
            Self::Close(id) => format!("{DUE}{at:020}/close/{id}"),
            Self::Sweep(id) => format!("{DUE}{at:020}/sweep/{id}"),
            Self::Orphans(id) => format!("{DUE}{at:020}/orphans/{id}"),
            Self::Upload(account, id) => format!("{DUE}{at:020}/upload/{id}/{account}"),
            Self::Blob(account, id) => format!("{DUE}{at:020}/blob/{id}/{account}"),
        }
    }

    /// Reads such a key.
    pub(crate) fn parse(key: &str) -> Option<(UnixMs, Self)> {
        let mut parts = key.strip_prefix(DUE)?.split('/');
        let (at, kind, id) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
        let due = match kind {
            "expire" => Self::Expire(id.parse().ok()?),
            "forget" => Self::Forget(id.parse().ok()?),
            "back" => Self::Back(parts.next()?.parse().ok()?, id.parse().ok()?),
            "turn" => Self::Turn(id.parse().ok()?),
            "pairing" => Self::Pairing(id.parse().ok()?),
            "invitation" => Self::Invitation(id.parse().ok()?),
            "share" => Self::Share(parts.next()?.parse().ok()?, id.parse().ok()?),
            "close" => Self::Close(id.parse().ok()?),
            "sweep" => Self::Sweep(id.parse().ok()?),
            "orphans" => Self::Orphans(id.parse().ok()?),
            "upload" => Self::Upload(parts.next()?.parse().ok()?, id.parse().ok()?),
            "blob" => Self::Blob(parts.next()?.parse().ok()?, id.parse().ok()?),
            _ => return None,
        };
        Some((UnixMs(at), due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timed_things_sort_by_time_and_round_trip() {
        let id = uuid::Builder::from_unix_timestamp_millis(1, &[0; 10]).into_uuid();
        let all = [
            Due::Expire(CommandId::from_uuid(id)),
            Due::Forget(CommandId::from_uuid(id)),
            Due::Turn(TurnId::from_uuid(id)),
            Due::Pairing(PairingId::from_uuid(id)),
            Due::Invitation(InvitationId::from_uuid(id)),
            Due::Share(SessionId::from_uuid(id), InvitationId::from_uuid(id)),
            Due::Close(AccountId::from_uuid(id)),
            Due::Sweep(SessionId::from_uuid(id)),
            Due::Orphans(DeviceId::from_uuid(id)),
            Due::Upload(AccountId::from_uuid(id), UploadId::from_uuid(id)),
            Due::Blob(AccountId::from_uuid(id), BlobId::from_digest([7; 32])),
        ];
        for due in all {
            assert_eq!(Due::parse(&due.key(UnixMs(9))), Some((UnixMs(9), due)));
            assert!(due.key(UnixMs(9)) < due.key(UnixMs(10)));
        }
        assert_eq!(Due::parse("hub/due/x/expire/y"), None);
    }
}
