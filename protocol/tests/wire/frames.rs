//! Commands, and the frames of the socket.

use std::collections::BTreeMap;

use protocol::command::{
    AnswerContent, CommandBody, CommandRequest, CommandState, EditContent, PromptContent, StartContent,
};
use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, ApprovalId, CommandId, DeviceId, ProjectId, SessionId, TurnId};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::socket::{ClientFrame, EndReason, From, ServerFrame};
use protocol::time::UnixMs;
use serde_json::value::RawValue;

use super::{AT, Sample, as_it_stands, id, sample};

fn session() -> SessionId {
    SessionId::from_uuid(id(3))
}

fn request(body: CommandBody) -> CommandRequest {
    CommandRequest {
        id: CommandId::from_uuid(id(5)),
        host: DeviceId::from_uuid(id(9)),
        ttl_ms: None,
        retry_of: None,
        body,
    }
}

fn prompt() -> CommandRequest {
    request(CommandBody::SendPrompt {
        session: session(),
        content: PromptContent { text: "hello".to_owned(), attachments: Vec::new() },
    })
}

pub(super) fn commands() -> Vec<Sample> {
    let project = ProjectId::from_uuid(id(10));
    let mut long = prompt();
    long.ttl_ms = Some(86_400_000);
    let mut again = prompt();
    again.retry_of = Some(CommandId::from_uuid(id(6)));
    vec![
        sample(
            "start a session",
            &request(CommandBody::StartSession {
                session: session(),
                project,
                new_project: false,
                agent: "claude".to_owned(),
                model: Some("sonnet".to_owned()),
                mode: Some("plan".to_owned()),
                effort: Some("high".to_owned()),
                content: StartContent {
                    title: Some("Tides".to_owned()),
                    text: Some("hello".to_owned()),
                    ..StartContent::default()
                },
            }),
        ),
        sample(
            "start an empty session",
            &request(CommandBody::StartSession {
                session: session(),
                project,
                new_project: false,
                agent: "demo".to_owned(),
                model: None,
                mode: None,
                effort: None,
                content: StartContent::default(),
            }),
        ),
        sample(
            "start a session in a project that its host makes and names",
            &request(CommandBody::StartSession {
                session: session(),
                project,
                new_project: true,
                agent: "demo".to_owned(),
                model: None,
                mode: None,
                effort: None,
                content: StartContent { text: Some("hello".to_owned()), ..StartContent::default() },
            }),
        ),
        sample(
            "start a session in a new project with a name",
            &request(CommandBody::StartSession {
                session: session(),
                project,
                new_project: true,
                agent: "demo".to_owned(),
                model: None,
                mode: None,
                effort: None,
                content: StartContent { project_name: Some("Tide tables".to_owned()), ..StartContent::default() },
            }),
        ),
        sample(
            "go on from an earlier turn in a session of its own",
            &request(CommandBody::ForkSession {
                session: session(),
                from: SessionId::from_uuid(id(11)),
                after: Some(TurnId::from_uuid(id(4))),
                content: StartContent { text: Some("another way".to_owned()), ..StartContent::default() },
            }),
        ),
        sample("send a prompt", &prompt()),
        sample("send a prompt that may wait for a day", &long),
        sample("send a prompt again that came to nothing", &again),
        sample(
            "send an image without a word",
            &request(CommandBody::SendPrompt {
                session: session(),
                content: PromptContent { text: String::new(), attachments: vec![super::attachment()] },
            }),
        ),
        sample(
            "change a prompt that waits",
            &request(CommandBody::EditPrompt {
                session: session(),
                turn: TurnId::from_uuid(id(4)),
                content: EditContent { text: "hello again".to_owned() },
            }),
        ),
        sample(
            "move a prompt that waits to the front",
            &request(CommandBody::MovePrompt {
                session: session(),
                turn: TurnId::from_uuid(id(4)),
                before: Some(TurnId::from_uuid(id(5))),
            }),
        ),
        sample(
            "hand a prompt over in mid-turn",
            &request(CommandBody::SteerPrompt { session: session(), turn: TurnId::from_uuid(id(4)) }),
        ),
        sample("stop what runs", &request(CommandBody::CancelTurn { session: session(), turn: None })),
        sample(
            "stop one turn",
            &request(CommandBody::CancelTurn { session: session(), turn: Some(TurnId::from_uuid(id(4))) }),
        ),
        sample(
            "answer",
            &request(CommandBody::AnswerApproval {
                session: session(),
                approval: ApprovalId::from_uuid(id(7)),
                option: "deny".to_owned(),
                content: AnswerContent {
                    message: Some("not there".to_owned()),
                    answers: BTreeMap::from([("Which tide?".to_owned(), "Ebb".to_owned())]),
                    shown: Some("5f2b".to_owned()),
                },
            }),
        ),
        sample(
            "choose a model",
            &request(CommandBody::SetOptions {
                session: session(),
                model: Some("opus".to_owned()),
                mode: None,
                effort: None,
            }),
        ),
        sample(
            "choose an effort",
            &request(CommandBody::SetOptions {
                session: session(),
                model: None,
                mode: None,
                effort: Some("high".to_owned()),
            }),
        ),
    ]
}

pub(super) fn of_clients() -> Vec<Sample> {
    let from = |from| ClientFrame::Subscribe { sub: 1, stream: StreamPath::journal(session()), from };
    vec![
        sample(
            "hello",
            &ClientFrame::Hello {
                protocol_min: 1,
                protocol_max: 2,
                capabilities: vec!["moon".to_owned()],
                client: "test/0".to_owned(),
            },
        ),
        sample("subscribe from the start", &from(From::Start)),
        sample("subscribe from now on", &from(From::Now)),
        sample("subscribe from an offset", &from(From::Offset(Offset::new(2, 77)))),
        sample(
            "subscribe to a feed",
            &ClientFrame::Subscribe {
                sub: 2,
                stream: StreamPath::feed(AccountId::from_uuid(id(1))),
                from: From::Start,
            },
        ),
        sample(
            "subscribe to a turn",
            &ClientFrame::Subscribe { sub: 3, stream: StreamPath::turn(TurnId::from_uuid(id(4))), from: From::Start },
        ),
        sample("unsubscribe", &ClientFrame::Unsubscribe { sub: 1 }),
        sample("command", &ClientFrame::Command { req: 4, command: prompt() }),
        sample("cancel_command", &ClientFrame::CancelCommand { req: 5, command: CommandId::from_uuid(id(5)) }),
        sample("ping", &ClientFrame::Ping { req: 6 }),
    ]
}

/// A frame of the hub is read by a way of its own, which keeps messages as they stand.
fn frame(name: &str, frame: &ServerFrame) -> Sample {
    let text = serde_json::to_string(frame).unwrap();
    let again = ServerFrame::parse(&text).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), text, "{name} changes when it is read");
    as_it_stands(name, text)
}

pub(super) fn of_the_hub() -> Vec<Sample> {
    let at = UnixMs(AT);
    let message = RawValue::from_string(r#"{"type":"moon","key":"x","headers":{"operation":"delete"}}"#.to_owned());
    let messages = vec![message.unwrap()];
    let command = CommandId::from_uuid(id(5));
    let ended = |reason, next| ServerFrame::Ended { sub: 1, reason, next };
    vec![
        frame(
            "welcome",
            &ServerFrame::Welcome {
                protocol: 1,
                capabilities: Vec::new(),
                account: AccountId::from_uuid(id(1)),
                device: DeviceId::from_uuid(id(2)),
                host: Some(DeviceId::from_uuid(id(9))),
                hub_at_ms: at,
                heartbeat_ms: 15_000,
                version: "0.1.0".to_owned(),
            },
        ),
        frame("subscribed", &ServerFrame::Subscribed { sub: 1, next: Offset::ZERO, tail: Offset::new(0, 77) }),
        frame("batch", &ServerFrame::Batch { sub: 1, messages, next: Offset::new(0, 77), up_to_date: true }),
        frame("ended: closed", &ended(EndReason::Closed, Some(Offset::new(0, 77)))),
        frame("ended: deleted", &ended(EndReason::Deleted, None)),
        frame("ended: reset", &ended(EndReason::Reset, None)),
        frame("ended: forbidden", &ended(EndReason::Forbidden, None)),
        frame("ended: failed", &ended(EndReason::Failed, None)),
        frame("unsubscribed", &ServerFrame::Unsubscribed { sub: 1 }),
        frame(
            "ack",
            &ServerFrame::Ack { req: 4, command, state: CommandState::Queued, expires_at_ms: UnixMs(AT + 300_000) },
        ),
        frame("pong", &ServerFrame::Pong { req: 6, hub_at_ms: at }),
        frame("heartbeat", &ServerFrame::Heartbeat { hub_at_ms: at }),
        frame(
            "error of a request",
            &ServerFrame::Error {
                req: Some(4),
                sub: None,
                problem: Problem::new(ErrorCode::QueueFull).detail("100 wait"),
            },
        ),
        frame(
            "error of a subscription",
            &ServerFrame::Error { req: None, sub: Some(1), problem: Problem::new(ErrorCode::NotFound) },
        ),
    ]
}
