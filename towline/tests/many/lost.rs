//! A machine that was lost for longer than its lease while prompts wait there: what is said of them is true as soon as it is back.

use std::time::Duration;

use crate::path::*;
use crate::world::PATIENCE;
use crate::yard::*;
use protocol::command::CommandState;
use protocol::id::CommandId;
use protocol::limits::LINK_TTL_MS;

async fn becomes(hub: &Hub, id: CommandId, state: CommandState, limit: Duration) {
    until(&format!("{id} is {state:?}"), limit, async || {
        let now = hub.api.command(id).await.ok()?.state;
        (now == state).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_behind_a_turn_on_a_machine_that_was_lost_is_shown_so_once_it_is_back() {
    let hub = Hub::start();
    let desk = Node::link(&hub, "desk").await;
    // It speaks for longer than the machine is lost.
    let session = desk.session(&hub, "[[rate 1000]] [[words 300]]").await;
    until("the session is there", PATIENCE, async || {
        known(&hub.api).await.sessions.contains_key(&session).then_some(())
    })
    .await;
    let waits = desk.send(&hub, Node::prompt(session, "[[words 2]] behind it"), Some(60 * 60 * 1000)).await;
    becomes(&hub, waits, CommandState::Running, PATIENCE).await;
    desk.proxy.set(Way::Cut);
    becomes(&hub, waits, CommandState::Indeterminate, Duration::from_millis(LINK_TTL_MS + 10_000)).await;
    desk.proxy.set(Way::Open);
    desk.is_online(&hub).await;
    becomes(&hub, waits, CommandState::Running, Duration::from_secs(5)).await;
}
