use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::api::AuditContent;
use protocol::command::{CommandBody, CommandState, PromptContent, StartContent};
use protocol::error::ErrorCode;
use protocol::fact::FeedFact;
use protocol::id::{AccountId, CommandId, DeviceId, ProjectId, SessionId};
use protocol::item::Sender;
use protocol::link::{Chain, Cursor, Handed, LinkNews};
use protocol::offset::Offset;
use protocol::participant::{ByParticipant, ParticipantRole};
use protocol::path::StreamPath;
use protocol::port::{Decided, DecidedWhat, PortError, Report, StreamStep, Transition};
use protocol::time::Clock as _;
use protocol::turn::TurnState;
use store::{CommitFault, Faulty, MemoryStore};
use streams::Grown;

use super::{Resume, Uplink};
use crate::testing::{TestClock, World};

fn uplink(world: &World) -> Uplink {
    world.hub.uplink(AccountId::from_uuid(uuid::Uuid::from_u128(7)), "https://hub.test")
}

fn handed(world: &World, body: CommandBody) -> Handed {
    Handed {
        command: CommandId::from_uuid(world.clock.fresh()),
        token: 3,
        sender: DeviceId::from_uuid(world.clock.fresh()),
        participant: None,
        retry_of: None,
        body,
        expires_in_ms: 60_000,
    }
}

fn start(world: &World, session: SessionId) -> CommandBody {
    CommandBody::StartSession {
        session,
        project: ProjectId::from_uuid(world.clock.fresh()),
        new_project: false,
        agent: "demo".to_owned(),
        model: None,
        mode: None,
        effort: None,
        content: StartContent::default(),
    }
}

fn prompt(session: SessionId) -> CommandBody {
    CommandBody::SendPrompt { session, content: PromptContent { text: "hello".to_owned(), attachments: Vec::new() } }
}

async fn cursor_at_end(uplink: &Uplink) -> Cursor {
    uplink.feed_end().await.unwrap().expect("a feed that says something")
}

#[tokio::test(start_paused = true)]
async fn a_handed_command_is_taken_once_and_runs_as_any_other() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let uplink = uplink(&world);
    let session = world.live_session(generation).await;
    let before = cursor_at_end(&uplink).await;
    let handed = handed(&world, prompt(session));
    let now = world.clock.now();
    assert_eq!(uplink.known(handed.command).await.unwrap(), None);
    assert_eq!(uplink.take(&handed, now, None).await.unwrap(), CommandState::Queued);
    assert_eq!(uplink.take(&handed, now, None).await.unwrap(), CommandState::Queued);
    let leased = world.port().lease(generation, 9).await.unwrap();
    assert_eq!(leased.len(), 1);
    assert_eq!((leased[0].id, leased[0].sender.device), (handed.command, handed.sender));
    assert_eq!(leased[0].sender.account, world.hub.account());
    assert_eq!(leased[0].expires_at_ms, now.plus_ms(60_000));
    assert_eq!(world.hub.all_handed().await.unwrap(), [handed.command]);
    for (state, run) in [(CommandState::Running, 1), (CommandState::Succeeded, 0)] {
        let commands = vec![Transition::to(handed.command, leased[0].token, state)];
        world.report(Report { generation, commands, ..Report::default() }).await;
        // What runs is said again to a hub that may have taken this host for lost; what has ended it hears by the feed.
        let running = uplink.running().await.unwrap();
        assert_eq!(running.len(), run);
        assert!(running.iter().all(|fact| fact.get().contains(&handed.command.to_string())));
    }
    // Handed over again, it says how it ended.
    assert_eq!(uplink.take(&handed, now, None).await.unwrap(), CommandState::Succeeded);
    let page = uplink.facts_after(before.offset, 1 << 20).await.unwrap();
    assert_eq!(page.ended, [handed.command]);
    assert_eq!(page.facts.len(), 4, "queued, leased, running, succeeded");
    uplink.heard_of(&page.ended).await.unwrap();
    assert!(world.hub.all_handed().await.unwrap().is_empty());
    let audit = world.audited().await;
    let sent: Vec<_> = audit.iter().filter(|entry| entry.action == "command.send_prompt").collect();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].device, sent[0].source.as_deref()), (Some(handed.sender), Some("https://hub.test")));
}

#[tokio::test(start_paused = true)]
async fn a_participants_command_says_whose_it_is_and_what_they_decide_keeps_their_name() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let uplink = uplink(&world);
    let session = world.live_session(generation).await;
    let by = ByParticipant {
        account: AccountId::from_uuid(world.clock.fresh()),
        name: "Ada".to_owned(),
        role: ParticipantRole::Editor,
        trusted: false,
        released_by: None,
    };
    let handed = Handed { participant: Some(by.clone()), ..handed(&world, prompt(session)) };
    let decided = |account| Decided {
        what: DecidedWhat::Denied,
        target: "apr".to_owned(),
        by: Sender { account, device: handed.sender },
        content: AuditContent { shown: None, because: None },
    };
    let report = |audit| Report { generation, audit, ..Report::default() };
    let early = world.port().report(report(vec![decided(by.account)])).await;
    assert!(matches!(early, Err(PortError::Refused { .. })), "nobody knows them: {early:?}");
    // Not let run by anybody: the host is the one to refuse it, so it is not held back from it here.
    uplink.take(&handed, world.clock.now(), None).await.unwrap();
    let leased = world.port().lease(generation, 9).await.unwrap();
    assert_eq!(leased[0].participant.as_ref(), Some(&by));
    assert_eq!(leased[0].sender, Sender { account: by.account, device: handed.sender });
    world.report(report(vec![decided(by.account)])).await;
    let trail = world.audited().await;
    let mine: Vec<&str> =
        trail.iter().filter(|entry| entry.account == Some(by.account)).map(|entry| entry.action.as_str()).collect();
    assert_eq!(mine, [DecidedWhat::Denied.word(), "command.send_prompt"], "in the trail of this machine's owner");
}

#[tokio::test(start_paused = true)]
async fn commands_that_came_here_directly_do_not_go_up_unless_they_are_handed_over_too() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let uplink = uplink(&world);
    let session = world.live_session(generation).await;
    let before = cursor_at_end(&uplink).await;
    let request = world.prompt(session, "direct");
    world.hub.submit(&world.owner, request.clone()).await.unwrap();
    let page = uplink.facts_after(before.offset, 1 << 20).await.unwrap();
    assert!(page.facts.is_empty() && page.cursor.is_some());
    let both = Handed { command: request.id, ..handed(&world, request.body) };
    assert_eq!(uplink.take(&both, world.clock.now(), None).await.unwrap(), CommandState::Queued);
    // The place of its fact was passed over already: it is told once more.
    let passed = page.cursor.unwrap();
    assert_eq!(uplink.facts_after(passed.offset, 1 << 20).await.unwrap().facts.len(), 1);
    assert_eq!(world.port().lease(generation, 9).await.unwrap().len(), 1, "it runs once");
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_before_it_came_never_runs_and_the_other_hub_hears_of_its_end() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let uplink = uplink(&world);
    let session = world.live_session(generation).await;
    let unborn = world.session();
    let before = cursor_at_end(&uplink).await;
    let by = DeviceId::from_uuid(world.clock.fresh());
    let gone = [handed(&world, prompt(session)), handed(&world, start(&world, unborn))];
    for handed in &gone {
        uplink.hear(&LinkNews::Cancelled { command: handed.command, by }).await.unwrap();
    }
    for handed in &gone {
        assert_eq!(uplink.take(handed, world.clock.now(), None).await.unwrap(), CommandState::Cancelled);
    }
    let page = uplink.facts_after(before.offset, 1 << 20).await.unwrap();
    assert_eq!(page.ended, gone.map(|handed| handed.command));
    let port = world.port();
    tokio::time::timeout(std::time::Duration::from_secs(1), port.lease(generation, 9)).await.unwrap_err();
    // The id of its session is free.
    let again = handed(&world, start(&world, unborn));
    assert_eq!(uplink.take(&again, world.clock.now(), None).await.unwrap(), CommandState::Queued);
    // However many others were taken back meanwhile, the memory of them is bounded.
    for _ in 0..5_000 {
        let command = CommandId::from_uuid(world.clock.fresh());
        uplink.hear(&LinkNews::Cancelled { command, by }).await.unwrap();
    }
    assert!(world.hub.inner.incoming.lock().await.recalled() < 5_000);
}

#[tokio::test(start_paused = true)]
async fn what_is_being_taken_when_its_connection_breaks_is_among_what_the_next_one_says_that_it_holds() {
    let clock = TestClock::new();
    let store = Arc::new(Faulty::new(MemoryStore::new(clock.clone())));
    let world = World::over(store.clone(), clock).await;
    let generation = world.start_host().await;
    let uplink = uplink(&world);
    let session = world.live_session(generation).await;
    let handed = handed(&world, prompt(session));
    store.plan_commit(Some(CommitFault::Stall));
    let taking = uplink.take(&handed, world.clock.now(), None);
    tokio::time::timeout(std::time::Duration::from_secs(1), taking).await.unwrap_err();
    assert_eq!(store.stalled(), 1);
    // Its connection is over, and the disk still writes.
    let held = tokio::spawn({
        let hub = world.hub.clone();
        async move { hub.all_handed().await }
    });
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    store.release();
    assert_eq!(held.await.unwrap().unwrap(), [handed.command]);
    // So is a cancellation that comes meanwhile: it finds the command.
    let second = self::handed(&world, prompt(session));
    store.plan_commit(Some(CommitFault::Stall));
    let taking = uplink.take(&second, world.clock.now(), None);
    tokio::time::timeout(std::time::Duration::from_secs(1), taking).await.unwrap_err();
    let by = DeviceId::from_uuid(world.clock.fresh());
    let news = LinkNews::Cancelled { command: second.command, by };
    let heard = tokio::spawn({
        let uplink = uplink.clone();
        async move { uplink.hear(&news).await }
    });
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    store.release();
    heard.await.unwrap().unwrap();
    assert_eq!(uplink.known(second.command).await.unwrap(), Some(CommandState::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_is_on_disk_as_failed_and_never_runs() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let uplink = uplink(&world);
    let session = world.live_session(generation).await;
    let now = world.clock.now();
    let again = handed(&world, start(&world, session));
    assert_eq!(uplink.take(&again, now, None).await.unwrap(), CommandState::Failed);
    let lost = handed(&world, prompt(session));
    let failure = Some((ErrorCode::AttachmentMissing, "tide.png".to_owned()));
    assert_eq!(uplink.take(&lost, now, failure).await.unwrap(), CommandState::Failed);
    world.hub.delete_session(&world.owner, session).await.unwrap();
    let dead = handed(&world, start(&world, session));
    assert_eq!(uplink.take(&dead, now, None).await.unwrap(), CommandState::Failed);
    let port = world.port();
    tokio::time::timeout(std::time::Duration::from_secs(1), port.lease(generation, 9)).await.unwrap_err();
    // One whose life ended on the way expires, and does not run either.
    let late = Handed { expires_in_ms: 0, ..handed(&world, prompt(world.live_session(generation).await)) };
    uplink.take(&late, now, None).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(uplink.known(late.command).await.unwrap(), Some(CommandState::Expired));
}

#[tokio::test(start_paused = true)]
async fn news_are_done_by_the_ways_of_the_hub_and_doing_them_again_changes_nothing() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let uplink = uplink(&world);
    let session = world.live_session(generation).await;
    let waiting = handed(&world, prompt(session));
    uplink.take(&waiting, world.clock.now(), None).await.unwrap();
    let unborn = world.session();
    let birth = handed(&world, start(&world, unborn));
    uplink.take(&birth, world.clock.now(), None).await.unwrap();
    let by = DeviceId::from_uuid(world.clock.fresh());
    let about = world.hub.device_list(world.hub.account()).await.unwrap().devices[0].about.clone();
    let all = [
        LinkNews::Cancelled { command: waiting.command, by },
        LinkNews::Deleted { session: unborn },
        LinkNews::Deleted { session },
        LinkNews::Renamed { session, title: "gone".to_owned() },
        LinkNews::Archived { session, at_ms: Some(world.clock.now()) },
        LinkNews::RuleRevoked { rule: protocol::id::RuleId::from_uuid(world.clock.fresh()) },
        LinkNews::Device { device: by, about: Box::new(about) },
    ];
    for _ in 0..2 {
        for news in &all {
            uplink.hear(news).await.unwrap();
        }
    }
    assert_eq!(uplink.known(birth.command).await.unwrap(), Some(CommandState::Cancelled));
    assert!(uplink.is_gone(session).await.unwrap() && uplink.is_gone(unborn).await.unwrap());
    let lists = world.hub.lists(world.hub.account()).await.unwrap();
    let devices = lists.facts.iter().filter_map(|raw| match FeedFact::parse(raw.get().as_bytes()) {
        Ok(FeedFact::Device { id, .. }) => Some(id),
        _ => None,
    });
    assert_eq!(devices.filter(|id| *id == by).count(), 1, "its name can be shown");
    // And it is nobody here.
    assert_eq!(world.hub.device_list(world.hub.account()).await.unwrap().devices.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_feed_is_gone_on_with_only_where_it_is_the_same() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let uplink = uplink(&world);
    assert_eq!(uplink.resume(None).await.unwrap(), Resume::Whole);
    let cursor = cursor_at_end(&uplink).await;
    assert_eq!(uplink.resume(Some(cursor)).await.unwrap(), Resume::Cursor(cursor));
    let other = Cursor { last: Chain::START.after(b"another"), ..cursor };
    assert_eq!(uplink.resume(Some(other)).await.unwrap(), Resume::Lost);
    for offset in [cursor.offset.plus(1), Offset::new(1, 0), Offset::new(0, cursor.offset.byte - 1)] {
        assert_eq!(uplink.resume(Some(Cursor { offset, ..cursor })).await.unwrap(), Resume::Lost, "{offset}");
    }
    // The fact at the cursor is superseded, and compacted away.
    for _ in 0..3 {
        world.port().update(generation, protocol::host::HostContent::default()).await.unwrap();
    }
    let feed = StreamPath::feed(world.hub.account());
    let keeper = streams::Keeper::new(world.hub.streams().clone(), world.hub.clock(), streams::Keeping::default());
    keeper.compact(feed);
    keeper.round().await.unwrap();
    assert_eq!(uplink.resume(Some(cursor)).await.unwrap(), Resume::Whole);
    let end = cursor_at_end(&uplink).await;
    assert_eq!(uplink.resume(Some(end)).await.unwrap(), Resume::Cursor(end));
    assert_eq!(uplink.rows((0, None)).await.unwrap().facts.len(), 1, "one host");
}

#[tokio::test(start_paused = true)]
async fn own_streams_are_those_of_this_host_and_what_is_remembered_of_them_comes_back() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let uplink = uplink(&world);
    let watch = uplink.watch();
    let session = world.live_session(generation).await;
    let turn = world.running_turn(generation, session).await;
    let (journal, live) = (StreamPath::journal(session), StreamPath::turn(turn));
    let Some(Grown::These(grown)) = watch.try_next() else { panic!("nothing grew") };
    assert!(grown.is_superset(&BTreeSet::from([journal.clone(), live.clone()])));
    let own: BTreeSet<_> = uplink.own().await.unwrap().into_iter().map(|own| own.stream).collect();
    assert_eq!(own, BTreeSet::from([journal.clone(), live.clone()]));
    assert_eq!(uplink.one(&StreamPath::feed(world.hub.account())).await.unwrap(), None);
    let streams = vec![
        StreamStep::Journal(session, vec![world.turn_fact(session, turn, TurnState::Completed)]),
        StreamStep::CloseTurn(turn),
    ];
    world.report(Report { generation, streams, ..Report::default() }).await;
    assert!(uplink.one(&live).await.unwrap().unwrap().closed);
    let page = uplink.read(&journal, Offset::ZERO, 1).await.unwrap();
    assert_eq!(page.messages.len(), 1);
    let (end, message) = &page.messages[0];
    let chain = Chain::START.after(message);
    uplink
        .remember(&[(journal.clone(), Some((*end, chain))), (live.clone(), Some((Offset::ZERO, chain)))])
        .await
        .unwrap();
    uplink.remember(&[(live, None)]).await.unwrap();
    let known = uplink.chains().await.unwrap();
    assert_eq!(known.into_iter().collect::<Vec<_>>(), [(journal, (*end, chain))]);
}
