//! What must hold when the world has come to its end.

use std::collections::{BTreeMap, BTreeSet};

use protocol::command::{CommandBody, CommandState};
use protocol::fact::{FeedFact, SessionFact};
use protocol::fold::Transcript;
use protocol::id::{CommandId, ItemId, SessionId, TurnId};
use protocol::item::{Item, ItemStatus, Role};
use protocol::path::StreamPath;
use protocol::turn::{Origin, Turn, TurnState};

use super::desk::{Desk, Watched};
use super::{PEOPLE, TURNS};

/// The states of each command, in the order in which the feed tells them.
fn commands(desk: &Desk) -> BTreeMap<CommandId, Vec<CommandState>> {
    let Some(setup) = desk.pages().setup.clone() else { return BTreeMap::new() };
    let mut commands: BTreeMap<CommandId, Vec<CommandState>> = BTreeMap::new();
    for message in desk.stream(&StreamPath::feed(setup.account)) {
        if let FeedFact::Command { id, value: Some(command), .. } = FeedFact::parse(&message.body).expect("a fact") {
            commands.entry(id).or_default().push(command.state);
        }
    }
    commands
}

fn journal(desk: &Desk, session: SessionId) -> Vec<SessionFact> {
    let messages = desk.stream(&StreamPath::journal(session));
    messages.iter().map(|message| SessionFact::parse(&message.body).expect("a fact")).collect()
}

/// What has not come to an end yet.
pub(crate) fn unfinished(desk: &Desk) -> Vec<String> {
    let mut open = Vec::new();
    let states = commands(desk);
    for (id, sent) in &desk.pages().sent {
        let state = states.get(id).and_then(|states| states.last()).copied();
        match (sent.outcome, state) {
            (Some(Err(_)), None) => {}
            (Some(Ok(())), Some(state)) if state.is_final() => {}
            (outcome, state) => open.push(format!("command {id} {:?} {outcome:?} {state:?}", sent.body.kind())),
        }
    }
    let sessions = desk.pages().sessions.clone();
    for session in sessions {
        let turns: BTreeMap<TurnId, TurnState> = journal(desk, session)
            .into_iter()
            .filter_map(|fact| match fact {
                SessionFact::Turn { id, value: Some(turn), .. } => Some((id, turn.state)),
                _ => None,
            })
            .collect();
        open.extend(
            turns.iter().filter(|(_, state)| !state.is_final()).map(|(id, state)| format!("turn {id} {state:?}")),
        );
    }
    open
}

pub(crate) fn judge(desk: &Desk) {
    let states = commands(desk);
    each_command_ends_once(desk, &states);
    let mut turns = BTreeMap::new();
    let sessions = desk.pages().sessions.clone();
    for session in &sessions {
        // A session whose making failed has no journal.
        if desk.tail(&StreamPath::journal(*session)).is_some() {
            turns.extend(journal_is_lawful(desk, *session));
            everybody_sees_the_journal(desk, *session);
        }
    }
    each_prompt_is_handed_once(desk, &states, &turns);
    the_watcher_has_every_byte(desk);
    let pages = desk.pages();
    assert!(pages.most <= TURNS, "{} turns ran at once", pages.most);
    let once: BTreeSet<&String> = pages.answered.iter().collect();
    assert_eq!(once.len(), pages.answered.len(), "an agent was answered twice: {:?}", pages.answered);
}

fn each_command_ends_once(desk: &Desk, states: &BTreeMap<CommandId, Vec<CommandState>>) {
    let pages = desk.pages();
    for (id, history) in states {
        assert!(pages.sent.contains_key(id), "nobody sent {id}");
        for pair in history.windows(2) {
            assert!(pair[0] == pair[1] || pair[0].may_become(pair[1]), "command {id} went through {history:?}");
        }
        let ends = history.iter().filter(|state| state.is_final()).count();
        assert_eq!(ends, 1, "command {id} went through {history:?}");
    }
    for (id, sent) in &pages.sent {
        match sent.outcome {
            Some(Ok(())) => assert!(states.contains_key(id), "{id} was acknowledged and is not there"),
            Some(Err(code)) => assert!(!states.contains_key(id), "{id} was refused with {code:?} and is there"),
            None => panic!("{id} has no answer"),
        }
    }
}

/// Checks the facts of a journal and the streams of its turns.
fn journal_is_lawful(desk: &Desk, session: SessionId) -> BTreeMap<TurnId, Turn> {
    let mut turns: BTreeMap<TurnId, Turn> = BTreeMap::new();
    let mut items: BTreeMap<ItemId, Item> = BTreeMap::new();
    for fact in journal(desk, session) {
        match fact {
            SessionFact::Turn { id, value: Some(turn), .. } => {
                assert_eq!(turn.session, session, "a turn of another session");
                if let Some(before) = turns.get(&id) {
                    let lawful = before.state.may_become(turn.state) && before.low_water <= turn.low_water;
                    assert!(lawful, "turn {id} went from {before:?} to {turn:?}");
                    // A turn that waited stands where it was answered.
                    let moved = before.state == TurnState::Queued && before.ord < turn.ord;
                    assert!(before.ord == turn.ord || moved, "turn {id} moved from {before:?} to {turn:?}");
                }
                turns.insert(id, turn);
            }
            SessionFact::Item { id, value: Some(item), .. } => {
                assert_eq!(item.session, session, "an item of another session");
                assert!(item.status != ItemStatus::Running, "{id} in the journal is not settled");
                assert!(turns.contains_key(&item.turn), "{id} belongs to no turn");
                if let Some(before) = items.get(&id) {
                    // A prompt moves with its turn.
                    let moved = item.role == Role::User && before.ord < item.ord && before.content == item.content;
                    assert!(moved, "{id} settled twice, as {before:?} and {item:?}");
                }
                items.insert(id, item);
            }
            SessionFact::Approval { value: Some(approval), .. } => assert_eq!(approval.session, session),
            fact => panic!("a journal does not hold {fact:?}"),
        }
    }
    let mut places = BTreeSet::new();
    for place in turns.values().map(|turn| turn.ord).chain(items.values().map(|item| item.ord)) {
        assert!(places.insert(place), "two things stand at {place} of {session}");
    }
    let settled = items.into_iter().map(|(id, item)| (id, item.index)).collect();
    for (id, turn) in &turns {
        let stream = StreamPath::turn(*id);
        let Some((_, closed)) = desk.tail(&stream) else {
            assert!(turn.low_water.is_none(), "the stream of {id} is gone");
            continue;
        };
        assert!(closed, "the stream of {id}, which is {:?}, is open", turn.state);
        turn_stream_is_lawful(desk, session, *id, &settled);
    }
    turns
}

fn turn_stream_is_lawful(desk: &Desk, session: SessionId, turn: TurnId, settled: &BTreeMap<ItemId, u64>) {
    let mut next: BTreeMap<ItemId, u64> = BTreeMap::new();
    let mut abandoned = BTreeSet::new();
    let mut index = |id: ItemId, index: u64| {
        let due = next.entry(id).or_default();
        assert_eq!(*due, index, "item {id} of {turn} has a gap or a repeat");
        *due += 1;
    };
    for message in desk.stream(&StreamPath::turn(turn)) {
        match SessionFact::parse(&message.body).expect("a fact") {
            SessionFact::Item { id, value: Some(item), .. } => {
                assert_eq!((item.session, item.turn), (session, turn), "an item of another turn");
                index(id, item.index);
            }
            SessionFact::Delta { id, value: Some(delta), .. } => index(id, delta.index),
            SessionFact::Item { id, value: None, .. } => assert!(abandoned.insert(id), "{id} was abandoned twice"),
            fact => panic!("a turn stream does not hold {fact:?}"),
        }
    }
    for (id, count) in next {
        match settled.get(&id) {
            Some(said) => assert_eq!(*said, count, "item {id} of {turn} settled with another count"),
            None => assert!(abandoned.contains(&id), "item {id} of {turn} neither settled nor was abandoned"),
        }
    }
}

fn everybody_sees_the_journal(desk: &Desk, session: SessionId) {
    let mut truth = Transcript::new();
    for fact in journal(desk, session) {
        truth.journal(fact);
    }
    let truth = truth.canonical();
    let pages = desk.pages();
    let copies: Vec<_> = pages.copies.iter().filter(|((_, of), _)| *of == session).collect();
    assert_eq!(copies.len(), PEOPLE, "everybody follows {session}");
    for ((who, _), copy) in copies {
        assert_eq!(copy.join("\n"), truth.join("\n"), "{who} sees another {session} than its journal tells");
    }
}

fn each_prompt_is_handed_once(
    desk: &Desk,
    states: &BTreeMap<CommandId, Vec<CommandState>>,
    turns: &BTreeMap<TurnId, Turn>,
) {
    let pages = desk.pages();
    for (id, sent) in &pages.sent {
        let Some(prompt) = sent.body.text() else { continue };
        let handed = pages.handed.iter().filter(|text| *text == prompt).count();
        assert!(handed <= 1, "an agent got {prompt:?} {handed} times");
        let of: Vec<&Turn> = turns.values().filter(|turn| turn.origin == Origin::Prompt { command: *id }).collect();
        assert!(of.len() <= 1, "{id} made {} turns", of.len());
        let state = states.get(id).and_then(|states| states.last());
        let ran = of.first().is_some_and(|turn| turn.started_at_ms.is_some());
        match state {
            Some(CommandState::Succeeded) => assert!(ran, "{id} {prompt:?} succeeded without a turn that ran: {of:?}"),
            _ => assert!(handed == 0, "{id} {prompt:?} is {state:?} and an agent got it"),
        }
        if of.first().is_some_and(|turn| turn.state == TurnState::Completed) {
            assert_eq!(handed, 1, "the turn of {prompt:?} is completed and no agent got it");
        }
    }
    let known = |text: &String| pages.sent.values().any(|sent| sent.body.text() == Some(text));
    assert!(pages.handed.iter().all(known), "an agent got what nobody said: {:?}", pages.handed);
    let started = pages.sent.values().filter(|sent| matches!(sent.body, CommandBody::StartSession { .. })).count();
    assert_eq!(started, PEOPLE, "everybody started a session");
}

fn the_watcher_has_every_byte(desk: &Desk) {
    let watched = std::mem::take(&mut desk.pages().watched);
    assert!(watched.len() > 1, "the watcher watched");
    for (stream, Watched { messages: copy, marks }) in watched {
        let messages = desk.stream(&stream);
        let truth = messages.iter().map(|message| std::str::from_utf8(&message.body).expect("facts are text"));
        // The watcher went when it had everything; the feed may have gone on.
        let differs = truth.zip(&copy).position(|(there, here)| there != here);
        assert_eq!(differs, None, "the watcher has another {stream} than the disk");
        assert!(copy.len() <= messages.len(), "the watcher has more of {stream} than the disk");
        for (count, offset) in marks {
            if let Some(last) = count.checked_sub(1) {
                assert_eq!(messages[last].end, offset, "{stream} after {count} messages");
            }
        }
    }
}
