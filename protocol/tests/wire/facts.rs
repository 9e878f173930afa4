//! Facts of sessions and feeds.

use protocol::agent_health::{AgentHealth, Login, LoginKind, TestedVersions};
use protocol::agent_limits::{AgentLimits, LimitStanding, LimitWindow};
use protocol::approval::{
    Approval, ApprovalContent, ApprovalKind, ApprovalOption, ApprovalState, Decision, OptionKind, Question,
    QuestionOption, Via,
};
use protocol::command::{Command, CommandContent, CommandError, CommandKind, CommandState, Tried};
use protocol::device::{Device, DeviceContent, DeviceKind, Right};
use protocol::error::ErrorCode;
use protocol::fact::{FeedFact, Operation, SessionFact};
use protocol::host::{
    Ability, AgentEntry, AgentState, Choice, Effort, Host, HostContent, Presence, Project, ProjectContent,
    RemoteAccess, SlashCommand,
};
use protocol::id::{AccountId, ApprovalId, CommandId, DeviceId, ItemId, ProjectId, RuleId, SessionId, TurnId};
use protocol::item::{
    Delta, DeltaContent, DeltaPart, Diff, Item, ItemContent, ItemStatus, Location, NoticeLevel, PlanEntry, PlanStatus,
    Role, TaskUsage, ToolCall, ToolKind,
};
use protocol::offset::Offset;
use protocol::rule::{Rule, RuleContent, RuleScope};
use protocol::session::{Activity, Forked, LastTurn, ReadMark, Session, SessionContent};
use protocol::time::UnixMs;
use protocol::turn::{Origin, Turn, TurnContent, TurnError, TurnErrorCode, TurnState, Usage};

use super::{AT, Sample, as_it_stands, id, sender};

fn session() -> SessionId {
    SessionId::from_uuid(id(3))
}

fn turn_id() -> TurnId {
    TurnId::from_uuid(id(4))
}

fn at(ms: u64) -> UnixMs {
    UnixMs(AT + ms)
}

fn of_session(name: &str, fact: &SessionFact) -> Sample {
    let bytes = fact.encode().unwrap();
    assert_eq!(&SessionFact::parse(&bytes).unwrap(), fact, "{name}");
    as_it_stands(name, String::from_utf8(bytes.to_vec()).unwrap())
}

fn of_feed(name: &str, fact: &FeedFact) -> Sample {
    let bytes = fact.encode().unwrap();
    assert_eq!(&FeedFact::parse(&bytes).unwrap(), fact, "{name}");
    as_it_stands(name, String::from_utf8(bytes.to_vec()).unwrap())
}

fn turn(state: TurnState) -> Turn {
    let ran = state != TurnState::Queued;
    Turn {
        v: 1,
        session: session(),
        ord: 1,
        state,
        origin: Origin::Prompt { command: CommandId::from_uuid(id(5)) },
        sender: Some(sender()),
        agent: "claude".to_owned(),
        model: ran.then(|| "sonnet".to_owned()),
        low_water: ran.then(|| Offset::new(0, 4096)),
        queued_at_ms: at(0),
        started_at_ms: ran.then(|| at(5)),
        ended_at_ms: state.is_final().then(|| at(900)),
        usage: None,
        error: None,
        steer: None,
        quiet_since_ms: None,
        content: TurnContent::default(),
    }
}

fn item(role: Role, status: ItemStatus, content: ItemContent) -> Item {
    Item {
        v: 1,
        session: session(),
        turn: turn_id(),
        ord: 2,
        parent: None,
        role,
        sender: (role == Role::User).then(sender),
        status,
        index: 3,
        created_at_ms: at(6),
        settled_at_ms: (status != ItemStatus::Running).then(|| at(70)),
        left_out_bytes: 0,
        content,
    }
}

fn tool() -> ToolCall {
    ToolCall {
        tool: ToolKind::Edit,
        name: "Write".to_owned(),
        title: "Write notes.txt".to_owned(),
        input: r#"{"file_path":"notes.txt"}"#.to_owned(),
        locations: vec![
            Location { path: "notes.txt".to_owned(), line: Some(1) },
            Location { path: "b.txt".to_owned(), line: None },
        ],
        diffs: vec![
            Diff { path: "notes.txt".to_owned(), old_text: None, new_text: "ebb\n".to_owned() },
            Diff { path: "b.txt".to_owned(), old_text: Some("flow\n".to_owned()), new_text: String::new() },
        ],
        output: "written".to_owned(),
        output_omitted_bytes: 12,
        exit_code: Some(0),
        used: Some(TaskUsage { tokens: 3210, tool_calls: 2, duration_ms: 963 }),
    }
}

fn approval(kind: ApprovalKind, state: ApprovalState) -> Approval {
    let option = |name: &str, kind| ApprovalOption { id: name.to_owned(), kind };
    Approval {
        v: 1,
        session: session(),
        turn: turn_id(),
        item: Some(ItemId::from_uuid(id(6))),
        ord: 4,
        kind,
        state,
        options: vec![option("allow", OptionKind::AllowOnce), option("deny", OptionKind::Deny)],
        decision: (state == ApprovalState::Answered).then(|| Decision {
            option: "allow".to_owned(),
            by: sender(),
            at_ms: at(60),
            via: Via::Person,
            rule: None,
        }),
        created_at_ms: at(50),
        expires_at_ms: None,
        content: ApprovalContent {
            title: "Write notes.txt".to_owned(),
            detail: "notes.txt".to_owned(),
            place: "~/project".to_owned(),
            reason: Some("outside of the plan".to_owned()),
            labels: vec!["Allow".to_owned(), "Deny".to_owned()],
            questions: Vec::new(),
            shown: "5f2b".to_owned(),
            danger: None,
            because: None,
            left_out_bytes: 0,
        },
    }
}

fn by_rule() -> Approval {
    let mut approval = approval(ApprovalKind::Permission, ApprovalState::Answered);
    approval.expires_at_ms = Some(at(90));
    approval.options.push(ApprovalOption { id: "rule_1".to_owned(), kind: OptionKind::AllowRule });
    approval.content.labels.push("Always `npm test …` in api, for this session".to_owned());
    approval.content.danger = Some("it removes files".to_owned());
    approval.content.because = Some("`npm test …` in api, for this session".to_owned());
    let rule = Some(RuleId::from_uuid(id(14)));
    approval.decision = approval.decision.map(|decision| Decision { via: Via::Rule, rule, ..decision });
    approval
}

fn rule(scope: RuleScope, session: Option<SessionId>) -> Rule {
    Rule {
        v: 1,
        host: DeviceId::from_uuid(id(9)),
        project: ProjectId::from_uuid(id(10)),
        session,
        by: sender(),
        created_at_ms: at(1),
        expires_at_ms: session.is_none().then(|| at(99)),
        uses: 2,
        used_at_ms: Some(at(8)),
        content: RuleContent { words: "`npm test …` in api".to_owned(), scope },
    }
}

fn question() -> Approval {
    let mut approval = approval(ApprovalKind::Question, ApprovalState::Pending);
    approval.item = None;
    approval.content.reason = None;
    approval.content.questions = vec![Question {
        question: "Which tide?".to_owned(),
        header: "Tide".to_owned(),
        multiple: false,
        options: vec![QuestionOption { label: "Ebb".to_owned(), description: "Out".to_owned() }],
    }];
    approval
}

pub(super) fn of_sessions() -> Vec<Sample> {
    let on_turn = |name: &str, operation, value: Turn| {
        of_session(name, &SessionFact::Turn { id: turn_id(), operation, value: Some(value) })
    };
    let item_id = ItemId::from_uuid(id(6));
    let on_item = |name: &str, value: Item| {
        of_session(name, &SessionFact::Item { id: item_id, operation: Operation::Insert, value: Some(value) })
    };
    let on_delta = |name: &str, part, text: &str| {
        let value = Delta { v: 1, index: 1, part, content: DeltaContent { text: text.to_owned() } };
        of_session(name, &SessionFact::Delta { id: item_id, operation: Operation::Insert, value: Some(value) })
    };
    let on_approval = |name: &str, operation, value: Approval| {
        of_session(name, &SessionFact::Approval { id: ApprovalId::from_uuid(id(7)), operation, value: Some(value) })
    };
    let usage = Usage { input_tokens: 12, output_tokens: 34, cached_tokens: 56, cost_micro_usd: Some(789) };
    let mut completed = turn(TurnState::Completed);
    completed.usage = Some(usage);
    let mut stopped = turn(TurnState::Interrupted);
    stopped.error = Some(TurnError { code: TurnErrorCode::Cancelled, by: Some(sender()) });
    let mut failed = turn(TurnState::Failed);
    failed.origin = Origin::Agent;
    failed.sender = None;
    failed.error = Some(TurnError { code: TurnErrorCode::ModelUnavailable, by: None });
    failed.content.detail = Some("no such model".to_owned());
    let mut resumed = turn(TurnState::AwaitingApproval);
    resumed.origin = Origin::Resume;
    let mut with_image = turn(TurnState::Queued);
    with_image.content.attachments = vec![super::attachment()];
    let words = |text: &str| ItemContent::Text { text: text.to_owned() };
    let step = |text: &str, status| PlanEntry { text: text.to_owned(), status };
    let plan = vec![
        step("look", PlanStatus::Completed),
        step("write", PlanStatus::InProgress),
        step("rest", PlanStatus::Pending),
    ];
    let notice =
        ItemContent::Notice { level: NoticeLevel::Warning, code: "retrying".to_owned(), text: "Overloaded".to_owned() };
    let mut child = item(Role::Agent, ItemStatus::Denied, ItemContent::ToolCall(ToolCall::default()));
    child.parent = Some(ItemId::from_uuid(id(8)));
    vec![
        on_turn("a turn waits", Operation::Insert, turn(TurnState::Queued)),
        on_turn("a turn with an image waits", Operation::Insert, with_image),
        on_turn("a turn runs", Operation::Update, turn(TurnState::Running)),
        on_turn("a turn waits for a person", Operation::Update, resumed),
        on_turn("a turn is done", Operation::Update, completed),
        on_turn("a turn was stopped by somebody", Operation::Update, stopped),
        on_turn("a turn of the agent's own failed", Operation::Insert, failed),
        on_item("a person says", item(Role::User, ItemStatus::Done, words("héllo \"tide\"\n\u{1f30a}"))),
        on_item("the agent says, and more may come", item(Role::Agent, ItemStatus::Running, words(""))),
        on_item(
            "the agent thought",
            item(Role::Agent, ItemStatus::Interrupted, ItemContent::Reasoning { text: "hm".to_owned() }),
        ),
        on_item("a tool was used", item(Role::Agent, ItemStatus::Failed, ItemContent::ToolCall(tool()))),
        on_item("a tool of a sub-agent was refused", child),
        on_item("a plan", item(Role::Agent, ItemStatus::Done, ItemContent::Plan { entries: plan })),
        on_item("a notice", item(Role::System, ItemStatus::Done, notice)),
        on_delta("words grow", DeltaPart::Text, " and on"),
        on_delta("input grows", DeltaPart::Input, "{\"a"),
        on_delta("output grows", DeltaPart::Output, "line\n"),
        of_session(
            "an item was abandoned",
            &SessionFact::Item { id: item_id, operation: Operation::Delete, value: None },
        ),
        on_approval("the agent asks", Operation::Insert, approval(ApprovalKind::Permission, ApprovalState::Pending)),
        on_approval("somebody answered", Operation::Update, approval(ApprovalKind::Plan, ApprovalState::Answered)),
        on_approval("the agent has a question", Operation::Insert, question()),
        on_approval("a standing rule answered", Operation::Insert, by_rule()),
    ]
}

fn command(state: CommandState) -> Command {
    Command {
        v: 1,
        kind: CommandKind::SendPrompt,
        host: DeviceId::from_uuid(id(9)),
        session: session(),
        turn: (state == CommandState::Succeeded).then(turn_id),
        sender: sender(),
        state,
        participant: None,
        retry_of: None,
        attempt: 1,
        tried: (state == CommandState::Failed).then_some(Tried {
            times: 3,
            code: ErrorCode::AgentNotStarted,
            next_at_ms: None,
        }),
        place: (state == CommandState::Queued).then_some(7),
        created_at_ms: at(0),
        expires_at_ms: at(300_000),
        updated_at_ms: at(4),
        error: (state == CommandState::Failed)
            .then_some(CommandError { code: ErrorCode::AgentNotStarted, retryable: true }),
        content: CommandContent {
            text: Some("hello".to_owned()),
            detail: (state == CommandState::Failed).then(|| "not found".to_owned()),
            attachments: Vec::new(),
        },
    }
}

pub(super) fn device(kind: DeviceKind) -> Device {
    Device {
        v: 1,
        account: AccountId::from_uuid(id(1)),
        kind,
        rights: Right::ALL.to_vec(),
        public_key: (kind == DeviceKind::Browser).then(|| "A".repeat(43)),
        created_at_ms: at(0),
        revoked_at_ms: (kind == DeviceKind::Program).then(|| at(9)),
        content: DeviceContent { name: "Phone".to_owned(), platform: "iPhone · Safari".to_owned() },
    }
}

fn host() -> Host {
    let agent = AgentEntry {
        id: "claude".to_owned(),
        name: "Claude Code".to_owned(),
        version: Some("2.1.0".to_owned()),
        state: AgentState::LoggedOut,
        hint: Some("Log in on the host.".to_owned()),
        models: vec![Choice { id: "sonnet".to_owned(), name: "Sonnet".to_owned(), description: None }],
        modes: vec![Choice { id: "plan".to_owned(), name: "Plan".to_owned(), description: Some("Looks".to_owned()) }],
        efforts: vec![Effort {
            id: "high".to_owned(),
            name: "High".to_owned(),
            description: None,
            models: vec!["sonnet".to_owned()],
        }],
        health: AgentHealth {
            program: Some("~/.local/bin/claude".to_owned()),
            tested: Some(TestedVersions::of(Some("2.1.0"), "2.1.197", "2.1.329")),
            login: Some(Login { kind: LoginKind::Subscription, plan: Some("max".to_owned()) }),
            limits: Some(AgentLimits {
                told_at_ms: at(1),
                windows: vec![LimitWindow {
                    span_minutes: Some(300),
                    about: None,
                    used_percent: Some(85),
                    resets_at_ms: Some(at(2)),
                    standing: LimitStanding::Near,
                }],
            }),
        },
        abilities: vec![Ability::Steer, Ability::Fork, Ability::ForkNewest],
        commands: vec![SlashCommand {
            name: "compact".to_owned(),
            description: "Make room".to_owned(),
            hint: Some("[what to keep]".to_owned()),
            project: Some(ProjectId::from_uuid(id(10))),
        }],
    };
    Host {
        v: 1,
        presence: Presence::Online,
        reason: None,
        generation: 7,
        seen_at_ms: at(0),
        turns_at_once: 5,
        remote_access: RemoteAccess::Active,
        content: HostContent {
            name: "tower".to_owned(),
            platform: "linux x86_64".to_owned(),
            version: "0.1.0".to_owned(),
            agents: vec![agent],
            projects_root: Some("~/towline".to_owned()),
        },
    }
}

fn row(activity: Activity, last_turn: Option<LastTurn>) -> Session {
    Session {
        v: 1,
        account: AccountId::from_uuid(id(1)),
        host: DeviceId::from_uuid(id(9)),
        project: ProjectId::from_uuid(id(10)),
        agent: "demo".to_owned(),
        model: None,
        mode: Some("ask".to_owned()),
        effort: Some("high".to_owned()),
        activity,
        last_turn,
        queued_turns: 2,
        background_tasks: 0,
        created_at_ms: at(0),
        updated_at_ms: at(8),
        archived_at_ms: None,
        ended_turns: 3,
        from: Some(Forked { session: SessionId::from_uuid(id(11)), turn: Some(turn_id()) }),
        content: SessionContent { title: "Tides".to_owned(), doing: Some("Write notes.txt".to_owned()) },
    }
}

pub(super) fn of_feeds() -> Vec<Sample> {
    let on_command = |name: &str, state| {
        let id = CommandId::from_uuid(id(5));
        of_feed(name, &FeedFact::Command { id, operation: Operation::Update, value: Some(command(state)) })
    };
    let on_device = |name: &str, kind| {
        let id = DeviceId::from_uuid(id(2));
        of_feed(name, &FeedFact::Device { id, operation: Operation::Insert, value: Some(device(kind)) })
    };
    let on_session =
        |name: &str, operation, value| of_feed(name, &FeedFact::Session { id: session(), operation, value });
    let mut archived = row(Activity::NotLoaded, None);
    archived.archived_at_ms = Some(at(20));
    let last = LastTurn { id: turn_id(), state: TurnState::AwaitingApproval };
    let project = Project {
        v: 1,
        host: DeviceId::from_uuid(id(9)),
        available: true,
        created_at_ms: at(0),
        content: ProjectContent { name: "project".to_owned(), path: "~/project".to_owned() },
    };
    vec![
        of_feed("a host", &FeedFact::from((DeviceId::from_uuid(id(9)), Operation::Update, host()))),
        of_feed("a project", &FeedFact::from((ProjectId::from_uuid(id(10)), Operation::Insert, project))),
        on_session("a new session", Operation::Insert, Some(row(Activity::Starting, None))),
        on_session("a session needs somebody", Operation::Update, Some(row(Activity::NeedsInput, Some(last)))),
        on_session("a session was put away", Operation::Update, Some(archived)),
        of_feed(
            "an account has read",
            &FeedFact::from((
                session(),
                Operation::Update,
                ReadMark { v: 1, account: AccountId::from_uuid(id(1)), session: session(), read_turns: 2 },
            )),
        ),
        on_session("a session is gone", Operation::Delete, None),
        on_command("a command waits", CommandState::Queued),
        on_command("a command succeeded", CommandState::Succeeded),
        on_command("a command failed", CommandState::Failed),
        of_feed(
            "an approval for the lists",
            &FeedFact::from((
                ApprovalId::from_uuid(id(7)),
                Operation::Update,
                approval(ApprovalKind::Permission, ApprovalState::Stale),
            )),
        ),
        of_feed(
            "a standing rule for commands",
            &FeedFact::from((
                RuleId::from_uuid(id(14)),
                Operation::Update,
                rule(
                    RuleScope::Command { words: vec!["npm".to_owned(), "test".to_owned()], exact: false },
                    Some(session()),
                ),
            )),
        ),
        of_feed(
            "a standing rule for files",
            &FeedFact::from((
                RuleId::from_uuid(id(14)),
                Operation::Insert,
                rule(RuleScope::Path { tool: ToolKind::Edit, path: "/srv/project/src".to_owned() }, None),
            )),
        ),
        on_device("this machine", DeviceKind::Node),
        on_device("a browser", DeviceKind::Browser),
        on_device("a program that was revoked", DeviceKind::Program),
    ]
}
