//! W-030: whatever is cut, and wherever, a client ends with what an uninterrupted one has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::scripted::{Hub, Stream, options, uuid};
use client::{Api, SessionFollow, Socket, Source, Update};
use futures_util::StreamExt;
use protocol::approval::{Approval, ApprovalContent, ApprovalKind, ApprovalState};
use protocol::command::{CommandBody, CommandRequest, PromptContent};
use protocol::fact::{Operation, SessionFact};
use protocol::fold::Transcript;
use protocol::id::{ApprovalId, CommandId, DeviceId, ItemId, SessionId, TurnId};
use protocol::item::{Delta, DeltaContent, DeltaPart, Item, ItemContent, ItemStatus, Role};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::time::UnixMs;
use protocol::turn::{Origin, Turn, TurnContent, TurnState};

fn session() -> SessionId {
    SessionId::from_uuid(uuid(100))
}

fn turn(ord: u64, state: TurnState, low_water: Offset) -> Turn {
    Turn {
        v: 1,
        session: session(),
        ord,
        state,
        origin: Origin::Agent,
        sender: None,
        agent: "demo".to_owned(),
        model: None,
        low_water: Some(low_water),
        steer: None,
        quiet_since_ms: None,
        queued_at_ms: UnixMs(1),
        started_at_ms: None,
        ended_at_ms: None,
        usage: None,
        error: None,
        content: TurnContent::default(),
    }
}

fn item(turn: TurnId, ord: u64, index: u64, text: &str, status: ItemStatus) -> Item {
    Item {
        v: 1,
        session: session(),
        turn,
        ord,
        parent: None,
        role: Role::Agent,
        sender: None,
        status,
        index,
        created_at_ms: UnixMs(2),
        settled_at_ms: None,
        left_out_bytes: 0,
        content: ItemContent::Text { text: text.to_owned() },
    }
}

fn delta(item: ItemId, index: u64, text: &str) -> SessionFact {
    let delta = Delta { v: 1, index, part: DeltaPart::Text, content: DeltaContent { text: text.to_owned() } };
    (item, Operation::Insert, delta).into()
}

fn message(fact: &SessionFact) -> String {
    String::from_utf8(fact.encode().unwrap().to_vec()).unwrap()
}

struct Conversation {
    hub: Arc<Hub>,
    expected: Vec<String>,
    /// What a reader must get after the page, by source.
    facts: BTreeMap<Source, Vec<String>>,
}

/// A turn that ended, after the page; a turn that runs, with an item settled and one growing.
fn conversation() -> Conversation {
    let (first, second) = (TurnId::from_uuid(uuid(1)), TurnId::from_uuid(uuid(2)));
    let (a, b, c) = (ItemId::from_uuid(uuid(3)), ItemId::from_uuid(uuid(4)), ItemId::from_uuid(uuid(5)));
    let mut streams: BTreeMap<TurnId, Stream> = BTreeMap::new();
    streams.insert(
        first,
        Stream {
            messages: vec![
                message(&(a, Operation::Insert, item(first, 2, 0, "", ItemStatus::Running)).into()),
                message(&delta(a, 1, "Hällo ")),
                message(&delta(a, 2, "wörld")),
            ],
            closed: true,
        },
    );
    streams.insert(
        second,
        Stream {
            messages: vec![
                message(&(b, Operation::Insert, item(second, 4, 0, "", ItemStatus::Running)).into()),
                message(&delta(b, 1, "settles")),
                message(&(c, Operation::Insert, item(second, 6, 0, "", ItemStatus::Running)).into()),
                message(&delta(c, 1, "still ")),
                message(&delta(c, 2, "grows 🙂")),
            ],
            closed: false,
        },
    );
    let approval = Approval {
        v: 1,
        session: session(),
        turn: second,
        item: None,
        ord: 5,
        kind: ApprovalKind::Permission,
        state: ApprovalState::Pending,
        options: Vec::new(),
        decision: None,
        created_at_ms: UnixMs(3),
        expires_at_ms: None,
        content: ApprovalContent::default(),
    };
    let low_water = streams[&second].offset(2);
    let journal: Vec<SessionFact> = vec![
        (first, Operation::Insert, turn(1, TurnState::Running, Offset::ZERO)).into(),
        (a, Operation::Insert, item(first, 2, 3, "Hällo wörld.", ItemStatus::Done)).into(),
        (first, Operation::Update, turn(1, TurnState::Completed, streams[&first].offset(3))).into(),
        (second, Operation::Insert, turn(3, TurnState::Running, Offset::ZERO)).into(),
        (b, Operation::Insert, item(second, 4, 2, "settles", ItemStatus::Done)).into(),
        (second, Operation::Update, turn(3, TurnState::AwaitingApproval, low_water)).into(),
        (ApprovalId::from_uuid(uuid(6)), Operation::Insert, approval).into(),
    ];
    let mut transcript = Transcript::new();
    journal.iter().cloned().for_each(|fact| transcript.journal(fact));
    for (turn, stream) in &streams {
        for message in &stream.messages {
            transcript.live(*turn, SessionFact::parse(message.as_bytes()).unwrap());
        }
    }
    let messages: Vec<String> = journal.iter().map(message).collect();
    // The page ends behind the first fact: everything else comes over the socket.
    let held = Stream { messages: messages.clone(), closed: false };
    let page =
        format!(r#"{{"facts":[{}],"before":null,"tail":"{}","open":[{}]}}"#, messages[0], held.offset(1), messages[0]);
    let mut facts: BTreeMap<_, _> =
        streams.iter().map(|(turn, stream)| (Source::Turn(*turn), stream.messages.clone())).collect();
    facts.insert(Source::Journal, messages[1..].to_vec());
    let mut held = BTreeMap::from([(StreamPath::journal(session()).to_string(), held)]);
    held.extend(streams.into_iter().map(|(turn, stream)| (StreamPath::turn(turn).to_string(), stream)));
    Conversation { hub: Hub::new(held, page), expected: transcript.canonical(), facts }
}

/// Follows until everything has come; says where it was cut when it does not.
async fn follow(talk: &Conversation, breaks: impl Fn(usize) -> (usize, usize) + Send + Sync + 'static, cut: &str) {
    let socket = Socket::open(talk.hub.remote(breaks), options());
    let mut follow = SessionFollow::open(Api::new(talk.hub.whole()), &socket, session(), false).await.unwrap();
    let mut got: BTreeMap<Source, Vec<String>> = BTreeMap::new();
    let first = TurnId::from_uuid(uuid(1));
    let run = async {
        loop {
            let update = follow.next().await.unwrap();
            if let Update::Facts { source, facts, next: Some(_), .. } = update {
                got.entry(source).or_default().extend(facts.iter().map(|fact| fact.get().to_owned()));
            }
            // The first turn's own stream may be released early: the journal says that the turn is over.
            let whole = |source: &Source| got.get(source) == talk.facts.get(source);
            // Looked at last, because writing it out is most of the work of a run.
            if talk.facts.keys().filter(|source| **source != Source::Turn(first)).all(whole)
                && follow.transcript().canonical() == talk.expected
            {
                break;
            }
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(20), run).await;
    assert!(done.is_ok(), "cut at {cut}: {got:#?} instead of {:#?}", talk.facts);
    for (source, facts) in &got {
        assert!(talk.facts[source].starts_with(facts), "cut at {cut}: {source:?} {facts:#?}");
    }
    socket.close().await;
}

/// Runs all cases, many at once.
async fn each(cases: std::ops::Range<usize>, run: impl AsyncFn(usize)) {
    futures_util::stream::iter(cases).for_each_concurrent(64, |case| run(case)).await;
}

/// How many bytes an uninterrupted client reads at most; more only repeats the last case.
const READ: usize = 6_000;
/// How many bytes an uninterrupted client writes at most.
const WRITTEN: usize = 1_200;

#[tokio::test]
async fn an_uninterrupted_client_reads_it_all() {
    follow(&conversation(), |_| (usize::MAX, usize::MAX), "never").await;
}

async fn cut_reading(cuts: std::ops::Range<usize>) {
    let talk = conversation();
    // Nearly all of a run is waiting for the clock's next tick: many go at once.
    each(cuts, async |cut| {
        // The second connection breaks too, elsewhere.
        let breaks = move |dial| match dial {
            0 => (cut, usize::MAX),
            1 => (cut * 7 % READ, usize::MAX),
            _ => (usize::MAX, usize::MAX),
        };
        follow(&talk, breaks, &format!("byte {cut} read")).await;
    })
    .await;
}

/// A fourth of the bytes that are read.
fn quarter(which: usize) -> std::ops::Range<usize> {
    READ / 4 * which..READ / 4 * (which + 1)
}

// In four parts, so that none comes near the time limit of a test on a busy machine.
#[tokio::test]
async fn a_cut_after_every_byte_read_changes_nothing_in_the_first_quarter() {
    cut_reading(quarter(0)).await;
}

#[tokio::test]
async fn a_cut_after_every_byte_read_changes_nothing_in_the_second_quarter() {
    cut_reading(quarter(1)).await;
}

#[tokio::test]
async fn a_cut_after_every_byte_read_changes_nothing_in_the_third_quarter() {
    cut_reading(quarter(2)).await;
}

#[tokio::test]
async fn a_cut_after_every_byte_read_changes_nothing_in_the_fourth_quarter() {
    cut_reading(quarter(3)).await;
}

#[tokio::test]
async fn a_cut_after_every_byte_written_changes_nothing() {
    let talk = conversation();
    each(0..WRITTEN, async |cut| {
        let breaks = move |dial| if dial < 1 { (usize::MAX, cut) } else { (usize::MAX, usize::MAX) };
        follow(&talk, breaks, &format!("byte {cut} written")).await;
    })
    .await;
}

fn prompt(n: u64) -> CommandRequest {
    CommandRequest {
        id: CommandId::from_uuid(uuid(1_000 + n)),
        host: DeviceId::from_uuid(uuid(2)),
        ttl_ms: None,
        retry_of: None,
        body: CommandBody::SendPrompt {
            session: session(),
            content: PromptContent { text: format!("prompt {n}"), attachments: Vec::new() },
        },
    }
}

#[tokio::test]
async fn a_command_is_acknowledged_once_wherever_the_path_breaks() {
    each(0..WRITTEN, async |cut| {
        for reading in [false, true] {
            let hub = Hub::new(BTreeMap::new(), String::new());
            let breaks = move |dial| match dial {
                0 if reading => (cut, usize::MAX),
                0 => (usize::MAX, cut),
                _ => (usize::MAX, usize::MAX),
            };
            let socket = Socket::open(hub.remote(breaks), options());
            let (one, two) = tokio::join!(socket.command(prompt(1)), socket.command(prompt(2)));
            assert_eq!(one.unwrap().command, prompt(1).id, "cut at {cut}");
            assert_eq!(two.unwrap().command, prompt(2).id, "cut at {cut}");
            let commands = hub.commands.lock().unwrap();
            let bodies: Vec<_> = commands.values().map(|(_, command)| command.clone()).collect();
            assert_eq!(bodies, [prompt(1), prompt(2)], "cut at {cut}");
        }
    })
    .await;
}
