//! The files generated from the protocol are fresh: TypeScript for the web UI and the reference of errors.
//!
//! `UPDATE=1 cargo test -p protocol` writes them anew; without it a stale file fails.

use std::fmt::Write as _;
use std::path::PathBuf;

use protocol::error::ErrorCode;
use protocol::{
    account, agent_health, agent_limits, api, approval, blob, command, device, error, fact, health, host, id, item,
    limits, offset, participant, path, rule, session, socket, time, turn,
};
use ts_rs::{Config, TS};

fn check(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that rewrites files is a variable of the developer's shell"
    )]
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "{file} is stale: run `cargo xtask gen` and commit it");
}

/// The declaration of a type with the first sentence of its documentation.
fn declare<T: TS>(out: &mut String, config: &Config) {
    if let Some(docs) = T::docs() {
        out.push_str(docs.trim_end());
        out.push('\n');
    }
    writeln!(out, "export {}\n", T::decl(config)).expect("a string takes all");
}

macro_rules! declare_all {
    ($out:ident, $config:ident, $($ty:ty),* $(,)?) => {
        $(declare::<$ty>(&mut $out, &$config);)*
    };
}

#[test]
fn typescript_is_fresh() {
    let config = Config::new().with_large_int("number");
    let mut out = String::from(
        "// @generated from the `protocol` crate by `cargo xtask gen`. Do not edit: a stale file fails a test.\n/* eslint-disable */\n\n",
    );
    declare_all!(
        out,
        config,
        id::AccountId,
        id::DeviceId,
        id::ProjectId,
        id::SessionId,
        id::TurnId,
        id::ItemId,
        id::ApprovalId,
        id::CommandId,
        id::PairingId,
        id::RuleId,
        id::ParticipantId,
        id::AuditId,
        id::InvitationId,
        id::UploadId,
        id::RequestId,
        blob::BlobId,
        blob::Blob,
        blob::Attachment,
        blob::UploadRequest,
        blob::UploadState,
        offset::Offset,
        path::StreamPath,
        time::UnixMs,
        fact::Operation,
        fact::Headers,
        item::Sender,
        item::Item,
        item::Role,
        item::ItemStatus,
        item::ItemContent,
        item::ToolCall,
        item::TaskUsage,
        item::ToolKind,
        item::Location,
        item::Diff,
        item::PlanEntry,
        item::PlanStatus,
        item::NoticeLevel,
        item::Delta,
        item::DeltaPart,
        item::DeltaContent,
        turn::Turn,
        turn::TurnState,
        turn::Origin,
        turn::Steer,
        turn::Usage,
        turn::TurnError,
        turn::TurnErrorCode,
        turn::TurnContent,
        approval::Approval,
        approval::ApprovalKind,
        approval::ApprovalState,
        approval::ApprovalOption,
        approval::OptionKind,
        approval::Decision,
        approval::Via,
        approval::ApprovalContent,
        approval::Question,
        approval::QuestionOption,
        rule::Rule,
        rule::RuleContent,
        rule::RuleScope,
        participant::ParticipantRole,
        participant::Participant,
        participant::ParticipantContent,
        participant::ByParticipant,
        participant::NewSessionInvitation,
        participant::JoinSession,
        participant::JoinedSession,
        participant::ParticipantEdit,
        participant::ParticipantList,
        participant::SessionInvitation,
        session::Session,
        session::Activity,
        session::Forked,
        session::LastTurn,
        session::SessionContent,
        session::SessionEdit,
        session::ReadMark,
        session::ReadTo,
        host::Host,
        host::Presence,
        host::AwayReason,
        host::RemoteAccess,
        host::HostContent,
        agent_health::AgentHealth,
        agent_health::Login,
        agent_health::LoginKind,
        agent_health::TestedVersions,
        agent_health::VersionStanding,
        agent_limits::AgentLimits,
        agent_limits::LimitWindow,
        agent_limits::LimitStanding,
        host::AgentEntry,
        host::AgentState,
        host::Choice,
        host::Effort,
        host::Ability,
        host::SlashCommand,
        host::Project,
        host::ProjectContent,
        device::Device,
        device::DeviceKind,
        device::Right,
        device::DeviceContent,
        command::CommandRequest,
        command::CommandBody,
        command::StartContent,
        command::PromptContent,
        command::EditContent,
        command::AnswerContent,
        command::CommandKind,
        command::Command,
        command::CommandState,
        command::CommandError,
        command::CommandContent,
        command::Tried,
        error::ErrorCode,
        error::Problem,
        socket::ClientFrame,
        socket::From,
        socket::ServerFrame,
        socket::EndReason,
        api::ClaimRequest,
        api::NodeClaimRequest,
        api::NodeClaimResponse,
        api::NodeCode,
        api::ClaimResponse,
        api::ClaimStatusRequest,
        api::ClaimStatus,
        api::NewPairing,
        api::PairingOffer,
        api::PairingList,
        api::PairingClaim,
        api::PairingAnswer,
        account::SecretLink,
        account::NewInvitation,
        account::InvitationOffer,
        account::InvitationList,
        account::Invitation,
        account::AccountList,
        account::Account,
        api::Access,
        api::AccessEdit,
        api::Me,
        api::Lists,
        api::TranscriptPage,
        api::CommandAck,
        api::CommandEdit,
        api::CommandMove,
        api::CommandRelease,
        api::DeviceList,
        api::DeviceRow,
        api::AuditEntry,
        api::AuditContent,
        api::AuditPage,
        health::HealthReport,
        health::Finding,
        health::FindingLevel,
    );
    out.push_str(
        "/** A change message: what every stream of ours carries. `value` is absent exactly on delete. */\n\
         export type Change<T extends string, V> = { type: T, key: string, value?: V, headers: Headers };\n\n\
         /** A fact of a session: in its journal, or in the turn stream of one of its turns. */\n\
         export type SessionFact = Change<\"turn\", Turn> | Change<\"item\", Item> | Change<\"delta\", Delta> | Change<\"approval\", Approval>;\n\n\
         /** A fact of an account's feed. */\n\
         export type FeedFact = Change<\"host\", Host> | Change<\"project\", Project> | Change<\"session\", Session> | Change<\"command\", Command> | Change<\"approval\", Approval> | Change<\"device\", Device> | Change<\"read_mark\", ReadMark> | Change<\"rule\", Rule> | Change<\"participant\", Participant>;\n\n",
    );
    writeln!(out, "/** The versions of the socket's protocol that this program speaks. */").expect("a string");
    writeln!(out, "export const PROTOCOL_MIN = {};", socket::PROTOCOL_MIN).expect("a string");
    writeln!(out, "export const PROTOCOL_MAX = {};\n", socket::PROTOCOL_MAX).expect("a string");
    out.push_str("/** Limits; their reasons stand in `protocol/src/limits.rs`. */\nexport const LIMITS = {\n");
    for (name, value) in [
        ("heartbeatMs", limits::HEARTBEAT_MS),
        ("silenceMs", limits::SILENCE_MS),
        ("maxReconnectMs", limits::MAX_RECONNECT_MS),
        ("ackTimeoutMs", limits::ACK_TIMEOUT_MS),
        ("maxPromptBytes", limits::MAX_PROMPT_BYTES as u64),
        ("maxAttachments", limits::MAX_ATTACHMENTS as u64),
        ("maxBlobBytes", limits::MAX_BLOB_BYTES),
        ("maxUploadPieceBytes", limits::MAX_UPLOAD_PIECE_BYTES as u64),
        ("maxNameChars", limits::MAX_NAME_CHARS as u64),
        ("commandTtlMs", limits::COMMAND_TTL_MS),
        ("maxTries", u64::from(limits::MAX_TRIES)),
        ("maxSubscriptions", limits::MAX_SUBSCRIPTIONS as u64),
        ("defaultItemsPage", limits::DEFAULT_ITEMS_PAGE as u64),
    ] {
        writeln!(out, "  {name}: {value},").expect("a string");
    }
    out.push_str("} as const;\n\n/** Codes with which the hub closes a socket. */\nexport const CLOSE = {\n");
    for close in [
        socket::CloseCode::BadFrame,
        socket::CloseCode::AuthExpired,
        socket::CloseCode::Forbidden,
        socket::CloseCode::ResyncRequired,
        socket::CloseCode::TooLarge,
        socket::CloseCode::UpgradeRequired,
        socket::CloseCode::Draining,
    ] {
        writeln!(out, "  {}: {},", close.reason(), close.code()).expect("a string");
    }
    out.push_str("} as const;\n");
    check("web/src/protocol/generated.ts", &out);
}

#[test]
fn the_reference_of_errors_is_fresh() {
    let mut out = String::from(
        "# Errors\n\nGenerated from `protocol/src/error.rs` by `cargo xtask gen`. Every door (HTTP, socket, command line) says one of these codes,\nin a body of the type `application/problem+json` where there is a body.\n\n| code | HTTP | may help to try again | what happened | what to do |\n|---|---|---|---|---|\n",
    );
    for code in ErrorCode::ALL {
        let name = serde_json::to_value(code).expect("a word");
        let again = if code.is_retryable() { "yes" } else { "no" };
        writeln!(
            out,
            "| `{}` | {} | {again} | {} | {} |",
            name.as_str().expect("a word"),
            code.status(),
            code.title(),
            code.hint()
        )
        .expect("a string");
    }
    check("docs/reference/errors.md", &out);
}
