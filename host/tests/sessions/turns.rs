use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::command::{CommandBody, CommandState};
use protocol::error::ErrorCode;
use protocol::host::AgentState;
use protocol::id::SessionId;
use protocol::item::ItemContent;
use protocol::session::Activity;
use protocol::turn::{TurnErrorCode, TurnState};

use crate::port::{sender, v7};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn exactly_as_many_turns_run_at_once_as_may() {
    for limit in [1, 5, 20] {
        let world = World::new(limit);
        let host = world.start().await;
        let commands: Vec<_> = (0..8).map(|n| world.open(Some(&format!("say 20 10 {n}"))).1).collect();
        for command in commands {
            assert_eq!(world.end(command).await, CommandState::Succeeded);
            world.turn(command, TurnState::Completed).await;
        }
        assert_eq!(world.stage.most.load(Ordering::SeqCst), limit.min(8), "limit {limit}");
        world.sound();
        host.stop().await.unwrap();
        assert_eq!(world.stage.processes.load(Ordering::SeqCst), 0);
        let lasting = ["project/", "session/", "place/"];
        assert!(world.hub.state().notes.keys().all(|key| lasting.iter().any(|kind| key.starts_with(kind))));
    }
}

#[tokio::test(start_paused = true)]
async fn prompts_of_one_session_run_one_by_one_in_order() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 5 10 first"));
    let rest: Vec<_> = (0..6).map(|n| world.prompt(session, &format!("say 3 5 {n}"))).collect();
    world.turn(first, TurnState::Running).await;
    world.until("six wait", |hub| hub.session(session).is_some_and(|row| row.queued_turns == 6)).await;
    for command in &rest {
        world.turn(*command, TurnState::Completed).await;
    }
    let prompts = world.stage.prompts.lock().unwrap().clone();
    let expected: Vec<_> =
        std::iter::once("say 5 10 first".into()).chain((0..6).map(|n| format!("say 3 5 {n}"))).collect();
    assert_eq!(prompts, expected);
    assert_eq!(world.stage.most.load(Ordering::SeqCst), 1);
    assert_eq!(world.stage.resumed.lock().unwrap().len(), 1, "one agent for all of them");
    {
        let hub = world.hub.state();
        let row = hub.session(session).unwrap();
        assert_eq!((row.content.title.as_str(), row.activity, row.queued_turns), ("say 5 10 first", Activity::Idle, 0));
        let turn = &hub.turns[&hub.commands[&first].turn.unwrap()];
        assert_eq!((turn.model.as_deref(), turn.sender), (Some("big-1"), Some(sender(9))));
    }
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_waited_stands_behind_the_answer_that_it_waited_for() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 5 10 first"));
    world.turn(first, TurnState::Running).await;
    let (second, third) = (world.prompt(session, "say 1 5 second"), world.prompt(session, "say 1 5 third"));
    for command in [second, third] {
        world.turn(command, TurnState::Completed).await;
    }
    let transcript = world.transcript(session);
    let order: Vec<_> = transcript.items().into_iter().map(|(_, item)| item.turn).collect();
    let turns = [first, second, third].map(|command| world.hub.state().commands[&command].turn.unwrap());
    let place = |turn| order.iter().position(|of| *of == turn).unwrap();
    assert!(order.is_sorted_by_key(|turn| turns.iter().position(|id| id == turn)), "{order:?}");
    assert!(place(turns[0]) < place(turns[1]) && place(turns[1]) < place(turns[2]));
    assert!(transcript.turns().into_iter().map(|(id, _)| id).eq(turns), "turns stand in the order in which they ran");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_queued_turn_that_is_cancelled_never_runs() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 30 10"));
    let second = world.prompt(session, "never");
    let turn = world.turn(second, TurnState::Queued).await;
    let cancel = world.cancel(session, Some(turn));
    assert_eq!(world.end(cancel).await, CommandState::Succeeded);
    assert_eq!(world.end(second).await, CommandState::Cancelled);
    world.turn(second, TurnState::Interrupted).await;
    let again = world.cancel(session, Some(turn));
    assert_eq!(world.end(again).await, CommandState::Succeeded, "a second cancel changes nothing");
    world.turn(first, TurnState::Completed).await;
    assert_eq!(*world.stage.prompts.lock().unwrap(), ["say 30 10"]);
    let error = world.hub.state().turns[&turn].error.clone().unwrap();
    assert_eq!((error.code, error.by), (TurnErrorCode::Cancelled, Some(sender(9))));
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_running_turn_stops_within_two_seconds_even_if_the_agent_does_not_want_to() {
    for (script, agents) in [("hang", 1), ("stubborn", 2)] {
        let world = World::new(5);
        let host = world.start().await;
        let (session, first) = world.open(Some(script));
        world.turn(first, TurnState::Running).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = tokio::time::Instant::now();
        let (one, two) = (world.cancel(session, None), world.cancel(session, None));
        let turn = world.turn(first, TurnState::Interrupted).await;
        assert!(begun.elapsed() < Duration::from_secs(2), "{script} took {:?}", begun.elapsed());
        assert_eq!(world.end(one).await, CommandState::Succeeded);
        assert_eq!(world.end(two).await, CommandState::Succeeded);
        let error = world.hub.state().turns[&turn].error.clone().unwrap();
        assert_eq!((error.code, error.by), (TurnErrorCode::Cancelled, Some(sender(9))));
        assert_eq!(world.texts(session), [script, "unfinished"], "what was said is kept");
        let next = world.prompt(session, "go on");
        world.turn(next, TurnState::Completed).await;
        let resumed = world.stage.resumed.lock().unwrap().clone();
        assert_eq!(resumed.len(), agents, "{script}");
        assert!(resumed[1..].iter().all(Option::is_some), "the agent's own session goes on");
        world.sound();
        host.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_start_fails_the_command_and_the_session_stays_usable() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open_with(Some("hello"), Some("unopenable"));
    assert_eq!(world.end(first).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(first).error, Some(ErrorCode::AgentUnavailable));
    world.turn(first, TurnState::Failed).await;
    let mode = CommandBody::SetOptions { session, model: None, mode: Some("default".into()), effort: None };
    let mode = world.command(mode);
    assert_eq!(world.end(mode).await, CommandState::Succeeded);
    let next = world.prompt(session, "hello again");
    world.turn(next, TurnState::Completed).await;
    assert_eq!(*world.stage.prompts.lock().unwrap(), ["hello again"]);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_in_the_middle_fails_its_turn_and_keeps_its_words() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("die"));
    let turn = world.turn(first, TurnState::Failed).await;
    assert_eq!(world.end(first).await, CommandState::Succeeded, "the turn existed");
    assert_eq!(world.hub.state().turns[&turn].error.as_ref().unwrap().code, TurnErrorCode::AgentDied);
    assert_eq!(world.texts(session), ["die", "half"]);
    world.until("unloaded", |hub| hub.session(session).unwrap().activity == Activity::NotLoaded).await;
    let next = world.prompt(session, "fail");
    let failed = world.turn(next, TurnState::Failed).await;
    assert_eq!(world.hub.state().turns[&failed].error.as_ref().unwrap().code, TurnErrorCode::RateLimited);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_did_not_answer_is_asked_again_soon_and_less_often_each_time() {
    let world = World::new(1);
    world.stage.silent.store(true, Ordering::SeqCst);
    let host = world.start().await;
    world.until("its first word", |hub| !hub.about.agents.is_empty()).await;
    assert_eq!(world.hub.state().about.agents[0].state, AgentState::Broken);
    tokio::time::sleep(Duration::from_mins(15)).await;
    let asked = world.stage.probes.load(Ordering::SeqCst);
    assert!((6..=8).contains(&asked), "asked {asked} times in a quarter of an hour");
    world.stage.silent.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_mins(20)).await;
    assert_eq!(world.hub.state().about.agents[0].state, AgentState::Ready);
    let asked = world.stage.probes.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(world.stage.probes.load(Ordering::SeqCst), asked, "one that answers is left alone");
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_fails_with_a_reason_and_nothing_happens() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, made) = world.open(None);
    assert_eq!(world.end(made).await, CommandState::Succeeded);
    world.until("the catalogue", |hub| !hub.about.agents.is_empty()).await;
    assert_eq!(world.hub.state().about.agents[0].modes.len(), 2, "modes that bypass approval are not offered");
    let nobody = SessionId::from_uuid(v7(77));
    let options = |model: Option<&str>, mode: Option<&str>| CommandBody::SetOptions {
        session,
        model: model.map(str::to_owned),
        mode: mode.map(str::to_owned),
        effort: None,
    };
    let effort = |model: Option<&str>, effort: &str| CommandBody::SetOptions {
        session,
        model: model.map(str::to_owned),
        mode: None,
        effort: Some(effort.to_owned()),
    };
    let body = |project, agent: &str| CommandBody::StartSession {
        session: SessionId::from_uuid(v7(78)),
        project,
        new_project: false,
        agent: agent.into(),
        model: None,
        mode: None,
        effort: None,
        content: protocol::command::StartContent::default(),
    };
    let project = world.project.lock().unwrap().unwrap();
    let refused = [
        (world.prompt(nobody, "hi"), ErrorCode::NotFound),
        (world.prompt(session, "  "), ErrorCode::Invalid),
        (world.command(options(None, Some("bypassPermissions"))), ErrorCode::ModeNotAllowed),
        (world.command(options(None, Some("dontAsk"))), ErrorCode::ModeNotAllowed),
        (world.command(options(None, Some("agent-full-access"))), ErrorCode::ModeNotAllowed),
        (world.command(options(Some("huge"), None)), ErrorCode::ModelUnavailable),
        (world.command(effort(None, "huge")), ErrorCode::Invalid),
        (world.command(effort(Some("small"), "high")), ErrorCode::Invalid),
        (world.command(body(protocol::id::ProjectId::from_uuid(v7(5)), "puppet")), ErrorCode::ProjectUnavailable),
        (world.command(body(project, "nobody")), ErrorCode::AgentUnavailable),
        (world.open_with(None, Some("bypassPermissions")).1, ErrorCode::ModeNotAllowed),
    ];
    for (command, code) in refused {
        assert_eq!(world.end(command).await, CommandState::Failed);
        assert_eq!(world.hub.state().command(command).error, Some(code));
    }
    assert!(world.stage.prompts.lock().unwrap().is_empty());
    assert!(world.hub.state().streams.len() == 1, "only the one journal");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_agent_is_closed_and_resumed_on_demand() {
    let mut world = World::new(1);
    world.options.agent_idle = Duration::from_secs(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("hello"));
    world.turn(first, TurnState::Completed).await;
    world.until("idle", |hub| hub.session(session).unwrap().activity == Activity::Idle).await;
    assert_eq!(world.stage.processes.load(Ordering::SeqCst), 1);
    world.until("closed", |hub| hub.session(session).unwrap().activity == Activity::NotLoaded).await;
    assert_eq!(world.stage.processes.load(Ordering::SeqCst), 0);
    let next = world.prompt(session, "again");
    world.turn(next, TurnState::Completed).await;
    let resumed = world.stage.resumed.lock().unwrap().clone();
    assert!(resumed[0].is_none() && resumed[1].as_ref().is_some_and(|name| name.starts_with("puppet-")), "{resumed:?}");
    let told = |fact: &protocol::fact::FeedFact| {
        String::from_utf8(fact.encode().unwrap().to_vec()).unwrap().contains("puppet-")
    };
    assert!(!world.hub.state().feed.iter().any(told), "the agent's own session id is nobody's business");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_graceful_stop_interrupts_what_runs_and_keeps_what_waits() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("hang"));
    world.turn(first, TurnState::Running).await;
    let second = world.prompt(session, "later");
    world.turn(second, TurnState::Queued).await;
    host.stop().await.unwrap();
    assert_eq!(world.stage.processes.load(Ordering::SeqCst), 0);
    let turn = world.turn(first, TurnState::Interrupted).await;
    assert_eq!(world.hub.state().turns[&turn].error.as_ref().unwrap().code, TurnErrorCode::HostRestarted);
    assert_eq!(world.hub.state().turn_of(second).unwrap().1, TurnState::Queued);
    assert!(world.hub.state().stopped);
    let host = world.start().await;
    world.turn(second, TurnState::Completed).await;
    let probe = world.stage.probe_tag.lock().unwrap().clone();
    let left = world.left();
    assert!(
        left.iter().all(|mark| mark.pid == 0 && mark.tag == probe),
        "nothing was left but perhaps a probe: {left:?}"
    );
    assert_eq!(left.len(), 2, "a probe may be left by any life, so each start looks for one");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn options_reach_the_running_agent_and_the_next_one() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("hello"));
    world.turn(first, TurnState::Completed).await;
    let set = world.command(CommandBody::SetOptions { session, model: Some("small".into()), mode: None, effort: None });
    assert_eq!(world.end(set).await, CommandState::Succeeded);
    assert_eq!(world.stage.options.lock().unwrap()[0].0.as_deref(), Some("small"));
    assert_eq!(world.hub.state().session(session).unwrap().model.as_deref(), Some("small"));
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_agent_refuses_does_not_stay_chosen() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("hello"));
    world.turn(first, TurnState::Completed).await;
    let set = |model: Option<&str>, mode: Option<&str>| {
        let (model, mode) = (model.map(str::to_owned), mode.map(str::to_owned));
        world.command(CommandBody::SetOptions { session, model, mode, effort: None })
    };
    let chosen = || {
        let state = world.hub.state();
        let row = state.session(session).unwrap();
        (row.model.clone(), row.mode.clone())
    };
    // One of two is taken, and the other one is what the error is about.
    *world.stage.refuses.lock().unwrap() = Some("default".into());
    let both = set(Some("small"), Some("default"));
    assert_eq!(world.end(both).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(both).error, Some(ErrorCode::ModeNotAllowed));
    world.until("the mode is put back", |hub| hub.session(session).is_some_and(|row| row.mode.is_none())).await;
    assert_eq!(chosen(), (Some("small".to_owned()), None));
    *world.stage.refuses.lock().unwrap() = Some("big".into());
    let refused = set(Some("big"), Some("default"));
    assert_eq!(world.end(refused).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(refused).error, Some(ErrorCode::ModelUnavailable));
    let small = Some("small".to_owned());
    world.until("both are put back", |hub| hub.session(session).is_some_and(|row| row.model == small)).await;
    assert_eq!(chosen(), (small, None));
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_effort_that_needs_a_new_process_gets_one_after_the_turn_that_runs() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("hello"));
    world.turn(first, TurnState::Completed).await;
    let hung = world.prompt(session, "hang");
    let hung = world.turn(hung, TurnState::Running).await;
    let set = |model: Option<&str>, effort: Option<&str>| CommandBody::SetOptions {
        session,
        model: model.map(str::to_owned),
        mode: None,
        effort: effort.map(str::to_owned),
    };
    let set_high = world.command(set(None, Some("high")));
    assert_eq!(world.end(set_high).await, CommandState::Succeeded);
    assert_eq!(world.hub.state().session(session).unwrap().effort.as_deref(), Some("high"));
    assert_eq!(*world.stage.efforts.lock().unwrap(), [None], "what runs goes on");
    let next = world.prompt(session, "hello");
    world.command(CommandBody::CancelTurn { session, turn: Some(hung) });
    world.turn(next, TurnState::Completed).await;
    let high = Some("high".to_owned());
    assert_eq!(*world.stage.efforts.lock().unwrap(), [None, high.clone()]);
    let resumed = world.stage.resumed.lock().unwrap().clone();
    assert!(resumed[1].is_some(), "and the new process goes on with the conversation: {resumed:?}");
    // Another choice alone does not need a new process.
    let set = world.command(set(Some("big"), None));
    assert_eq!(world.end(set).await, CommandState::Succeeded);
    let last = world.prompt(session, "hello");
    world.turn(last, TurnState::Completed).await;
    assert_eq!(world.stage.efforts.lock().unwrap().len(), 2);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_replaced_host_stops_by_itself() {
    let world = World::new(1);
    let host = world.start().await;
    let (_, first) = world.open(Some("hang"));
    world.turn(first, TurnState::Running).await;
    let newer = world.start().await;
    world.turn(first, TurnState::Interrupted).await;
    let (_, next) = world.open(Some("hello"));
    world.turn(next, TurnState::Completed).await;
    assert!(matches!(host.failed().await, protocol::port::PortError::Replaced { .. }));
    assert!(host.stop().await.is_err());
    newer.stop().await.unwrap();
    assert_eq!(world.stage.processes.load(Ordering::SeqCst), 0);
    world.sound();
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_pauses_and_loses_nothing() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 50 10"));
    world.turn(first, TurnState::Running).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.hub.state().full = true;
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.hub.state().full = false;
    world.turn(first, TurnState::Completed).await;
    let said: String = World::words(50);
    assert_eq!(world.texts(session), ["say 50 10".to_owned(), said]);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_before_it_was_accepted_never_was() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("hello"));
    world.turn(first, TurnState::Completed).await;
    let take_back = async |command| {
        world.until("leased", |hub| hub.command(command).state == CommandState::Leased).await;
        world.hub.state().commands.get_mut(&command).unwrap().state = CommandState::Cancelled;
    };
    world.hub.state().full = true;
    let lost = world.prompt(session, "lost");
    take_back(lost).await;
    let kept = world.prompt(session, "kept");
    let (never, start) = world.open(Some("never"));
    take_back(start).await;
    let orphan = world.prompt(never, "orphan");
    world.until("leased", |hub| hub.command(orphan).state == CommandState::Leased).await;
    world.hub.state().full = false;
    world.turn(kept, TurnState::Completed).await;
    assert_eq!(world.end(orphan).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(orphan).error, Some(ErrorCode::NotFound));
    assert_eq!(world.texts(session), ["hello", "hello", "kept", "kept"]);
    assert_eq!(*world.stage.prompts.lock().unwrap(), ["hello", "kept"]);
    assert!(world.hub.state().session(never).is_none());
    let again = world.prompt(never, "orphan");
    assert_eq!(world.end(again).await, CommandState::Failed);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_takes_long_to_go_is_said_to_and_stays_on_record_until_it_is_gone() {
    let world = World::new(5);
    world.stage.lingers.store(true, Ordering::SeqCst);
    let host = world.start().await;
    let (session, first) = world.open(Some("stubborn"));
    world.turn(first, TurnState::Running).await;
    world.until("it has the prompt", |_| !world.stage.prompts.lock().unwrap().is_empty()).await;
    let note = format!("process/{session}");
    let begun = tokio::time::Instant::now();
    let stop = world.cancel(session, None);
    assert_eq!(world.end(stop).await, CommandState::Succeeded);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    world.turn(first, TurnState::Interrupted).await;
    let items = world.transcript(session).items().into_iter().map(|(_, item)| item.content.clone()).collect::<Vec<_>>();
    let said = items.iter().any(|item| matches!(item, ItemContent::Notice { code, .. } if code == "still_ending"));
    assert!(said, "{items:?}");
    // The next prompt waits for the end, so that no two agents go on with one conversation.
    let second = world.prompt(session, "say 1 5 second");
    tokio::time::sleep_until(begun + Duration::from_secs(4)).await;
    assert!(world.hub.state().notes.contains_key(&note), "it may still be there");
    assert_eq!(world.stage.opens.lock().unwrap().len(), 1);
    world.turn(second, TurnState::Completed).await;
    assert!(begun.elapsed() >= Duration::from_millis(4_500), "{:?}", begun.elapsed());
    world.sound();
    host.stop().await.unwrap();
}
