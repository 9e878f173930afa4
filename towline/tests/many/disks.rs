//! A disk that was restored or copied.

use std::path::Path;
use std::time::Duration;

use crate::world::{PATIENCE, World};
use crate::yard::*;
use protocol::command::CommandState;
use protocol::host::{AwayReason, Presence};
use protocol::path::StreamPath;

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_restored_or_copied_is_fenced_and_nothing_at_the_hub_is_overwritten() {
    let hub = Hub::start();
    let mut desk = Node::link(&hub, "desk").await;
    let session = desk.session(&hub, "[[words 3]]").await;
    turns_ended(&hub, session, 1).await;
    // The disk as it is in one moment.
    let kept = desk.world.folder.path().join("kept");
    let running = desk.running.as_ref().unwrap();
    running.signal(rustix::process::Signal::STOP);
    copy(&desk.world.data(), &kept);
    running.signal(rustix::process::Signal::CONT);
    let after = desk.send(&hub, Node::prompt(session, "[[words 3]] after-the-copy"), None).await;
    ended(&hub, after, CommandState::Succeeded).await;
    turns_ended(&hub, session, 2).await;
    same(&hub, &desk).await;
    let journal = StreamPath::journal(session);
    let before = whole(&hub.socket(), journal.clone()).await;
    desk.stop();
    let newest = desk.world.folder.path().join("newest");
    copy(&desk.world.data(), &newest);
    std::fs::remove_dir_all(desk.world.data()).unwrap();
    copy(&kept, &desk.world.data());
    desk.again();
    let state = until("the link says why it stopped", PATIENCE, async || {
        let state = desk.link_state();
        (state["state"]["phase"] == "stopped").then_some(state)
    })
    .await;
    let trouble = &state["state"]["trouble"];
    assert_eq!((trouble["code"].as_str(), trouble["fenced"].is_null()), (Some("link_restored"), false), "{state}");
    assert_eq!(whole(&hub.socket(), journal).await, before, "nothing was overwritten");
    let found = desk.world.run(&["doctor", "--json"]);
    let finding = found.out.lines().map(json).find(|finding| finding["id"] == "link").unwrap();
    assert_eq!(finding["level"], "problem", "{finding}");
    until("the hub says why the host is away", PATIENCE, async || {
        let host = known(&hub.api).await.hosts.remove(&desk.device)?;
        ((host.presence, host.reason) == (Presence::Offline, Some(AwayReason::Fenced))).then_some(())
    })
    .await;

    // The newest disk is put back, and is taken again once its start is a newer one; then it is copied, and one of the two is refused.
    desk.stop();
    std::fs::remove_dir_all(desk.world.data()).unwrap();
    copy(&newest, &desk.world.data());
    desk.again();
    until("the start is newer", PATIENCE, async || {
        if desk.link_state()["state"]["phase"] == "live" {
            return Some(());
        }
        desk.stop();
        desk.again();
        tokio::time::sleep(Duration::from_secs(1)).await;
        None
    })
    .await;
    desk.is_online(&hub).await;
    same(&hub, &desk).await;
    desk.stop();
    let twin = World::new();
    copy(&desk.world.data(), &twin.data());
    desk.again();
    desk.is_online(&hub).await;
    let running = Node::up(&twin, "desk");
    let phase = |world: &World| {
        let state = json(&world.run(&["link", "ls", "--json"]).out)["state"].clone();
        (state["phase"].as_str().unwrap_or_default().to_owned(), state["trouble"]["code"].as_str().map(str::to_owned))
    };
    until("one of the two is refused", PATIENCE, async || {
        let both = [phase(&desk.world), phase(&twin)];
        let refused = both.iter().filter(|(phase, _)| phase == "stopped").count();
        (refused == 1 && both.iter().any(|(_, code)| code.as_deref() == Some("link_cloned"))).then_some(())
    })
    .await;
    assert_eq!(running.stop().0, Some(0));
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&entry.path(), &there),
            kind if kind.is_file() => drop(std::fs::copy(entry.path(), there).unwrap()),
            _ => {}
        }
    }
}
