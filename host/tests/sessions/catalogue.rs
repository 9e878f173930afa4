//! What the hub knows of the host's agents is what they said last.

use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::host::{AgentState, HostContent};
use protocol::turn::TurnState;

use crate::world::World;

fn used(about: &HostContent) -> Option<u32> {
    about.agents[0].health.limits.as_ref()?.windows[0].used_percent
}

#[tokio::test(start_paused = true)]
async fn what_was_said_earlier_never_comes_to_the_hub_later() {
    let world = World::new(1);
    let host = world.start().await;
    world.until("the catalogue", |hub| !hub.about.agents.is_empty()).await;
    // The first word takes its time on the way, the second one would not.
    world.hub.state().updates.push_back(Some(Duration::from_millis(500)));
    let (_, said) = world.open(Some("limits 40"));
    world.turn(said, TurnState::Completed).await;
    world.until("it is being told", |hub| hub.updates.is_empty()).await;
    world.stage.silent.store(true, Ordering::SeqCst);
    host.probe();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let about = world.hub.state().about.clone();
    assert_eq!((about.agents[0].state, used(&about)), (AgentState::Broken, Some(40)));
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_hub_did_not_take_is_told_again_although_nothing_is_new() {
    let world = World::new(1);
    world.hub.state().updates.push_back(None);
    let host = world.start().await;
    world.until("it was told", |hub| hub.updates.is_empty()).await;
    assert!(world.hub.state().about.agents.is_empty());
    world.until("the catalogue", |hub| !hub.about.agents.is_empty()).await;
    assert_eq!(world.hub.state().about.agents[0].state, AgentState::Ready);
    host.stop().await.unwrap();
}
