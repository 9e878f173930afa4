//! What other accounts ask of a session, whatever the hub lets through.

use protocol::approval::{Approval, ApprovalState, Via};
use protocol::command::{AnswerContent, CommandBody, CommandState, EditContent, PromptContent, StartContent};
use protocol::error::ErrorCode;
use protocol::id::{AccountId, ApprovalId, CommandId, DeviceId, SessionId};
use protocol::item::Sender;
use protocol::participant::{ByParticipant, ParticipantRole};
use protocol::path::StreamPath;
use protocol::port::DecidedWhat;
use protocol::turn::TurnState;

use crate::port::{sender, v7};
use crate::world::World;

/// The device of somebody else.
fn ada() -> Sender {
    Sender { account: AccountId::from_uuid(v7(2)), device: DeviceId::from_uuid(v7(20)) }
}

fn takes_part(role: ParticipantRole, trusted: bool) -> ByParticipant {
    ByParticipant { account: ada().account, name: "Ada".into(), role, trusted, released_by: None }
}

fn viewer() -> ByParticipant {
    takes_part(ParticipantRole::Viewer, false)
}

fn editor() -> ByParticipant {
    takes_part(ParticipantRole::Editor, false)
}

fn trusted() -> ByParticipant {
    takes_part(ParticipantRole::Editor, true)
}

fn released() -> ByParticipant {
    ByParticipant { released_by: Some(sender(9).device), ..editor() }
}

fn send(world: &World, by: &ByParticipant, body: CommandBody) -> CommandId {
    let id = CommandId::from_uuid(world.fresh());
    world.hub.send_by(id, ada(), Some(by.clone()), body);
    id
}

fn prompt(session: SessionId, text: &str) -> CommandBody {
    CommandBody::SendPrompt { session, content: PromptContent { text: text.into(), attachments: Vec::new() } }
}

fn answer(world: &World, session: SessionId, approval: ApprovalId, option: &str) -> CommandBody {
    let shown = world.hub.state().approvals.get(&approval).map(|asked| asked.content.shown.clone());
    let content = AnswerContent { shown, ..AnswerContent::default() };
    CommandBody::AnswerApproval { session, approval, option: option.into(), content }
}

async fn asked(world: &World) -> (ApprovalId, Approval) {
    world.until("a question", |hub| hub.approvals.values().any(|asked| asked.state == ApprovalState::Pending)).await;
    let hub = world.hub.state();
    let (id, asked) = hub.approvals.iter().find(|(_, asked)| asked.state == ApprovalState::Pending).unwrap();
    (*id, asked.clone())
}

/// A command comes to nothing: its code, and what is said of it.
async fn refused(world: &World, command: CommandId, code: ErrorCode) -> String {
    assert_eq!(world.end(command).await, CommandState::Failed);
    let hub = world.hub.state();
    let stored = hub.command(command);
    assert_eq!((stored.error, stored.turn), (Some(code), None), "{stored:?}");
    stored.detail.clone().unwrap()
}

fn last(world: &World, session: SessionId) -> String {
    world.texts(session).pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_participant_may_not_do_has_no_effect_whatever_the_hub_lets_through() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 2"));
    let turn = world.turn(first, TurnState::Completed).await;
    let before = world.hub.state().streams[&StreamPath::journal(session)].messages.len();
    let file = world.upload("a.txt", b"words");
    let project = world.project.lock().unwrap().unwrap();
    let start = |new_project| CommandBody::StartSession {
        session: SessionId::from_uuid(world.fresh()),
        project: if new_project { protocol::id::ProjectId::from_uuid(world.fresh()) } else { project },
        new_project,
        agent: "puppet".into(),
        model: None,
        mode: None,
        effort: None,
        content: StartContent { text: Some("say 2".into()), ..StartContent::default() },
    };
    let fork = CommandBody::ForkSession {
        session: SessionId::from_uuid(world.fresh()),
        from: session,
        after: None,
        content: StartContent::default(),
    };
    let options = |mode: Option<&str>| {
        let mode = mode.map(str::to_owned);
        CommandBody::SetOptions { session, model: Some("big".into()), mode, effort: None }
    };
    let with_file =
        CommandBody::SendPrompt { session, content: PromptContent { text: "look".into(), attachments: vec![file] } };
    let edit = CommandBody::EditPrompt { session, turn, content: EditContent { text: "else".into() } };
    for (by, body, code, words) in [
        (viewer(), prompt(session, "say 2"), ErrorCode::Forbidden, "a viewer may only read"),
        (viewer(), CommandBody::CancelTurn { session, turn: None }, ErrorCode::Forbidden, "a viewer may only read"),
        (editor(), prompt(session, "say 2"), ErrorCode::Forbidden, "ask them to release it"),
        (editor(), options(None), ErrorCode::Forbidden, "whom the owner trusts"),
        (released(), options(None), ErrorCode::Forbidden, "whom the owner trusts"),
        (editor(), edit, ErrorCode::Forbidden, "whom the owner trusts"),
        (editor(), CommandBody::SteerPrompt { session, turn }, ErrorCode::Forbidden, "whom the owner trusts"),
        (trusted(), start(false), ErrorCode::Forbidden, "sessions are begun by the owner"),
        (trusted(), start(true), ErrorCode::Forbidden, "sessions are begun by the owner"),
        (trusted(), fork, ErrorCode::Forbidden, "sessions are begun by the owner"),
        (trusted(), with_file, ErrorCode::Unsupported, "send the prompt without them"),
        (trusted(), options(Some("bypassPermissions")), ErrorCode::Forbidden, "without a mode"),
    ] {
        let said = refused(&world, send(&world, &by, body.clone()), code).await;
        assert!(said.starts_with("not done for Ada: ") && said.contains(words), "{body:?}: {said}");
    }
    // A hub that passes on what another account sends, and does not say that it takes part.
    let id = CommandId::from_uuid(world.fresh());
    world.hub.send(id, ada(), prompt(session, "say 2"));
    assert!(refused(&world, id, ErrorCode::Forbidden).await.contains("another account"));
    {
        let hub = world.hub.state();
        assert_eq!(hub.streams[&StreamPath::journal(session)].messages.len(), before, "nothing was written");
        assert_eq!((hub.turns.len(), hub.audit.len()), (1, 0));
        assert_eq!(hub.session(session).unwrap().model, None);
    }
    assert!(!world.root.path().join("new").exists(), "no project was made");
    assert_eq!(world.stage.prompts.lock().unwrap().len(), 1, "the agent heard of none of it");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_mode_is_never_a_participants_to_choose_even_where_the_owner_may() {
    let mut world = World::new(1);
    world.options.bypass_modes_allowed = true;
    let host = world.start().await;
    let (session, first) = world.open(Some("say 2"));
    world.turn(first, TurnState::Completed).await;
    let mode = |mode: &str| CommandBody::SetOptions { session, model: None, mode: Some(mode.into()), effort: None };
    for name in ["bypassPermissions", "auto", "default"] {
        let chosen = send(&world, &trusted(), mode(name));
        let said = refused(&world, chosen, ErrorCode::Forbidden).await;
        assert!(said.contains("by the owner of the session alone"), "{name}: {said}");
    }
    let effort = CommandBody::SetOptions { session, model: Some(String::new()), mode: None, effort: None };
    assert_eq!(world.end(send(&world, &trusted(), effort)).await, CommandState::Succeeded);
    assert_eq!(world.end(world.command(mode("bypassPermissions"))).await, CommandState::Succeeded, "its owner may");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_released_prompt_and_one_of_a_trusted_editor_run_and_say_whose_they_are() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 2"));
    world.turn(first, TurnState::Completed).await;
    for by in [released(), trusted()] {
        let command = send(&world, &by, prompt(session, "say 3"));
        let turn = world.turn(command, TurnState::Completed).await;
        assert_eq!(world.hub.state().turns[&turn].sender, Some(ada()), "the turn");
        let items = world.transcript(session);
        let items = items.items();
        let said = items.iter().find(|(_, item)| item.turn == turn && item.sender.is_some()).unwrap();
        assert_eq!(said.1.sender, Some(ada()), "the prompt in the transcript");
    }
    // Who has stopped a turn is said, too; an editor whom nobody trusts may.
    let running = world.prompt(session, "say 100000");
    let turn = world.turn(running, TurnState::Running).await;
    let stop = send(&world, &editor(), CommandBody::CancelTurn { session, turn: None });
    assert_eq!(world.end(stop).await, CommandState::Succeeded);
    world.turn(running, TurnState::Interrupted).await;
    assert_eq!(world.hub.state().turns[&turn].error.as_ref().unwrap().by, Some(ada()));
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_editor_refuses_a_trusted_one_allows_once_and_neither_makes_anything_last() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("run npm test"));
    let (id, approval) = asked(&world).await;
    let rule = approval.options[1].id.clone();
    for (by, option) in [
        (viewer(), "no"),
        (editor(), "yes"),
        (editor(), "always"),
        (editor(), &rule),
        (trusted(), "always"),
        (trusted(), &rule),
    ] {
        let said = refused(&world, send(&world, &by, answer(&world, session, id, option)), ErrorCode::Forbidden).await;
        assert!(said.starts_with("not done for Ada: "), "{option}: {said}");
    }
    // Words beside a refusal reach the agent: those of somebody whose prompts wait for the owner do not.
    let mut with_words = answer(&world, session, id, "no");
    if let CommandBody::AnswerApproval { content, .. } = &mut with_words {
        content.message = Some("run git push instead".into());
    }
    refused(&world, send(&world, &editor(), with_words.clone()), ErrorCode::Forbidden).await;
    let odd = answer(&world, session, id, "perhaps");
    refused(&world, send(&world, &trusted(), odd), ErrorCode::ApprovalNotPending).await;
    assert_eq!(world.hub.state().approvals[&id].state, ApprovalState::Pending);
    // A refusal counts.
    let no = send(&world, &editor(), answer(&world, session, id, "no"));
    assert_eq!(world.end(no).await, CommandState::Succeeded);
    world.turn(first, TurnState::Completed).await;
    assert_eq!(last(&world, session), "answer no");
    let late = send(&world, &trusted(), answer(&world, session, id, "yes"));
    refused(&world, late, ErrorCode::ApprovalNotPending).await;
    // A trusted one refuses in words, and allows once.
    let second = world.prompt(session, "run npm test");
    let (id, _) = asked(&world).await;
    let mut no = answer(&world, session, id, "no");
    if let CommandBody::AnswerApproval { content, .. } = &mut no {
        content.message = Some("not now".into());
    }
    send(&world, &trusted(), no);
    world.turn(second, TurnState::Completed).await;
    assert_eq!(last(&world, session), "answer no not now");
    let third = world.prompt(session, "run npm test");
    let (id, _) = asked(&world).await;
    send(&world, &trusted(), answer(&world, session, id, "yes"));
    world.turn(third, TurnState::Completed).await;
    assert_eq!(last(&world, session), "answer yes");
    {
        let hub = world.hub.state();
        let decided = |what| hub.audit.iter().filter(move |entry| entry.what == what && entry.by == ada()).count();
        assert_eq!((decided(DecidedWhat::Denied), decided(DecidedWhat::Allowed)), (2, 1), "the audit says who");
        let decision = hub.approvals[&id].decision.clone().unwrap();
        assert_eq!((decision.by, decision.via), (ada(), Via::Person), "and so does the transcript");
        assert!(hub.rules.is_empty());
    }
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_participants_prompt_makes_the_agent_ask_goes_by_the_owners_rules_and_policy() {
    let world = World::new(1);
    let host = world.start().await;
    std::fs::write(
        world.root.path().join("policy.toml"),
        "[[rule]]\ndecision = \"deny\"\ncommand = \"git push\"\n[[rule]]\ndecision = \"ask\"\ncommand = \"rm\"\n",
    )
    .unwrap();
    let (session, first) = world.open(Some("run npm test"));
    let (id, approval) = asked(&world).await;
    world.answer(session, id, &approval.options[1].id);
    world.turn(first, TurnState::Completed).await;
    assert_eq!(world.hub.state().rules.len(), 1);
    // What the owner has allowed is allowed, by the owner.
    let ran = send(&world, &released(), prompt(session, "run npm test"));
    let turn = world.turn(ran, TurnState::Completed).await;
    assert_eq!(last(&world, session), "answer yes");
    {
        let hub = world.hub.state();
        let decision = hub.approvals.values().find(|asked| asked.turn == turn).unwrap().decision.clone().unwrap();
        assert_eq!((decision.via, decision.by), (Via::Rule, sender(9)));
    }
    // What the policy refuses nobody can allow, and what it wants to be asked is asked.
    let pushed = send(&world, &trusted(), prompt(session, "run git push"));
    world.turn(pushed, TurnState::Completed).await;
    assert!(last(&world, session).starts_with("answer no policy.toml line 1 says deny"));
    let removed = send(&world, &trusted(), prompt(session, "run rm -r build"));
    let (id, _) = asked(&world).await;
    world.answer(session, id, "no");
    world.turn(removed, TurnState::Completed).await;
    // And what nobody has decided is asked.
    let built = send(&world, &trusted(), prompt(session, "run npm build"));
    let (id, _) = asked(&world).await;
    world.answer(session, id, "no");
    world.turn(built, TurnState::Completed).await;
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_for_reading_only_does_nothing_for_participants() {
    let mut world = World::new(1);
    world.options.participants = host::Participants::ReadOnly;
    let host = world.start().await;
    let (session, first) = world.open(Some("ask"));
    let (id, _) = asked(&world).await;
    for body in [
        prompt(session, "say 2"),
        CommandBody::CancelTurn { session, turn: None },
        answer(&world, session, id, "no"),
        answer(&world, session, id, "yes"),
    ] {
        for by in [viewer(), editor(), released(), trusted()] {
            let said = refused(&world, send(&world, &by, body.clone()), ErrorCode::Forbidden).await;
            assert!(said.contains("`host.participants`"), "{said}");
        }
    }
    world.answer(session, id, "yes");
    world.turn(first, TurnState::Completed).await;
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_trusted_editor_changes_its_own_words_and_nobody_elses() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 100000"));
    world.turn(first, TurnState::Running).await;
    let (owners, own) = (world.prompt(session, "say 2"), send(&world, &trusted(), prompt(session, "say 2")));
    let owners_turn = world.turn(owners, TurnState::Queued).await;
    let own_turn = world.turn(own, TurnState::Queued).await;
    let edit = |turn| CommandBody::EditPrompt { session, turn, content: EditContent { text: "say 7".into() } };
    let said = refused(&world, send(&world, &trusted(), edit(owners_turn)), ErrorCode::Forbidden).await;
    assert!(said.starts_with("not done for Ada: what somebody else has written"), "{said}");
    assert_eq!(world.end(send(&world, &trusted(), edit(own_turn))).await, CommandState::Succeeded);
    // The owner may change anybody's.
    assert_eq!(world.end(world.command(edit(owners_turn))).await, CommandState::Succeeded);
    world.command(CommandBody::CancelTurn { session, turn: None });
    world.turn(owners, TurnState::Completed).await;
    world.turn(own, TurnState::Completed).await;
    world.sound();
    host.stop().await.unwrap();
}
