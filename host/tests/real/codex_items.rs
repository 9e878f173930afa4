//! What Codex does beside commands and files: plans, tools of MCP servers, sub-agents.

use host::agent::{AgentEvent, OpenSpec, TurnOutcome};
use protocol::item::{ItemContent, ItemStatus, PlanStatus, ToolCall, ToolKind};

use crate::codex::{World, open};
use crate::talk::{end, how, texts};

/// What Codex is told besides of its model server: newer versions offer their model a plan only where it is asked for.
fn more() -> String {
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/fake-model/mcp.mjs");
    format!("[tools.update_plan]\nenabled = true\n[mcp_servers.fake]\ncommand = \"node\"\nargs = [\"{server}\"]\n")
}

/// A model whose tools are all offered from the beginning.
fn spec(world: &World, mode: &str) -> OpenSpec {
    OpenSpec { model: Some("gpt-5.4".to_owned()), ..world.spec(Some(mode)) }
}

fn calls(events: &[AgentEvent]) -> Vec<(ItemStatus, ToolCall)> {
    let call = |event: &AgentEvent| match event {
        AgentEvent::ItemSettled { status, content: ItemContent::ToolCall(call), .. } => Some((*status, call.clone())),
        _ => None,
    };
    events.iter().filter_map(call).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_plan_is_a_card_that_follows_it() {
    let Some(world) = World::start_with(&more()).await else { return };
    let agent = world.agent();
    let mut talk = open(&agent, spec(&world, "auto")).await;
    let plan = |first: &str, second: &str| {
        format!(
            r#"[[tool raw update_plan {{"explanation":"why","plan":[{{"step":"look","status":"{first}"}},{{"step":"do","status":"{second}"}}]}}]]"#
        )
    };
    let events = talk
        .turn(&format!("{} {} [[say planned]]", plan("in_progress", "pending"), plan("completed", "in_progress")))
        .await;
    assert_eq!((how(&events), texts(&events)), (&TurnOutcome::Completed, vec!["planned"]));
    let plans: Vec<Vec<(&str, PlanStatus)>> = events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::ItemStarted { content: ItemContent::Plan { entries }, .. }
            | AgentEvent::ItemUpdated { content: ItemContent::Plan { entries }, .. }
            | AgentEvent::ItemSettled { content: ItemContent::Plan { entries }, .. } => {
                Some(entries.iter().map(|entry| (entry.text.as_str(), entry.status)).collect())
            }
            _ => None,
        })
        .collect();
    let first = vec![("look", PlanStatus::InProgress), ("do", PlanStatus::Pending)];
    let second = vec![("look", PlanStatus::Completed), ("do", PlanStatus::InProgress)];
    assert_eq!(plans, [first, second.clone(), second], "{events:?}");
    talk.driver.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_of_an_mcp_server_is_shown_and_one_that_does_something_is_asked_for() {
    let Some(world) = World::start_with(&more()).await else { return };
    let agent = world.agent();
    let mut talk = open(&agent, spec(&world, "auto")).await;
    let events = talk.turn(r#"[[tool raw mcp__fake/shout {"words":"hello"}]] [[say heard]]"#).await;
    assert_eq!(texts(&events), ["heard"]);
    let [(status, call)] = &calls(&events)[..] else { panic!("{events:?}") };
    assert_eq!((*status, call.title.as_str(), call.output.as_str()), (ItemStatus::Done, "fake: shout", "HELLO"));

    for (option, output) in [("accept", Some("published news")), ("decline", None)] {
        let (request, ask) = talk.asked(r#"[[tool raw mcp__fake/publish {"words":"news"}]] [[say went on]]"#).await;
        let AgentEvent::Ask { content, options, .. } = &ask else { unreachable!() };
        assert!(format!("{content:?}").contains("publish"), "{content:?}");
        assert!(options.iter().any(|offered| offered.id == option), "{options:?}");
        let events = talk.answer(&request, option).await;
        assert_eq!(texts(&events), ["went on"]);
        let [(_, call)] = &calls(&events)[..] else { panic!("{events:?}") };
        assert_eq!(call.output.contains("published news"), output.is_some(), "{call:?}");
    }
    talk.driver.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_sub_agent_does_hangs_below_its_call_and_counts() {
    let Some(world) = World::start_with(&more()).await else { return };
    let agent = world.agent();
    let mut talk = open(&agent, spec(&world, "auto")).await;
    let events = talk
        .turn(
            "[[usage 100 10]] [[tool raw multi_agent_v1/spawn_agent {\"message\":\"Look around, and leave a sign when you have.\"}]] \
             [[tool bash while ! test -e the-sign; do sleep 0.1; done; sleep 1]] [[say both are done]]",
        )
        .await;
    assert_eq!(how(&events), &TurnOutcome::Completed, "{events:?}");
    let started = events.iter().find_map(|event| match event {
        AgentEvent::ItemStarted { item, content: ItemContent::ToolCall(call), .. } if call.tool == ToolKind::Task => {
            Some((item.clone(), call.title.clone()))
        }
        _ => None,
    });
    let Some((call, title)) = started else { panic!("{events:?}") };
    assert!(title.starts_with("Look around"), "{title}");
    let below: Vec<&ItemContent> = events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::ItemSettled { parent: Some(parent), content, .. } if *parent == call => Some(content),
            _ => None,
        })
        .collect();
    let said = |words: &str| below.iter().any(|content| matches!(content, ItemContent::Text { text } if text == words));
    assert!(said("I look around."), "{below:?}");
    let ran =
        below.iter().any(|content| matches!(content, ItemContent::ToolCall(call) if call.title == "touch the-sign"));
    assert!(ran, "{below:?}");
    assert!(texts(&events).contains(&"both are done"));
    // Three requests of its own, and those of the sub-agent.
    let usage = end(&events).usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (400, 40), "{usage:?}");
    talk.driver.close().await;
    world.end().await;
}
