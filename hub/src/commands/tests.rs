//! Commands: at most once, for ever, whatever fails.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use protocol::command::{CommandBody, CommandState, PromptContent};
use protocol::device::Right;
use protocol::error::ErrorCode;
use protocol::id::{CommandId, SessionId};
use protocol::limits::{
    COMMAND_MEMORY_MS, COMMAND_TTL_MS, MAX_COMMAND_AGE_MS, MAX_COMMAND_TTL_MS, MAX_QUEUED_COMMANDS,
};
use protocol::port::{PortError, Report, StreamStep, Transition};
use protocol::time::Clock;
use store::{CommitFault, Faulty, MemoryStore, SqliteStore};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::testing::{TestClock, World};

async fn state(world: &World, id: CommandId) -> CommandState {
    world.hub.command(world.hub.account(), id).await.expect("it is known").state
}

#[tokio::test(start_paused = true)]
async fn twenty_takers_of_a_thousand_commands_get_each_once() {
    let world = World::new().await;
    let generation = world.start_host().await;
    // Of one session fewer may wait.
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(world.live_session(generation).await);
    }
    let mut taken = Vec::new();
    let mut takers = JoinSet::new();
    let (sent, mut received) = tokio::sync::mpsc::channel(2000);
    for most in 1..=20 {
        let (port, sent) = (world.port(), sent.clone());
        takers.spawn(async move {
            while let Ok(leased) = port.lease(generation, most % 4 + 1).await {
                for lease in leased {
                    sent.send(lease).await.unwrap();
                }
            }
        });
    }
    for n in 0..1000_usize {
        let request = world.prompt(sessions[n % sessions.len()], &n.to_string());
        while world.hub.submit(&world.owner, request.clone()).await.is_err_and(|p| p.code == ErrorCode::QueueFull) {
            taken.push(received.recv().await.unwrap());
        }
    }
    while taken.len() < 1000 {
        taken.push(received.recv().await.unwrap());
    }
    let unique: HashSet<_> = taken.iter().map(|lease| lease.id).collect();
    assert_eq!(unique.len(), 1000);
    assert!(taken.iter().all(|lease| lease.token == 1), "none was leased twice");
    sleep(Duration::from_secs(20)).await;
    assert!(received.try_recv().is_err());
    world.hub.stop().await;
    takers.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn leases_come_in_the_order_of_arrival() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let mut sent = Vec::new();
    for n in 0..10 {
        let request = world.prompt(session, &n.to_string());
        world.hub.submit(&world.owner, request.clone()).await.unwrap();
        sent.push(request.id);
    }
    let first = world.port().lease(generation, 3).await.unwrap();
    assert_eq!(first.iter().map(|l| l.id).collect::<Vec<_>>(), sent[..3]);
    // A new start gives back what had not begun, in its old place, with a new token.
    let generation = world.start_host().await;
    let again = world.port().lease(generation, 20).await.unwrap();
    assert_eq!(again.iter().map(|l| l.id).collect::<Vec<_>>(), sent);
    assert_eq!(again.iter().map(|l| l.token).take(4).collect::<Vec<_>>(), [2, 2, 2, 1]);
    let stale = Transition::to(sent[0], 1, CommandState::Running);
    let report = Report { generation, commands: vec![stale], ..Report::default() };
    assert!(matches!(world.port().report(report).await, Err(PortError::LeaseLost { command }) if command == sent[0]));
}

#[tokio::test(start_paused = true)]
async fn the_same_id_is_the_same_command_and_another_body_a_conflict() {
    let world = World::new().await;
    let session = world.session();
    let request = world.start_session(session);
    let first = world.hub.submit(&world.owner, request.clone()).await.unwrap();
    let world = world.again().await;
    for _ in 0..3 {
        assert_eq!(world.hub.submit(&world.owner, request.clone()).await.unwrap(), first);
    }
    let mut other = request.clone();
    other.ttl_ms = Some(1);
    let refused = world.hub.submit(&world.owner, other).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::CommandConflict);
    let twin = world.start_session(session);
    assert_eq!(world.hub.submit(&world.owner, twin).await.unwrap_err().code, ErrorCode::SessionExists);
    let (stranger, _) = world.stranger().await;
    assert_eq!(world.hub.command(stranger.account, request.id).await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(world.hub.cancel(&stranger, request.id).await.unwrap_err().code, ErrorCode::NotFound);
}

#[tokio::test]
async fn an_ack_survives_the_death_of_the_hub() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let (request, ack, account) = {
        let store = Arc::new(SqliteStore::open(dir.path(), clock.clone()).unwrap());
        let world = World::over(store.clone(), clock.clone()).await;
        let request = world.start_session(world.session());
        let ack = world.hub.submit(&world.owner, request.clone()).await.unwrap();
        let account = world.hub.account();
        world.hub.stop().await;
        drop(world);
        store.close();
        (request, ack, account)
    };
    let store = Arc::new(SqliteStore::open(dir.path(), clock.clone()).unwrap());
    let world = World::over(store, clock).await;
    assert_eq!(world.hub.account(), account);
    assert_eq!(world.hub.submit(&world.owner, request.clone()).await.unwrap(), ack);
    let generation = world.start_host().await;
    let leased = world.port().lease(generation, 9).await.unwrap();
    assert_eq!(leased.iter().map(|l| l.id).collect::<Vec<_>>(), [request.id]);
    world.hub.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_expires_within_two_seconds_without_a_host() {
    let world = World::new().await;
    let (long, short) = (world.start_session(world.session()), world.start_session(world.session()));
    let short = protocol::command::CommandRequest { ttl_ms: Some(10_000), ..short };
    let eternal = protocol::command::CommandRequest { ttl_ms: Some(u64::MAX), ..world.start_session(world.session()) };
    for request in [&long, &short, &eternal] {
        world.hub.submit(&world.owner, request.clone()).await.unwrap();
    }
    sleep(Duration::from_millis(9_990)).await;
    assert_eq!(state(&world, short.id).await, CommandState::Queued);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(state(&world, short.id).await, CommandState::Expired);
    assert_eq!(state(&world, long.id).await, CommandState::Queued);
    sleep(Duration::from_millis(COMMAND_TTL_MS - 10_000)).await;
    assert_eq!(state(&world, long.id).await, CommandState::Expired);
    sleep(Duration::from_millis(MAX_COMMAND_TTL_MS)).await;
    assert_eq!(state(&world, eternal.id).await, CommandState::Expired);
    // The session that it was to make can be made by another.
    let session = match &long.body {
        CommandBody::StartSession { session, .. } => *session,
        _ => unreachable!(),
    };
    world.hub.submit(&world.owner, world.start_session(session)).await.unwrap();
    sleep(Duration::from_millis(COMMAND_MEMORY_MS + 2_000)).await;
    assert_eq!(world.hub.command(world.hub.account(), long.id).await.unwrap_err().code, ErrorCode::NotFound);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_when_its_id_is_forgotten_is_refused_and_not_done_again() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let (ended, late) = (world.prompt(session, "once"), world.prompt(session, "late"));
    world.hub.submit(&world.owner, ended.clone()).await.unwrap();
    world.hub.cancel(&world.owner, ended.id).await.unwrap();
    let hour = 60 * 60 * 1000;
    // Written without a network, by a clock that is an hour behind.
    sleep(Duration::from_millis(MAX_COMMAND_AGE_MS - hour)).await;
    assert_eq!(world.hub.submit(&world.owner, late).await.unwrap().state, CommandState::Queued);
    // It is old, and remembered.
    sleep(Duration::from_millis(2 * hour)).await;
    assert_eq!(world.hub.submit(&world.owner, ended.clone()).await.unwrap().state, CommandState::Cancelled);
    sleep(Duration::from_millis(24 * hour)).await;
    assert_eq!(world.hub.command(world.hub.account(), ended.id).await.unwrap_err().code, ErrorCode::NotFound);
    let refused = world.hub.submit(&world.owner, ended.clone()).await.unwrap_err();
    assert_eq!((refused.code, refused.hint.is_empty()), (ErrorCode::CommandTooOld, false));
    // Whoever looks and wants it takes a new id.
    let again = world.prompt(session, "once");
    assert_eq!(world.hub.submit(&world.owner, again).await.unwrap().state, CommandState::Queued);
}

#[tokio::test(start_paused = true)]
async fn a_leased_command_does_not_start_after_its_time() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let request = protocol::command::CommandRequest { ttl_ms: Some(5_000), ..world.start_session(world.session()) };
    world.hub.submit(&world.owner, request.clone()).await.unwrap();
    let lease = world.port().lease(generation, 1).await.unwrap().remove(0);
    sleep(Duration::from_secs(5)).await;
    let report = Report {
        generation,
        commands: vec![Transition::to(lease.id, lease.token, CommandState::Running)],
        ..Report::default()
    };
    assert!(matches!(world.port().report(report).await, Err(PortError::LeaseLost { .. })));
    assert_eq!(state(&world, request.id).await, CommandState::Expired);
}

#[tokio::test(start_paused = true)]
async fn what_has_not_started_can_be_taken_back_and_twice_is_once() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let requests: Vec<_> = (0..3).map(|n| world.prompt(session, &n.to_string())).collect();
    for request in &requests {
        world.hub.submit(&world.owner, request.clone()).await.unwrap();
    }
    let leased = world.port().lease(generation, 2).await.unwrap();
    let running = Transition::to(leased[0].id, leased[0].token, CommandState::Running);
    world.report(Report { generation, commands: vec![running], ..Report::default() }).await;
    let refused = world.hub.cancel(&world.owner, requests[0].id).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::CommandNotCancellable);
    for request in &requests[1..] {
        for _ in 0..2 {
            let ack = world.hub.cancel(&world.owner, request.id).await.unwrap();
            assert_eq!(ack.state, CommandState::Cancelled);
        }
    }
    // The host that had leased it finds out.
    let late = Transition::to(leased[1].id, leased[1].token, CommandState::Running);
    let report = Report { generation, commands: vec![late], ..Report::default() };
    assert!(matches!(world.port().report(report).await, Err(PortError::LeaseLost { .. })));
}

#[tokio::test(start_paused = true)]
async fn the_queue_of_a_host_has_an_end() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let mut tasks = JoinSet::new();
    for n in 0..MAX_QUEUED_COMMANDS * 2 {
        let (hub, owner, request) = (world.hub.clone(), world.owner.clone(), world.prompt(session, &n.to_string()));
        tasks.spawn(async move { hub.submit(&owner, request).await });
    }
    let results = tasks.join_all().await;
    assert!(results.iter().filter(|r| r.is_ok()).count() <= MAX_QUEUED_COMMANDS);
    while world.hub.submit(&world.owner, world.prompt(session, "more")).await.is_ok() {}
    let waiting = world.hub.scan(crate::keys::all_waiting(world.hub.node()), None, 1000).await.unwrap().len();
    assert_eq!(waiting, MAX_QUEUED_COMMANDS);
    let refused = world.hub.submit(&world.owner, world.prompt(session, "more")).await.unwrap_err();
    assert_eq!((refused.code, refused.status), (ErrorCode::QueueFull, 429));
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_and_audited() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let session = world.live_session(generation).await;
    let (viewer, _) = world.device(&[Right::Read]).await;
    let (stranger, _) = world.stranger().await;
    let content = PromptContent { text: "  ".to_owned(), attachments: Vec::new() };
    let empty = world.request(CommandBody::SendPrompt { session, content });
    let nowhere = world.prompt(world.session(), "hello");
    let mut elsewhere = world.prompt(session, "hello");
    elsewhere.host = protocol::id::DeviceId::from_uuid(world.clock.fresh());
    for (who, request, expected) in [
        (&world.owner, empty, ErrorCode::Invalid),
        (&world.owner, nowhere, ErrorCode::NotFound),
        (&world.owner, elsewhere, ErrorCode::NotFound),
        (&viewer, world.prompt(session, "hello"), ErrorCode::Forbidden),
        (&stranger, world.prompt(session, "hello"), ErrorCode::NotFound),
    ] {
        assert_eq!(world.hub.submit(who, request.clone()).await.unwrap_err().code, expected);
        let entries = world.hub.audit_page(who.account, None, None).await.unwrap().entries;
        let entry = entries.into_iter().find(|e| e.target == Some(request.id.to_string())).unwrap();
        assert_eq!(entry.outcome, crate::audit::word(expected));
        assert_eq!(entry.account, Some(who.account));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_advances_nothing() {
    for fault in [CommitFault::Before, CommitFault::Full] {
        let clock = TestClock::new();
        let store = Arc::new(Faulty::new(MemoryStore::new(clock.clone())));
        let world = World::over(store.clone(), clock).await;
        let generation = world.start_host().await;
        let session = world.live_session(generation).await;
        let request = world.prompt(session, "hello");
        // Each step of a command's life, with the fault at its commit, then again without.
        store.plan_commit(Some(fault));
        // The refusal is audited, which must not fail the test either way.
        let refused = world.hub.submit(&world.owner, request.clone()).await.unwrap_err();
        assert!(matches!(refused.code, ErrorCode::StoreBroken | ErrorCode::DiskFull));
        store.mend();
        assert_eq!(world.hub.command(world.hub.account(), request.id).await.unwrap_err().code, ErrorCode::NotFound);
        world.hub.submit(&world.owner, request.clone()).await.unwrap();

        store.plan_commit(Some(fault));
        assert!(world.port().lease(generation, 1).await.is_err());
        store.mend();
        assert_eq!(state(&world, request.id).await, CommandState::Queued);
        let lease = world.port().lease(generation, 1).await.unwrap().remove(0);

        for (step, before) in
            [(CommandState::Running, CommandState::Leased), (CommandState::Succeeded, CommandState::Running)]
        {
            let commands = vec![Transition::to(lease.id, lease.token, step)];
            let report = Report { generation, commands, ..Report::default() };
            store.plan_commit(Some(fault));
            assert!(world.port().report(report.clone()).await.is_err());
            store.mend();
            assert_eq!(state(&world, request.id).await, before);
            world.report(report).await;
            assert_eq!(state(&world, request.id).await, step);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_that_took_effect_a_retry_gets_the_first_result() {
    let clock = TestClock::new();
    let store = Arc::new(Faulty::new(MemoryStore::new(clock.clone())));
    let world = World::over(store.clone(), clock).await;
    let request = world.start_session(world.session());
    store.plan_commit(Some(CommitFault::After));
    world.hub.submit(&world.owner, request.clone()).await.unwrap_err();
    store.mend();
    let ack = world.hub.submit(&world.owner, request.clone()).await.unwrap();
    assert_eq!(ack.state, CommandState::Queued);
    let generation = world.start_host().await;
    assert_eq!(world.port().lease(generation, 9).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_caller_left_goes_back_to_the_queue() {
    let clock = TestClock::new();
    let store = Arc::new(Faulty::new(MemoryStore::new(clock.clone())));
    let world = World::over(store.clone(), clock).await;
    let generation = world.start_host().await;
    let request = world.start_session(world.session());
    world.hub.submit(&world.owner, request.clone()).await.unwrap();
    store.plan_commit(Some(CommitFault::Stall));
    let port = world.port();
    let taker = tokio::spawn(async move { port.lease(generation, 1).await });
    while store.stalled() == 0 {
        tokio::task::yield_now().await;
    }
    taker.abort();
    assert!(taker.await.unwrap_err().is_cancelled());
    store.release();
    sleep(Duration::from_secs(1)).await;
    let lease = world.port().lease(generation, 1).await.unwrap().remove(0);
    assert_eq!((lease.id, lease.token), (request.id, 2));
}

mod model {
    //! Any sequence of steps against a model of ten lines.

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Act {
        Submit(u64),
        Again(usize),
        Lease(usize),
        Go(usize, CommandState, bool),
        Cancel(usize),
        Wait(u64),
        Restart,
    }

    #[derive(Debug)]
    struct Known {
        id: CommandId,
        request: protocol::command::CommandRequest,
        state: CommandState,
        token: u64,
        expires: u64,
        /// How often its host ended while it was leased.
        lost: u32,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            3 => (1_u64..20).prop_map(Act::Submit),
            1 => any::<usize>().prop_map(Act::Again),
            3 => (1_usize..4).prop_map(Act::Lease),
            4 => (any::<usize>(), prop::sample::select(&CommandState::ALL[..]), prop::bool::weighted(0.9))
                .prop_map(|(n, state, fresh)| Act::Go(n, state, fresh)),
            1 => any::<usize>().prop_map(Act::Cancel),
            2 => (1_u64..8).prop_map(Act::Wait),
            1 => Just(Act::Restart),
        ]
    }

    async fn play(acts: Vec<Act>) {
        let world = World::new().await;
        let mut generation = world.start_host().await;
        let session: SessionId = world.live_session(generation).await;
        let mut all: Vec<Known> = Vec::new();
        for act in acts {
            let count = all.len();
            let pick = |n: usize| n.checked_rem(count);
            match act {
                Act::Submit(ttl) => {
                    let mut request = world.prompt(session, "hello");
                    request.ttl_ms = Some(ttl * 1000);
                    let ack = world.hub.submit(&world.owner, request.clone()).await.unwrap();
                    let expires = ack.expires_at_ms.0;
                    all.push(Known {
                        id: request.id,
                        request,
                        state: CommandState::Queued,
                        token: 0,
                        expires,
                        lost: 0,
                    });
                }
                Act::Again(n) => {
                    if let Some(n) = pick(n) {
                        let ack = world.hub.submit(&world.owner, all[n].request.clone()).await.unwrap();
                        assert_eq!(ack.state, all[n].state);
                    }
                }
                Act::Lease(most) => {
                    let expected: Vec<_> =
                        all.iter_mut().filter(|k| k.state == CommandState::Queued).take(most).collect();
                    if !expected.is_empty() {
                        let leased = world.port().lease(generation, most).await.unwrap();
                        assert_eq!(leased.len(), expected.len());
                        for (lease, known) in leased.iter().zip(expected) {
                            known.state = CommandState::Leased;
                            known.token += 1;
                            assert_eq!((lease.id, lease.token), (known.id, known.token));
                        }
                    }
                }
                Act::Go(n, next, fresh) => {
                    if let Some(n) = pick(n) {
                        let known = &mut all[n];
                        let token = if fresh { known.token } else { known.token.wrapping_sub(1) };
                        let commands = vec![Transition::to(known.id, token, next)];
                        let result = world.port().report(Report { generation, commands, ..Report::default() }).await;
                        let mine = matches!(
                            known.state,
                            CommandState::Leased | CommandState::Running | CommandState::Indeterminate
                        );
                        let takes = !matches!(next, CommandState::Leased | CommandState::Expired);
                        let allowed = fresh && mine && takes && known.state.may_become(next);
                        assert_eq!(result.is_ok(), allowed, "{known:?} to {next:?}: {result:?}");
                        if allowed {
                            known.state = next;
                        }
                    }
                }
                Act::Cancel(n) => {
                    if let Some(n) = pick(n) {
                        let known = &mut all[n];
                        let result = world.hub.cancel(&world.owner, known.id).await;
                        let open = matches!(known.state, CommandState::Queued | CommandState::Leased);
                        assert_eq!(result.is_ok(), open || known.state == CommandState::Cancelled);
                        if open {
                            known.state = CommandState::Cancelled;
                        }
                    }
                }
                Act::Wait(seconds) => {
                    sleep(Duration::from_secs(seconds)).await;
                    sleep(Duration::from_millis(5)).await;
                    let now = world.clock.now().0;
                    for known in &mut all {
                        let open = matches!(known.state, CommandState::Queued | CommandState::Leased);
                        if open && now >= known.expires {
                            known.state = CommandState::Expired;
                        }
                    }
                }
                Act::Restart => {
                    generation = world.start_host().await;
                    for known in all.iter_mut().filter(|k| k.state == CommandState::Leased) {
                        known.lost += 1;
                        let last = known.lost == protocol::limits::MAX_TRIES;
                        known.state = if last { CommandState::Failed } else { CommandState::Queued };
                    }
                }
            }
            for known in &all {
                assert_eq!(state(&world, known.id).await, known.state);
            }
        }
        let waiting = world.hub.scan(crate::keys::all_waiting(world.hub.node()), None, 1000).await.unwrap().len();
        assert_eq!(waiting, all.iter().filter(|k| k.state == CommandState::Queued).count());
        let leased = world.hub.scan(crate::keys::all_leased(world.hub.node()), None, 1000).await.unwrap().len();
        assert_eq!(leased, all.iter().filter(|k| k.state == CommandState::Leased).count());
        world.hub.stop().await;
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn any_sequence_goes_as_the_model_says(acts in prop::collection::vec(act(), 0..40)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
            runtime.block_on(play(acts));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_can_be_read_once_its_command_has_succeeded_and_its_id_is_free_when_it_failed() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let (good, bad) = (world.session(), world.session());
    for session in [good, bad] {
        world.hub.submit(&world.owner, world.start_session(session)).await.unwrap();
    }
    let leased = world.port().lease(generation, 2).await.unwrap();
    let to = |n: usize, state| Transition::to(leased[n].id, leased[n].token, state);
    let failed = Transition::failed(leased[1].id, leased[1].token, ErrorCode::AgentUnavailable, "not installed");
    world
        .report(Report {
            generation,
            streams: vec![StreamStep::CreateJournal(good)],
            commands: vec![
                to(0, CommandState::Running),
                to(0, CommandState::Succeeded),
                to(1, CommandState::Running),
                failed,
            ],
            ..Report::default()
        })
        .await;
    let journal = protocol::path::StreamPath::journal(good);
    world.hub.may_read(world.hub.account(), &journal).await.unwrap();
    assert!(world.hub.streams().head(&journal).await.unwrap().is_some());
    let (stranger, _) = world.stranger().await;
    assert!(world.hub.may_read(stranger.account, &journal).await.is_err());
    let ack = world.hub.command(world.hub.account(), leased[1].id).await.unwrap();
    assert_eq!((ack.state, ack.error), (CommandState::Failed, Some(ErrorCode::AgentUnavailable)));
    world.hub.submit(&world.owner, world.start_session(bad)).await.unwrap();
    let twin = world.hub.submit(&world.owner, world.start_session(good)).await.unwrap_err();
    assert_eq!(twin.code, ErrorCode::SessionExists);
}
