//! What nobody is asked: standing rules and the policy. And what consent is bound to.

use std::time::Duration;

use protocol::approval::OptionKind::{AllowAlways, AllowOnce, AllowRule, Deny};
use protocol::approval::{Approval, ApprovalState, OptionKind, Via};
use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::fact::FeedFact;
use protocol::id::{ApprovalId, RuleId, SessionId};
use protocol::port::{DecidedWhat, SessionNews};
use protocol::turn::TurnState;

use crate::port::sender;
use crate::world::World;

async fn asked(world: &World) -> (ApprovalId, Approval) {
    world.until("a question", |hub| hub.approvals.values().any(|asked| asked.state == ApprovalState::Pending)).await;
    let hub = world.hub.state();
    let (id, asked) = hub.approvals.iter().find(|(_, asked)| asked.state == ApprovalState::Pending).unwrap();
    (*id, asked.clone())
}

/// The option whose words say that.
fn option(asked: &Approval, words: &str) -> String {
    let at = asked.content.labels.iter().position(|label| label.contains(words));
    asked.options[at.unwrap_or_else(|| panic!("no `{words}` in {:?}", asked.content.labels))].id.clone()
}

fn last(world: &World, session: SessionId) -> String {
    world.texts(session).pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn fifty_prompts_in_five_minutes_are_answered_by_one_rule() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("run npm test -- case-0"));
    let (id, approval) = asked(&world).await;
    assert_eq!(approval.content.labels[1], "`npm test …` in code, for this session");
    let kinds: Vec<_> = approval.options.iter().map(|option| option.kind).collect();
    assert_eq!(kinds, [AllowOnce, AllowRule, AllowRule, AllowRule, AllowAlways, Deny]);
    let yes = world.answer(session, id, &option(&approval, "for this session"));
    assert_eq!(world.end(yes).await, CommandState::Succeeded);
    world.turn(first, TurnState::Completed).await;
    assert_eq!(last(&world, session), "answer yes", "the agent hears of this once only");
    for n in 1..=50 {
        world.clock.pass(Duration::from_secs(6));
        let prompt = world.prompt(session, &format!("run npm test -- case-{n}"));
        world.turn(prompt, TurnState::Completed).await;
        assert_eq!(last(&world, session), "answer yes");
    }
    {
        let hub = world.hub.state();
        let (rule, fact) = hub.rules.iter().next().unwrap();
        assert_eq!((hub.rules.len(), fact.uses, fact.by), (1, 50, sender(9)));
        assert!(fact.used_at_ms.is_some_and(|used| used.since(fact.created_at_ms) >= 300_000), "in five minutes");
        let by_rule = hub.approvals.values().filter(|asked| {
            let decision = asked.decision.as_ref().unwrap();
            decision.via == Via::Rule && decision.rule == Some(*rule) && asked.content.because.is_some()
        });
        assert_eq!(by_rule.count(), 50, "each use is in the transcript");
        let uses: Vec<_> = hub.audit.iter().filter(|entry| entry.what == DecidedWhat::RuleAllowed).collect();
        assert_eq!(uses.len(), 50, "and in the audit");
        assert!(uses.iter().all(|entry| entry.content.shown.as_ref().is_some_and(|hash| hash.len() == 64)));
    }
    // What only looks alike is asked.
    for near in ["run npm testx", "run npm test && rm -rf /", "run npm test $(x)", "run X=1 npm test"] {
        let prompt = world.prompt(session, near);
        let (id, asked) = asked(&world).await;
        assert_eq!(asked.content.detail, near.split_once(' ').unwrap().1);
        world.answer(session, id, "no");
        world.turn(prompt, TurnState::Completed).await;
    }
    // For this session, not for another.
    let (other, _) = world.open(Some("run npm test"));
    let (id, _) = asked(&world).await;
    world.answer(other, id, "no");
    world.until("the other is done", |hub| hub.approvals[&id].state == ApprovalState::Answered).await;
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rule_ends_when_its_time_is_over_when_it_is_revoked_and_outlives_the_host() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("run npm test"));
    let (id, approval) = asked(&world).await;
    world.answer(session, id, &option(&approval, "until tonight"));
    world.turn(first, TurnState::Completed).await;
    host.stop().await.unwrap();
    let host = world.start().await;
    let (other, prompt) = world.open(Some("run npm test"));
    world.turn(prompt, TurnState::Completed).await;
    assert_eq!(last(&world, other), "answer yes", "also in another session, after a restart");
    // "Tonight" ends in an hour here.
    world.clock.pass(Duration::from_hours(1));
    let prompt = world.prompt(other, "run npm test");
    let (id, approval) = asked(&world).await;
    assert!(world.hub.state().rules.is_empty(), "it is not in the lists any more");
    assert!(world.hub.state().audit.iter().any(|entry| entry.what == DecidedWhat::RuleEnded));
    world.answer(other, id, &option(&approval, "until revoked"));
    world.turn(prompt, TurnState::Completed).await;
    let prompt = world.prompt(other, "run npm test --watch");
    world.turn(prompt, TurnState::Completed).await;
    let rule: RuleId = *world.hub.state().rules.keys().next().unwrap();
    world.hub.state().rules.clear();
    world.hub.tell(SessionNews::RuleRevoked { rule });
    world.until("the host has heard", |hub| hub.news.is_empty()).await;
    let prompt = world.prompt(other, "run npm test");
    let (id, _) = asked(&world).await;
    world.answer(other, id, "no");
    world.turn(prompt, TurnState::Completed).await;
    host.stop().await.unwrap();
    let host = world.start().await;
    let prompt = world.prompt(other, "run npm test");
    let (id, _) = asked(&world).await;
    world.answer(other, id, "no");
    world.turn(prompt, TurnState::Completed).await;
    assert!(world.hub.state().rules.is_empty(), "and it does not come back");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sessions_that_use_one_rule_at_once_count_each_use_also_over_a_restart() {
    let world = World::new(4);
    // Reports of different sessions overtake each other.
    let host = world.start_on(world.port_on(i64::MAX, false, true)).await;
    let (session, first) = world.open(Some("run npm test"));
    let (id, approval) = asked(&world).await;
    world.answer(session, id, &option(&approval, "until revoked"));
    world.turn(first, TurnState::Completed).await;
    let mut sessions = vec![session];
    for _ in 0..3 {
        let (session, made) = world.open(None);
        assert_eq!(world.end(made).await, CommandState::Succeeded);
        sessions.push(session);
    }
    for round in 0..10 {
        let prompts: Vec<_> =
            sessions.iter().map(|session| world.prompt(*session, &format!("run npm test -- {round}"))).collect();
        for prompt in prompts {
            world.turn(prompt, TurnState::Completed).await;
        }
    }
    let told = |world: &World| -> Vec<u64> {
        let hub = world.hub.state();
        let uses = hub.feed.iter().filter_map(|fact| match fact {
            FeedFact::Rule { value: Some(rule), .. } => Some(rule.uses),
            _ => None,
        });
        uses.collect()
    };
    let before = told(&world);
    assert!(before.is_sorted(), "no count is less than the one before: {before:?}");
    assert_eq!(before.last(), Some(&40));
    drop(host);
    let host = world.start().await;
    let prompt = world.prompt(session, "run npm test -- again");
    world.turn(prompt, TurnState::Completed).await;
    assert_eq!(told(&world).last(), Some(&41), "the last of them was not lost with the host");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_changed_command_voids_consent() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("change npm test => rm -rf build"));
    let (old, before) = asked(&world).await;
    world.until("it is asked anew", |hub| hub.approvals[&old].state == ApprovalState::Withdrawn).await;
    let (new, after) = asked(&world).await;
    assert_ne!((old, &before.content.shown), (new, &after.content.shown));
    assert_eq!(after.content.detail, "rm -rf build");
    assert!(after.content.danger.is_some(), "and it is looked at anew");
    assert!(!after.options.iter().any(|option| option.kind == OptionKind::AllowRule));
    // Consent to what was shown before is none: not to the old question, and not to the new one.
    let late = world.answer_shown(session, old, "yes", Some(before.content.shown.clone()));
    let wrong = world.answer_shown(session, new, "yes", Some(before.content.shown));
    let blind = world.answer_shown(session, new, "yes", None);
    for (answer, code) in
        [(late, ErrorCode::ApprovalNotPending), (wrong, ErrorCode::ApprovalChanged), (blind, ErrorCode::Invalid)]
    {
        assert_eq!(world.end(answer).await, CommandState::Failed);
        assert_eq!(world.hub.state().command(answer).error, Some(code));
    }
    assert_eq!(world.hub.state().approvals[&new].state, ApprovalState::Pending);
    // To refuse, nothing needs to be read.
    let no = world.answer_shown(session, new, "no", None);
    assert_eq!(world.end(no).await, CommandState::Succeeded);
    world.turn(first, TurnState::Completed).await;
    assert_eq!(last(&world, session), "answer no");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_what_the_policy_decides_and_nobody_can_allow_what_it_denies() {
    let world = World::new(1);
    let host = world.start().await;
    let file = world.root.path().join("policy.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write(
        "[[rule]]\ndecision = \"allow\"\ncommand = \"npm test\"\n[[rule]]\ndecision = \"deny\"\ncommand = \"git push\"\nreason = \"people push\"\n",
    );
    let (session, first) = world.open(Some("run npm test"));
    world.turn(first, TurnState::Completed).await;
    assert_eq!(last(&world, session), "answer yes");
    let second = world.prompt(session, "run npm test && git push");
    world.turn(second, TurnState::Completed).await;
    assert_eq!(last(&world, session), "answer no policy.toml line 4 says deny: people push");
    {
        let hub = world.hub.state();
        let mut decided: Vec<_> = hub.approvals.values().collect();
        decided.sort_by_key(|asked| asked.ord);
        let vias: Vec<_> = decided.iter().map(|asked| asked.decision.as_ref().unwrap().via).collect();
        assert_eq!(vias, [Via::Policy, Via::Policy]);
        assert_eq!(decided[0].content.because.as_deref(), Some("policy.toml line 1 says allow"));
        let said: Vec<_> = hub.audit.iter().map(|entry| entry.what).collect();
        assert_eq!(said, [DecidedWhat::PolicyAllowed, DecidedWhat::PolicyDenied]);
        assert!(hub.audit.iter().all(|entry| entry.content.shown.is_some() && entry.content.because.is_some()));
        assert!(!hub.feed.iter().any(|fact| matches!(fact, protocol::fact::FeedFact::Approval { .. })));
    }
    // Each time: the agent's own "always" would make it ask no more, and rules do not count.
    write("[[rule]]\ndecision = \"ask\"\ncommand = \"npm test\"\n");
    let third = world.prompt(session, "run npm test");
    let (id, approval) = asked(&world).await;
    let kinds: Vec<_> = approval.options.iter().map(|option| option.kind).collect();
    assert_eq!(kinds, [OptionKind::AllowOnce, OptionKind::Deny]);
    assert_eq!(approval.content.labels, ["Yes", "No"]);
    world.answer(session, id, "no");
    world.turn(third, TurnState::Completed).await;
    // A file that is not right allows nothing, whatever rules there are, and says so.
    std::fs::remove_file(&file).unwrap();
    let fourth = world.prompt(session, "run npm test");
    let (id, approval) = asked(&world).await;
    world.answer(session, id, &option(&approval, "until revoked"));
    world.turn(fourth, TurnState::Completed).await;
    write("[[rule]]\ndecision = \"allow\"\nbanana = 1\n");
    let fifth = world.prompt(session, "run npm test");
    let (id, approval) = asked(&world).await;
    let because = approval.content.because.unwrap();
    assert!(because.contains("line 3") && because.contains("everything is asked"), "{because}");
    world.answer(session, id, "no");
    world.turn(fifth, TurnState::Completed).await;
    // And right again: it counts at once.
    std::fs::remove_file(&file).unwrap();
    let sixth = world.prompt(session, "run npm test");
    world.turn(sixth, TurnState::Completed).await;
    assert_eq!(last(&world, session), "answer yes");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_nobody_answers_in_time_is_refused_and_takes_no_answer() {
    let mut world = World::new(1);
    world.options.approval_expiry = Some(Duration::from_mins(30));
    let host = world.start().await;
    let (session, first) = world.open(Some("run npm test"));
    let (id, approval) = asked(&world).await;
    assert_eq!(approval.expires_at_ms, Some(approval.created_at_ms.plus_ms(1_800_000)));
    tokio::time::sleep(Duration::from_mins(31)).await;
    world.turn(first, TurnState::Completed).await;
    assert_eq!(last(&world, session), "answer no Nobody answered in time.");
    let over = world.hub.state().approvals[&id].clone();
    assert_eq!((over.state, over.decision.unwrap().via), (ApprovalState::Expired, Via::Expiry));
    let late = world.answer(session, id, "yes");
    assert_eq!(world.end(late).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(late).error, Some(ErrorCode::ApprovalNotPending));
    world.sound();
    host.stop().await.unwrap();
}
