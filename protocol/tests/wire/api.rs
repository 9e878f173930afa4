//! Bodies of the HTTP API, each with the name of its type.

use protocol::account::{Account, AccountList, Invitation, InvitationList, InvitationOffer, NewInvitation, SecretLink};
use protocol::api::{
    AuditEntry, AuditPage, ClaimRequest, ClaimResponse, ClaimStatus, ClaimStatusRequest, CommandAck, CommandEdit,
    CommandMove, CommandRelease, DeviceList, DeviceRow, Lists, Me, NewPairing, NodeClaimRequest, NodeClaimResponse,
    NodeCode, PairingAnswer, PairingClaim, PairingList, PairingOffer, TranscriptPage,
};
use protocol::blob::{Blob, BlobId, UploadRequest, UploadState};
use protocol::command::CommandState;
use protocol::device::DeviceKind;
use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, AuditId, CommandId, DeviceId, InvitationId, PairingId, UploadId};
use protocol::offset::Offset;
use protocol::session::{ReadTo, SessionEdit};
use protocol::time::UnixMs;

use super::{AT, Sample, facts, id, sample};

pub(super) fn bodies() -> Vec<(&'static str, Sample)> {
    let at = UnixMs(AT);
    let pairing = PairingId::from_uuid(id(11));
    let device = DeviceId::from_uuid(id(2));
    let text = |text: &str| text.to_owned();
    let entry = AuditEntry {
        id: AuditId::from_uuid(id(12)),
        at_ms: at,
        account: Some(AccountId::from_uuid(id(1))),
        device: Some(device),
        source: Some(text("127.0.0.1")),
        action: text("command.send_prompt"),
        target: Some(CommandId::from_uuid(id(5)).to_string()),
        host: Some(DeviceId::from_uuid(id(9))),
        outcome: text("ok"),
        content_bytes: Some(5),
        content: None,
    };
    let ack = CommandAck {
        command: CommandId::from_uuid(id(5)),
        state: CommandState::Failed,
        turn: None,
        expires_at_ms: at,
        error: Some(ErrorCode::AgentUnavailable),
        detail: Some(text("not found")),
    };
    let claim = ClaimRequest {
        code: text("ABCD-EFGH"),
        name: text("Phone"),
        platform: text("iPhone · Safari"),
        kind: DeviceKind::Browser,
        public_key: None,
    };
    let node = NodeClaimRequest {
        code: None,
        name: text("Desk"),
        platform: text("linux x86_64"),
        device,
        public_key: text("key"),
        signature: text("signature"),
    };
    let asked = NodeClaimResponse {
        pairing,
        claim_token: text("t"),
        words: text("amber tide"),
        code: Some(text("ABCD-EFGH")),
        expires_at_ms: at,
    };
    let waiting = PairingClaim {
        pairing,
        name: text("Phone"),
        platform: text("iPhone · Safari"),
        kind: DeviceKind::Browser,
        fingerprint: None,
        source: text("10.0.0.2"),
        words: text("amber tide"),
        expires_at_ms: at,
    };
    let about = || facts::device(DeviceKind::Browser);
    let me = Me {
        account: AccountId::from_uuid(id(1)),
        device,
        about: about(),
        host: None,
        version: text("0.1.0"),
        invites: true,
    };
    let invitation = InvitationId::from_uuid(id(14));
    let invited = InvitationOffer { invitation, link: SecretLink { secret: text("s"), expires_at_ms: at } };
    let waits = Invitation { invitation, name: Some(text("Ada")), created_at_ms: at, expires_at_ms: at };
    let account = Account {
        account: AccountId::from_uuid(id(1)),
        name: text("Ada"),
        owner: false,
        created_at_ms: at,
        devices: 2,
        seen_at_ms: Some(at),
        bytes: 1_024,
    };
    let approved = |credential: Option<&str>| ClaimStatus::Approved { device, credential: credential.map(text) };
    let page =
        TranscriptPage { facts: Vec::new(), before: Some(Offset::new(0, 9)), tail: Offset::ZERO, open: Vec::new() };
    let offer = PairingOffer { pairing, code: text("ABCD-EFGH"), secret: text("s"), expires_at_ms: at };
    let response = ClaimResponse { pairing, claim_token: text("t"), words: text("amber tide"), expires_at_ms: at };
    let status = ClaimStatusRequest { pairing, claim_token: text("t"), wait_ms: 20_000 };
    let upload = UploadRequest { name: text("tide.png"), media_type: text("image/png"), size_bytes: 68 };
    let upload_id = UploadId::from_uuid(id(13));
    let blob = Blob { sha256: BlobId::from_digest([0xab; 32]), media_type: text("image/png"), size_bytes: 68 };
    vec![
        ("ClaimRequest", sample("claim", &claim)),
        ("ClaimResponse", sample("claimed", &response)),
        ("NodeClaimRequest", sample("node asks", &node)),
        ("NodeClaimResponse", sample("node is given a code", &asked)),
        ("NodeCode", sample("code of a node", &NodeCode { code: text("ABCD-EFGH") })),
        ("ClaimStatusRequest", sample("ask for the claim", &status)),
        ("ClaimStatus", sample("pending", &ClaimStatus::Pending)),
        ("ClaimStatus", sample("approved browser", &approved(None))),
        ("ClaimStatus", sample("approved program", &approved(Some("told once")))),
        ("ClaimStatus", sample("rejected", &ClaimStatus::Rejected)),
        ("ClaimStatus", sample("expired", &ClaimStatus::Expired)),
        ("NewPairing", sample("new pairing", &NewPairing { once: true })),
        ("PairingOffer", sample("offer", &offer)),
        ("PairingList", sample("claims", &PairingList { claims: vec![waiting] })),
        ("PairingAnswer", sample("answer", &PairingAnswer { allow: true })),
        ("InvitationOffer", sample("invitation", &invited)),
        ("NewInvitation", sample("invite", &NewInvitation { name: Some(text("Ada")) })),
        ("InvitationList", sample("invitations", &InvitationList { invitations: vec![waits] })),
        ("AccountList", sample("accounts", &AccountList { accounts: vec![account] })),
        ("Me", sample("me", &me)),
        ("Lists", sample("lists", &Lists { facts: Vec::new(), offset: Offset::new(0, 9) })),
        ("TranscriptPage", sample("transcript", &page)),
        ("CommandAck", sample("ack", &ack)),
        ("CommandEdit", sample("other words", &CommandEdit { text: Some(text("go on")), ttl_ms: None })),
        ("CommandEdit", sample("another life", &CommandEdit { text: None, ttl_ms: Some(86_400_000) })),
        ("CommandMove", sample("to the end", &CommandMove { before: None })),
        ("CommandRelease", sample("as it is shown", &CommandRelease { updated_at_ms: Some(UnixMs(1)) })),
        (
            "DeviceList",
            sample("devices", &DeviceList { devices: vec![DeviceRow { device, about: about(), connected: true }] }),
        ),
        ("AuditPage", sample("audit", &AuditPage { entries: vec![entry], before: None })),
        ("SessionEdit", sample("rename", &SessionEdit { title: Some(text("Tides")), archived: None })),
        ("SessionEdit", sample("put away", &SessionEdit { title: None, archived: Some(true) })),
        ("ReadTo", sample("read", &ReadTo { read_turns: 3 })),
        ("UploadRequest", sample("announce a file", &upload)),
        ("UploadState", sample("half a file", &UploadState { upload: upload_id, received_bytes: 9, blob: None })),
        (
            "UploadState",
            sample("a whole file", &UploadState { upload: upload_id, received_bytes: 68, blob: Some(blob) }),
        ),
        ("Problem", sample("problem", &Problem::new(ErrorCode::NotFound).detail("no such session"))),
    ]
}
