//! A command that was taken back, or whose time was over, before it began has no effect; and one that has begun has its whole effect,
//! whatever happens to the host.

use std::time::Duration;

use protocol::approval::ApprovalState;
use protocol::command::{CommandBody, CommandState, StartContent};
use protocol::id::{CommandId, SessionId};
use protocol::port::SessionNews;
use protocol::turn::TurnState;

use crate::world::World;

/// Takes a command back as the hub does: not once it has begun. Tells whether that came in time.
fn take_back(world: &World, command: CommandId, how: CommandState) -> bool {
    let mut hub = world.hub.state();
    let stored = hub.commands.get_mut(&command).unwrap();
    let open = matches!(stored.state, CommandState::Queued | CommandState::Leased);
    if open {
        stored.state = how;
    }
    open
}

/// Sends a command to a host whose reports wait, and takes it back once the host has it.
async fn lost(world: &World, send: impl FnOnce() -> CommandId, how: CommandState) {
    world.hub.state().full = true;
    let command = send();
    world.until("leased", |hub| hub.command(command).state == CommandState::Leased).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(take_back(world, command, how));
    world.hub.state().full = false;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.hub.state().command(command).state, how, "it stays what it is");
}

fn choose(world: &World, session: SessionId, model: &str) -> CommandId {
    world.command(CommandBody::SetOptions { session, model: Some(model.into()), mode: None, effort: None })
}

const HOWS: [CommandState; 2] = [CommandState::Cancelled, CommandState::Expired];

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_taken_back_answers_nothing() {
    for how in HOWS {
        let world = World::new(1);
        let host = world.start().await;
        let (session, first) = world.open(Some("ask"));
        world.turn(first, TurnState::AwaitingApproval).await;
        let asked = *world.hub.state().approvals.keys().next().unwrap();
        lost(&world, || world.answer(session, asked, "yes"), how).await;
        assert_eq!(world.hub.state().approvals[&asked].state, ApprovalState::Pending, "{how:?}");
        let no = world.answer(session, asked, "no");
        assert_eq!(world.end(no).await, CommandState::Succeeded, "it can still be answered");
        world.turn(first, TurnState::Completed).await;
        assert_eq!(world.texts(session), ["ask", "answer no"]);
        world.sound();
        host.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_was_taken_back_stops_nothing() {
    for how in HOWS {
        let world = World::new(5);
        let host = world.start().await;
        let (session, first) = world.open(Some("say 100 20"));
        let running = world.turn(first, TurnState::Running).await;
        let second = world.prompt(session, "say 1 5 second");
        let waiting = world.turn(second, TurnState::Queued).await;
        lost(&world, || world.cancel(session, None), how).await;
        lost(&world, || world.cancel(session, Some(running)), how).await;
        lost(&world, || world.cancel(session, Some(waiting)), how).await;
        world.turn(first, TurnState::Completed).await;
        world.turn(second, TurnState::Completed).await;
        assert_eq!(*world.stage.prompts.lock().unwrap(), ["say 100 20", "say 1 5 second"], "{how:?}");
        world.sound();
        host.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_choice_that_was_taken_back_chooses_nothing() {
    for how in HOWS {
        let world = World::new(5);
        let host = world.start().await;
        let (session, first) = world.open(Some("say 3 5"));
        world.turn(first, TurnState::Completed).await;
        let big = choose(&world, session, "big");
        assert_eq!(world.end(big).await, CommandState::Succeeded);
        lost(&world, || choose(&world, session, "small"), how).await;
        assert_eq!(world.hub.state().session(session).unwrap().model.as_deref(), Some("big"), "{how:?}");
        assert_eq!(*world.stage.options.lock().unwrap(), [(Some("big".to_owned()), None)]);
        world.sound();
        host.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_prompt_goes_into_the_turn_that_runs_only_if_that_was_not_taken_back() {
    for how in HOWS {
        let world = World::new(5);
        let host = world.start().await;
        let (session, first) = world.open(Some("say 50 20"));
        world.turn(first, TurnState::Running).await;
        let second = world.prompt(session, "now second");
        let waiting = world.turn(second, TurnState::Queued).await;
        lost(&world, || world.steer(session, waiting), how).await;
        assert!(world.stage.steered.lock().unwrap().is_empty(), "{how:?}");
        world.turn(second, TurnState::Completed).await;
        assert_eq!(*world.stage.prompts.lock().unwrap(), ["say 50 20", "now second"]);
        assert_eq!(world.hub.state().turns[&waiting].steer, None);
        world.sound();
        host.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_words_of_a_prompt_that_was_taken_back_are_not_the_title() {
    let world = World::new(1);
    let host = world.start().await;
    let session = SessionId::from_uuid(world.fresh());
    let body = CommandBody::StartSession {
        session,
        project: world.project.lock().unwrap().unwrap(),
        new_project: false,
        agent: "puppet".into(),
        model: None,
        mode: None,
        effort: None,
        content: StartContent::default(),
    };
    let made = world.command(body);
    assert_eq!(world.end(made).await, CommandState::Succeeded);
    lost(&world, || world.prompt(session, "never mind"), CommandState::Cancelled).await;
    assert_eq!(world.hub.state().session(session).unwrap().content.title, "");
    let kept = world.prompt(session, "hello");
    world.turn(kept, TurnState::Completed).await;
    world.until("a title", |hub| hub.session(session).unwrap().content.title == "hello").await;

    // Who names it while such a prompt is on its way has named it.
    let (session, made) = world.open(None);
    assert_eq!(world.end(made).await, CommandState::Succeeded);
    world.hub.state().full = true;
    let prompt = world.prompt(session, "never mind");
    world.until("leased", |hub| hub.command(prompt).state == CommandState::Leased).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.hub.tell(SessionNews::Renamed { session, title: "Mine".into() });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(take_back(&world, prompt, CommandState::Cancelled));
    world.hub.state().full = false;
    world.until("its name", |hub| hub.session(session).unwrap().content.title == "Mine").await;
    world.sound();
    host.stop().await.unwrap();
}

/// What was taken back has not happened, and what has happened was not taken back: at whatever moment somebody takes back an answer,
/// a stop or a choice, on a disk that takes its time.
#[tokio::test(start_paused = true)]
async fn of_a_command_and_who_takes_it_back_exactly_one_wins() {
    let (mut won, mut lost) = (0, 0);
    for pause in 0..60 {
        let world = World::new(5);
        let host = world.start_on(world.port_on(i64::MAX, false, true)).await;
        let (asking, first) = world.open(Some("ask"));
        world.turn(first, TurnState::AwaitingApproval).await;
        let asked = *world.hub.state().approvals.keys().next().unwrap();
        let (speaking, second) = world.open(Some("say 40 10"));
        world.turn(second, TurnState::Running).await;
        let commands =
            [world.answer(asking, asked, "yes"), world.cancel(speaking, None), choose(&world, asking, "big")];
        tokio::time::sleep(Duration::from_millis(pause / 2)).await;
        let how = HOWS[usize::try_from(pause % 2).unwrap()];
        let taken = commands.map(|command| take_back(&world, command, how));
        for (command, taken) in commands.iter().zip(taken) {
            let state = world.end(*command).await;
            assert_eq!(state, if taken { how } else { CommandState::Succeeded }, "after {pause}");
            *(if taken { &mut won } else { &mut lost }) += 1;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let [answer, stop, choice] = taken;
        let state = world.hub.state().approvals[&asked].state;
        assert_eq!(state, if answer { ApprovalState::Pending } else { ApprovalState::Answered }, "after {pause}");
        let told = world.texts(asking).contains(&"answer yes".to_owned());
        assert_eq!(told, !answer, "after {pause}");
        world.turn(second, if stop { TurnState::Completed } else { TurnState::Interrupted }).await;
        let model = world.hub.state().session(asking).unwrap().model.clone();
        assert_eq!(model, (!choice).then(|| "big".to_owned()), "after {pause}");
        world.sound();
        host.stop().await.unwrap();
    }
    assert!(won > 20 && lost > 20, "the race is run both ways: {won} taken back, {lost} done");
}

/// What has begun and was not done when the power went is done by the next life: its sender is told that it is.
#[tokio::test(start_paused = true)]
async fn what_has_begun_is_done_after_a_crash_at_any_report() {
    let (mut never, mut chosen) = (0, 0);
    for written in [false, true] {
        for fuel in 0..40 {
            let world = World::new(5);
            let port = world.port_on(fuel, written, false);
            let host = world.start().await;
            let (session, first) = world.open(Some("say 5 5"));
            world.turn(first, TurnState::Completed).await;
            host.stop().await.unwrap();
            let host = world.start_on(port.clone()).await;
            let run = world.prompt(session, "say 300 10");
            let waits = world.prompt(session, "never");
            let seen = |hub: &crate::port::State| hub.turn_of(waits).is_some() && hub.turn_of(run).is_some();
            tokio::select! {
                () = port.cut.notified() => {}
                () = world.until("both", seen) => {}
            }
            let waiting = world.hub.state().turn_of(waits).map(|(turn, _)| turn);
            let cancel = waiting.map(|turn| world.cancel(session, Some(turn)));
            let choice = choose(&world, session, "big");
            tokio::select! {
                () = port.cut.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(400)) => {}
            }
            drop(host);
            let host = world.start().await;
            assert_eq!(world.end(choice).await, CommandState::Succeeded);
            assert_eq!(world.hub.state().session(session).unwrap().model.as_deref(), Some("big"), "{fuel} {written}");
            chosen += 1;
            if let Some(cancel) = cancel {
                assert_eq!(world.end(cancel).await, CommandState::Succeeded);
                let state = world.end(waits).await;
                if state == CommandState::Cancelled {
                    assert!(!world.stage.prompts.lock().unwrap().contains(&"never".to_owned()), "{fuel} {written}");
                    never += 1;
                }
            }
            world.sound();
            host.stop().await.unwrap();
        }
    }
    assert!(never > 20 && chosen == 80, "{never} {chosen}");
}
