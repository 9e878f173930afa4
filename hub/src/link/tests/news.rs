//! What people did here reaches the node, however long it is away (W-115, W-124).

use protocol::session::SessionEdit;

use super::*;

#[tokio::test(start_paused = true)]
async fn devices_names_and_revocations_are_told_until_they_are_heard() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let (mut node, _) = yard.link(&machine, &[]).await;
    let first = node.hear_news().await;
    let devices: Vec<DeviceId> = first
        .iter()
        .map(|(_, news)| match news {
            LinkNews::Device { device, .. } => *device,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(devices.contains(&machine.device) && devices.contains(&yard.world.hub.node()));
    drop(node);
    // Nothing was heard: it is told again, with the same numbers.
    let (mut node, _) = yard.link(&machine, &[]).await;
    assert_eq!(node.hear_news().await, first);
    let (phone, _) = yard.world.device(&[Right::Read]).await;
    node.say(&NodeFrame::Heard { number: first[first.len() - 1].0 }).await;
    let news = node.hear_news().await;
    assert!(
        matches!(&news[..], [(_, LinkNews::Device { device, about })] if *device == phone.device && about.revoked_at_ms.is_none())
    );
    node.say(&NodeFrame::Heard { number: news[0].0 }).await;
    assert!(node.renewed().await.is_empty());
    drop(node);
    // While it is away, over a restart.
    yard.world.hub.revoke(&yard.world.owner, phone.device).await.expect("it is revoked");
    let yard = yard.again().await;
    tokio::time::sleep(Duration::from_hours(24 * 30)).await;
    let (mut node, _) = yard.link(&machine, &[]).await;
    let later = node.hear_news().await;
    assert!(matches!(&later[..], [(_, LinkNews::Device { about, .. })] if about.revoked_at_ms.is_some()));
    assert!(later[0].0 > news[0].0, "numbers only grow");
}

#[tokio::test(start_paused = true)]
async fn names_archives_and_deletions_go_down_and_stand_over_what_the_node_says() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let session = yard.world.session();
    let mut journal = Owned::journal(session);
    journal.messages.push("[1]".to_owned());
    let said = machine.session(&yard.world, session, "as the node calls it");
    node.store(std::slice::from_ref(&said), vec![journal.from(0)]).await;
    let edit = SessionEdit { title: Some("as people call it".to_owned()), archived: Some(true) };
    yard.world.hub.edit_session(&yard.world.owner, session, edit).await.expect("it is named");
    let news = node.hear_news().await;
    assert!(matches!(&news[0].1, LinkNews::Renamed { title, .. } if title == "as people call it"));
    assert!(matches!(&news[1].1, LinkNews::Archived { at_ms: Some(_), .. }));
    // Until the node has heard, what it says is older.
    node.store(std::slice::from_ref(&said), Vec::new()).await;
    match yard.fact(&machine, "session", &session.to_string()).await {
        Some(FeedFact::Session { value: Some(session), .. }) => {
            assert_eq!(session.content.title, "as people call it");
            assert!(session.archived_at_ms.is_some());
            assert_eq!((session.account, session.host), (machine.account, machine.device));
        }
        other => panic!("{other:?}"),
    }
    // From then on its word is the newest: it may have been named anew, or taken out, on the machine itself.
    node.say(&NodeFrame::Heard { number: news[1].0 }).await;
    let there = machine.session(&yard.world, session, "as it is called there since");
    node.store(std::slice::from_ref(&there), Vec::new()).await;
    match yard.fact(&machine, "session", &session.to_string()).await {
        Some(FeedFact::Session { value: Some(session), .. }) => {
            assert_eq!(session.content.title, "as it is called there since");
            assert_eq!(session.archived_at_ms, None);
        }
        other => panic!("{other:?}"),
    }
    drop(node);
    // Deleted while its host sleeps, it stays deleted when it wakes, whatever it says; and it is told again.
    yard.world.hub.delete_session(&yard.world.owner, session).await.expect("it is deleted");
    let yard = yard.again().await;
    let (mut node, _) = yard.link(&machine, &[]).await;
    let news = node.hear_news().await;
    assert!(matches!(&news[..], [(_, LinkNews::Deleted { session: of })] if *of == session));
    node.say(&NodeFrame::Heard { number: news[0].0 }).await;
    journal.messages.push("[2]".to_owned());
    node.store(std::slice::from_ref(&said), vec![journal.from(1)]).await;
    assert_eq!(yard.fact(&machine, "session", &session.to_string()).await, None);
    assert_eq!(yard.held(&journal.stream).await, Vec::<String>::new());
    assert!(matches!(&node.hear_news().await[..], [(_, LinkNews::Deleted { session: of })] if *of == session));
    assert_eq!(yard.presence(&machine).await, (Presence::Online, None));
}

#[tokio::test(start_paused = true)]
async fn who_loses_something_is_told_of_before_all_other_news() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let (lost, _) = yard.world.device(&[Right::Read]).await;
    let news = node.hear_news().await;
    node.say(&NodeFrame::Heard { number: news[0].0 }).await;
    // Many sessions are made and named; the node is slow to hear of it.
    let mut facts = Vec::new();
    for n in 0..300 {
        let session = yard.world.session();
        let mut journal = Owned::journal(session);
        journal.messages.push("[1]".to_owned());
        node.store(&[machine.session(&yard.world, session, "one")], vec![journal.from(0)]).await;
        facts.push((n, session));
    }
    for (n, session) in facts {
        let edit = SessionEdit { title: Some(format!("name {n}")), archived: None };
        yard.world.hub.edit_session(&yard.world.owner, session, edit).await.expect("it is named");
    }
    let mut told = node.hear_news().await;
    yard.world.hub.revoke(&yard.world.owner, lost.device).await.expect("it is revoked");
    // Although none of the others was heard.
    let urgent = node.hear_news().await;
    assert!(
        matches!(&urgent[..], [(_, LinkNews::Device { device, about })] if *device == lost.device && about.revoked_at_ms.is_some())
    );
    node.say(&NodeFrame::Heard { number: urgent[0].0 }).await;
    // The others were not taken for heard by that, and all of them come.
    let mut names = 0;
    loop {
        names += told.len();
        node.say(&NodeFrame::Heard { number: told[told.len() - 1].0 }).await;
        let mut frames = node.renewed().await;
        let Some(HubFrame::News { news }) = frames.pop() else { break };
        told = news;
    }
    assert_eq!(names, 300);
}
