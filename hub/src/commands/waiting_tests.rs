//! What waits can be changed by every device that may, and by nobody once its host has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use protocol::api::CommandEdit;
use protocol::command::{CommandBody, CommandRequest, CommandState};
use protocol::device::Right;
use protocol::error::ErrorCode;
use protocol::fact::FeedFact;
use protocol::id::{CommandId, SessionId};
use protocol::limits::{COMMAND_TTL_MS, MAX_COMMAND_TTL_MS, MAX_WAITING_PROMPTS};
use protocol::path::StreamPath;
use protocol::port::{Report, Transition};
use protocol::time::UnixMs;
use store::{Batch, CommitError, Cut, Done, Entry, Head, Later, MemoryStore, Page, Read, ReadError, Scan, Store};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::testing::{TestClock, World};

fn words(text: &str) -> CommandEdit {
    CommandEdit { text: Some(text.to_owned()), ttl_ms: None }
}

const fn life(ttl_ms: u64) -> CommandEdit {
    CommandEdit { text: None, ttl_ms: Some(ttl_ms) }
}

/// Prompts that wait, in the order in which they were sent.
async fn queue(world: &World, many: usize) -> Vec<CommandRequest> {
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let mut sent = Vec::new();
    for n in 0..many {
        let request = world.prompt(session, &n.to_string());
        world.hub.submit(&world.owner, request.clone()).await.unwrap();
        sent.push(request);
    }
    sent
}

/// The queued commands as the feed's lists have them, by their places: what every device sees.
async fn seen(world: &World) -> Vec<(CommandId, String)> {
    let lists = world.hub.lists(world.hub.account()).await.unwrap();
    let mut line: Vec<_> = lists
        .facts
        .iter()
        .filter_map(|fact| match FeedFact::parse(fact.get().as_bytes()).unwrap() {
            FeedFact::Command { id, value: Some(command), .. } if command.state == CommandState::Queued => {
                Some((command.place.expect("a place"), id, command.content.text.unwrap_or_default()))
            }
            _ => None,
        })
        .collect();
    line.sort_by_key(|(place, ..)| *place);
    line.into_iter().map(|(_, id, text)| (id, text)).collect()
}

async fn leased(world: &World, most: usize) -> Vec<(CommandId, String)> {
    let generation = world.start_host().await;
    let leased = world.port().lease(generation, most).await.unwrap();
    leased.into_iter().map(|one| (one.id, one.body.text().unwrap_or_default().to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn the_host_gets_the_words_and_the_order_that_everybody_saw() {
    let world = World::new().await;
    let sent = queue(&world, 5).await;
    let (other, _) = world.device(&[Right::Read, Right::Prompt]).await;
    let id = |n: usize| sent[n].id;
    world.hub.edit_command(&other, id(1), words("one, as it was meant")).await.unwrap();
    world.hub.move_command(&other, id(4), Some(id(0))).await.unwrap();
    world.hub.move_command(&world.owner, id(2), None).await.unwrap();
    world.hub.move_command(&world.owner, id(3), Some(id(3))).await.unwrap();
    world.hub.cancel(&other, id(0)).await.unwrap();
    let expected: Vec<(CommandId, String)> =
        [(4, "4"), (1, "one, as it was meant"), (3, "3"), (2, "2")].map(|(n, text)| (id(n), text.to_owned())).to_vec();
    assert_eq!(seen(&world).await, expected);
    // The same request again is the same command still, and another one under its id is not.
    assert_eq!(world.hub.submit(&world.owner, sent[1].clone()).await.unwrap().state, CommandState::Queued);
    let changed = CommandRequest { body: world.prompt(sent[1].body.session(), "x").body, ..sent[1].clone() };
    assert_eq!(world.hub.submit(&world.owner, changed).await.unwrap_err().code, ErrorCode::CommandConflict);
    let world = world.again().await;
    assert_eq!(seen(&world).await, expected, "a restart changes nothing");
    let late = world.prompt(sent[0].body.session(), "late");
    world.hub.submit(&world.owner, late.clone()).await.unwrap();
    let mut expected = expected;
    expected.push((late.id, "late".to_owned()));
    assert_eq!(leased(&world, 10).await, expected);
    assert!(seen(&world).await.is_empty());
    let actions: Vec<String> = world.audited().await.into_iter().map(|entry| entry.action).collect();
    for action in ["command.edit", "command.move"] {
        assert!(actions.iter().any(|found| found == action), "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_after_the_host_is_told_so() {
    let world = World::new().await;
    let sent = queue(&world, 2).await;
    let taken = leased(&world, 1).await[0].0;
    assert_eq!(taken, sent[0].id);
    let started = |problem: protocol::error::Problem| {
        assert_eq!((problem.code, problem.detail.as_deref()), (ErrorCode::TurnStarted, Some("its host has taken it")));
    };
    started(world.hub.edit_command(&world.owner, taken, words("late")).await.unwrap_err());
    started(world.hub.edit_command(&world.owner, taken, life(1)).await.unwrap_err());
    started(world.hub.move_command(&world.owner, taken, None).await.unwrap_err());
    started(world.hub.move_command(&world.owner, sent[1].id, Some(taken)).await.unwrap_err());
    world.hub.cancel(&world.owner, sent[1].id).await.unwrap();
    let gone = world.hub.edit_command(&world.owner, sent[1].id, words("late")).await.unwrap_err();
    assert_eq!((gone.code, gone.detail.as_deref()), (ErrorCode::TurnStarted, Some("it was taken back")));
}

#[tokio::test(start_paused = true)]
async fn a_life_is_prolonged_and_shortened_by_the_hubs_clock_and_for_a_week_at_most() {
    let world = World::new().await;
    let sent = queue(&world, 2).await;
    let born = world.hub.now();
    let kept = world.hub.edit_command(&world.owner, sent[0].id, life(24 * 3_600_000)).await.unwrap();
    assert_eq!(kept.expires_at_ms, born.plus_ms(24 * 3_600_000));
    tokio::time::sleep(Duration::from_millis(COMMAND_TTL_MS + 2_000)).await;
    let state = async |id| world.hub.command(world.hub.account(), id).await.unwrap().state;
    assert_eq!((state(sent[0].id).await, state(sent[1].id).await), (CommandState::Queued, CommandState::Expired));
    let expired = world.hub.edit_command(&world.owner, sent[1].id, life(1_000)).await.unwrap_err();
    assert_eq!((expired.code, expired.detail.as_deref()), (ErrorCode::TurnStarted, Some("it has expired")));
    tokio::time::sleep(Duration::from_hours(23)).await;
    let most = world.hub.edit_command(&world.owner, sent[0].id, life(u64::MAX)).await.unwrap();
    let last: UnixMs = born.plus_ms(MAX_COMMAND_TTL_MS);
    assert!(most.expires_at_ms <= last && last.since(most.expires_at_ms) < 1_000, "{most:?}");
    world.hub.edit_command(&world.owner, sent[0].id, life(5_000)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5_000 + 1_990)).await;
    assert_eq!(state(sent[0].id).await, CommandState::Expired, "told within two seconds (W-005)");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_send_a_kind_may_not_change_it_and_what_has_no_words_keeps_none() {
    let world = World::new().await;
    let sent = queue(&world, 1).await;
    let (viewer, _) = world.device(&[Right::Read]).await;
    let (stranger, _) = world.stranger().await;
    for (who, code) in [(&viewer, ErrorCode::Forbidden), (&stranger, ErrorCode::NotFound)] {
        assert_eq!(world.hub.edit_command(who, sent[0].id, words("x")).await.unwrap_err().code, code);
        assert_eq!(world.hub.move_command(who, sent[0].id, None).await.unwrap_err().code, code);
    }
    let empty = world.hub.edit_command(&world.owner, sent[0].id, words(" ")).await.unwrap_err();
    assert_eq!(empty.code, ErrorCode::Invalid);
    let session = sent[0].body.session();
    let stop = world.request(protocol::command::CommandBody::CancelTurn { session, turn: None });
    world.hub.submit(&world.owner, stop.clone()).await.unwrap();
    let none = world.hub.edit_command(&world.owner, stop.id, words("x")).await.unwrap_err();
    assert_eq!(none.code, ErrorCode::Invalid);
}

/// Edits, moves and leases at the same time: whatever was acknowledged is what the host got, each command once, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_change_and_a_lease_at_once_one_wins() {
    let world = World::new().await;
    let sent = queue(&world, 60).await;
    let generation = world.start_host().await;
    let mut changes = JoinSet::new();
    for (n, request) in sent.iter().enumerate() {
        let (hub, owner, id) = (world.hub.clone(), world.owner.clone(), request.id);
        let before = sent[(n * 7 + 3) % sent.len()].id;
        changes.spawn(async move {
            let moved = hub.move_command(&owner, id, Some(before)).await;
            let edited = hub.edit_command(&owner, id, words(&format!("changed {n}"))).await;
            for result in [moved, edited.clone()] {
                assert!(result.is_ok() || result.as_ref().unwrap_err().code == ErrorCode::TurnStarted, "{result:?}");
            }
            (id, edited.is_ok())
        });
    }
    let mut got = std::collections::BTreeMap::new();
    while got.len() < sent.len() {
        for one in world.port().lease(generation, 3).await.unwrap() {
            let text = one.body.text().unwrap_or_default().to_owned();
            assert_eq!(got.insert(one.id, text), None, "once");
        }
        tokio::task::yield_now().await;
    }
    while let Some(done) = changes.join_next().await {
        let (id, edited) = done.unwrap();
        assert_eq!(got[&id].starts_with("changed"), edited, "{id}");
    }
}

/// A store in which a look at a queue waits, once, until the test lets it go on.
#[derive(Debug)]
struct SlowLook {
    inner: MemoryStore,
    armed: AtomicBool,
    arrived: Notify,
    go: Notify,
}

impl Store for SlowLook {
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>> {
        self.inner.commit(batch)
    }

    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>> {
        self.inner.read(read)
    }

    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>> {
        self.inner.head(stream)
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>> {
        self.inner.get(key)
    }

    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>> {
        Box::pin(async move {
            if scan.prefix.starts_with("hub/waiting/") && self.armed.swap(false, Ordering::SeqCst) {
                self.arrived.notify_one();
                self.go.notified().await;
            }
            self.inner.scan(scan).await
        })
    }

    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: Cut) -> Later<'a, Result<(), CommitError>> {
        self.inner.trim(stream, cut)
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_loses_their_place_when_the_host_takes_what_is_being_moved() {
    // What is moved is taken; that before which it was to go is taken.
    for (moved, before, goes) in [(0, Some(1), 0), (2, Some(0), 0)] {
        let clock = TestClock::new();
        let inner = MemoryStore::new(clock.clone());
        let (armed, arrived, go) = (AtomicBool::new(false), Notify::new(), Notify::new());
        let store = Arc::new(SlowLook { inner, armed, arrived, go });
        let world = World::over(store.clone(), clock).await;
        let sent = queue(&world, 4).await;
        let generation = world.start_host().await;
        let (hub, owner) = (world.hub.clone(), world.owner.clone());
        let (id, before) = (sent[moved].id, before.map(|place: usize| sent[place].id));
        store.armed.store(true, Ordering::SeqCst);
        let moving = tokio::spawn(async move { hub.move_command(&owner, id, before).await });
        store.arrived.notified().await;
        let first = world.port().lease(generation, 1).await.unwrap();
        assert_eq!(first[0].id, sent[goes].id);
        store.go.notify_one();
        assert_eq!(moving.await.unwrap().unwrap_err().code, ErrorCode::TurnStarted);
        let rest: Vec<CommandId> =
            world.port().lease(generation, 9).await.unwrap().iter().map(|leased| leased.id).collect();
        assert_eq!(rest, sent[1..].iter().map(|request| request.id).collect::<Vec<_>>(), "in their places");
    }
}

/// Submits so many prompts and has the host accept them: they wait in the line of their session there.
async fn accepted(world: &World, generation: u64, session: SessionId, count: usize) -> Vec<protocol::port::Leased> {
    for _ in 0..count {
        world.hub.submit(&world.owner, world.prompt(session, "again and again")).await.unwrap();
    }
    let leased = world.port().lease(generation, count).await.unwrap();
    assert_eq!(leased.len(), count);
    let running = |leased: &protocol::port::Leased| Transition::to(leased.id, leased.token, CommandState::Running);
    let commands = leased.iter().map(running).collect();
    world.report(Report { generation, commands, ..Report::default() }).await;
    leased
}

#[tokio::test(start_paused = true)]
async fn the_line_of_a_session_has_an_end_although_its_host_has_taken_all_of_it() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let mut line = accepted(&world, generation, session, MAX_WAITING_PROMPTS / 2).await;
    line.extend(accepted(&world, generation, session, MAX_WAITING_PROMPTS / 2).await);
    let refused = world.hub.submit(&world.owner, world.prompt(session, "one too many")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::QueueFull);
    assert!(refused.detail.as_deref().is_some_and(|detail| detail.contains("in this session")), "{refused:?}");
    assert!(refused.hint.contains("begin another session"), "{refused:?}");
    // What is no prompt, and what is for another session, is not kept out; and it is the same after a restart.
    let stop = world.request(CommandBody::CancelTurn { session, turn: None });
    world.hub.submit(&world.owner, stop).await.unwrap();
    let other = world.live_session(generation).await;
    world.hub.submit(&world.owner, world.prompt(other, "elsewhere")).await.unwrap();
    let world = world.again().await;
    let generation = world.start_host().await;
    assert!(world.hub.submit(&world.owner, world.prompt(session, "one too many")).await.is_err());
    // One begins, and one is taken back: two have a place.
    let begun = Transition::to(line[0].id, line[0].token, CommandState::Succeeded);
    let gone = Transition::to(line[1].id, line[1].token, CommandState::Cancelled);
    world.report(Report { generation, commands: vec![begun, gone], ..Report::default() }).await;
    for _ in 0..2 {
        world.hub.submit(&world.owner, world.prompt(session, "in its turn")).await.unwrap();
    }
    assert!(world.hub.submit(&world.owner, world.prompt(session, "one too many")).await.is_err());
}
