use protocol::command::{CommandBody, CommandState, StartContent};
use protocol::error::ErrorCode;
use protocol::fact::{FeedFact, Operation};
use protocol::id::{CommandId, ProjectId, SessionId};
use protocol::turn::TurnState;

use crate::port::v7;
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

/// A command that starts a session in a new project, and the id of that project.
fn start_new(world: &World, project: ProjectId, named: Option<&str>) -> CommandId {
    let body = CommandBody::StartSession {
        session: SessionId::from_uuid(world.fresh()),
        project,
        new_project: true,
        agent: "puppet".into(),
        model: None,
        mode: None,
        effort: None,
        content: StartContent {
            project_name: named.map(str::to_owned),
            text: Some("fail".into()),
            ..StartContent::default()
        },
    };
    world.command(body)
}

/// An id whose words are `amber-otter`.
fn amber_otter(number: u64) -> ProjectId {
    ProjectId::from_uuid(v7(number * 0x1_0000 + 39))
}

fn made(world: &World) -> Vec<String> {
    let Ok(found) = std::fs::read_dir(world.root.path().join("new")) else { return Vec::new() };
    let mut names: Vec<_> = found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn announced(world: &World, id: ProjectId) -> Vec<(Operation, String, String)> {
    let hub = world.hub.state();
    let facts = hub.feed.iter().filter_map(|fact| match fact {
        FeedFact::Project { id: of, operation, value: Some(project) } if *of == id => {
            Some((*operation, project.content.name.clone(), project.content.path.clone()))
        }
        _ => None,
    });
    facts.collect()
}

#[tokio::test(start_paused = true)]
async fn a_new_project_is_made_below_the_root_registered_and_used_once() {
    let world = World::new(1);
    let host = world.start().await;
    assert_eq!(world.hub.state().about.projects_root.as_deref(), Some("~/new"));
    assert!(made(&world).is_empty(), "nothing is made before it is asked for");
    let id = amber_otter(1);
    let first = start_new(&world, id, None);
    world.turn(first, TurnState::Failed).await;
    assert_eq!(made(&world), ["amber-otter"]);
    assert_eq!(announced(&world, id), [(Operation::Insert, "amber-otter".to_owned(), "~/new/amber-otter".to_owned())]);
    // Another session that names the same project, as another try does, and one with the same words.
    let again = start_new(&world, id, None);
    world.turn(again, TurnState::Failed).await;
    let other = start_new(&world, amber_otter(2), None);
    world.turn(other, TurnState::Failed).await;
    assert_eq!(made(&world), ["amber-otter", "amber-otter-2"]);
    let named = start_new(&world, ProjectId::from_uuid(v7(7)), Some("Tide tables"));
    world.turn(named, TurnState::Failed).await;
    assert_eq!(announced(&world, ProjectId::from_uuid(v7(7)))[0].1, "Tide tables");
    assert!(world.root.path().join("new/Tide-tables").is_dir());
    let clash = start_new(&world, ProjectId::from_uuid(v7(8)), Some("Tide tables"));
    assert_eq!(world.end(clash).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(clash).error, Some(ErrorCode::ProjectExists));
    // It outlives the host, also one that makes no more of them.
    host.stop().await.unwrap();
    let mut world = world;
    (world.options.projects_root, world.options.allowed_roots) = (None, vec![world.root.path().join("code")]);
    let host = world.start().await;
    assert_eq!(world.hub.state().about.projects_root, None);
    let refused = start_new(&world, amber_otter(3), None);
    assert_eq!(world.end(refused).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(refused).error, Some(ErrorCode::NewProjectsOff));
    let still = start_new(&world, id, None);
    world.turn(still, TurnState::Failed).await;
    assert_eq!(made(&world).len(), 3);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whenever_the_host_dies_the_same_command_makes_one_project() {
    let mut done = false;
    for cut in 0..24 {
        for written in [false, true] {
            let world = World::new(1);
            let host = world.start_on(world.port(cut + 2, written)).await;
            let id = amber_otter(1);
            let command = start_new(&world, id, None);
            let ends = world.until("an end", |hub| hub.turn_of(command).is_some_and(|(_, is)| is.is_final()));
            let ended = tokio::time::timeout(std::time::Duration::from_secs(5), ends).await.is_ok();
            done |= ended;
            drop(host);
            let host = world.start().await;
            world.until("an end", |hub| hub.command(command).state.is_final()).await;
            assert_eq!(made(&world), ["amber-otter"], "cut after {cut}, written {written}");
            assert_eq!(announced(&world, id).len(), 1, "cut after {cut}, written {written}");
            let left: Vec<_> =
                world.hub.state().notes.keys().filter(|key| key.starts_with("making/")).cloned().collect();
            assert_eq!(left, Vec::<String>::new(), "cut after {cut}, written {written}");
            world.sound();
            host.stop().await.unwrap();
        }
    }
    assert!(done, "the cuts reach over the whole of it");
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn no_link_leads_a_new_project_out_of_the_root() {
    use std::os::unix::fs::symlink;
    let world = World::new(1);
    let elsewhere = tempfile::tempdir().unwrap();
    let host = world.start().await;
    // The root is a link to somewhere that nobody allowed.
    symlink(elsewhere.path(), world.root.path().join("new")).unwrap();
    let first = start_new(&world, amber_otter(1), None);
    assert_eq!(world.end(first).await, CommandState::Failed);
    assert_eq!(world.hub.state().command(first).error, Some(ErrorCode::ProjectUnavailable));
    std::fs::remove_file(world.root.path().join("new")).unwrap();
    // The name is one: it is taken, wherever it leads.
    std::fs::create_dir(world.root.path().join("new")).unwrap();
    symlink(elsewhere.path(), world.root.path().join("new/amber-otter")).unwrap();
    symlink(elsewhere.path().join("void"), world.root.path().join("new/amber-otter-2")).unwrap();
    let id = amber_otter(2);
    let second = start_new(&world, id, None);
    world.turn(second, TurnState::Failed).await;
    assert_eq!(announced(&world, id)[0].2, "~/new/amber-otter-3");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    // Names that are paths never reach the disk.
    for name in ["../out", "a/b", "..", ".hidden", "-x", "a\0b"] {
        let bad = start_new(&world, amber_otter(3), Some(name));
        assert_eq!(world.end(bad).await, CommandState::Failed, "{name}");
        assert_eq!(world.hub.state().command(bad).error, Some(ErrorCode::Invalid), "{name}");
    }
    assert_eq!(made(&world).len(), 3);
    world.sound();
    host.stop().await.unwrap();
}
