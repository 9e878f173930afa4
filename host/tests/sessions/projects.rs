use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::fact::FeedFact;
use protocol::turn::TurnState;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_directory_is_one_project_however_it_is_spelled_and_survives_a_restart() {
    let world = World::new(1);
    let host = world.start().await;
    let code = world.root.path().join("code");
    let known = world.project.lock().unwrap().unwrap();
    assert_eq!(host.register_project(code.join("../code")).await.unwrap(), known);
    assert!(host.register_project("/").await.is_err());
    host.stop().await.unwrap();
    let host = world.start().await;
    assert_eq!(host.register_project(&code).await.unwrap(), known);
    {
        let hub = world.hub.state();
        let projects: Vec<_> = hub
            .feed
            .iter()
            .filter_map(|fact| match fact {
                FeedFact::Project { value: Some(project), .. } => Some(project.content.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(projects.len(), 1);
        assert_eq!((projects[0].name.as_str(), projects[0].path.as_str()), ("code", "~/code"));
    }
    host.stop().await.unwrap();
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_directory_that_became_a_link_is_not_used_any_more() {
    let world = World::new(1);
    let host = world.start().await;
    let (session, first) = world.open(Some("fail"));
    world.turn(first, TurnState::Failed).await;
    let die = world.prompt(session, "die");
    world.turn(die, TurnState::Failed).await;
    let code = world.root.path().join("code");
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::remove_dir(&code).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), &code).unwrap();
    let next = world.prompt(session, "hello");
    assert_eq!(world.end(next).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(next).error, Some(ErrorCode::ProjectUnavailable));
    let (_, start) = world.open(Some("hello"));
    assert_eq!(world.end(start).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(start).error, Some(ErrorCode::ProjectUnavailable));
    // Even a link to the very same place inside the roots is not the directory that was registered.
    let inside = world.root.path().join("other");
    std::fs::create_dir(&inside).unwrap();
    std::fs::remove_file(&code).unwrap();
    std::os::unix::fs::symlink(&inside, &code).unwrap();
    let (_, start) = world.open(Some("hello"));
    assert_eq!(world.end(start).await, CommandState::Failed);
    let gone = |fact: &FeedFact| matches!(fact, FeedFact::Project { value: Some(project), .. } if !project.available);
    assert!(world.hub.state().feed.iter().any(gone));
    world.sound();
    host.stop().await.unwrap();
}
