//! Files that go with prompts.

use std::sync::atomic::Ordering;

use protocol::blob::{Attachment, BlobId};
use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::item::ItemContent;
use protocol::port::SessionNews;
use protocol::turn::TurnState;

use crate::world::World;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nan image";

fn notices(world: &World, session: protocol::id::SessionId) -> Vec<String> {
    let said = |item: &protocol::item::Item| match &item.content {
        ItemContent::Notice { code, text, .. } => Some(format!("{code}: {text}")),
        _ => None,
    };
    world.transcript(session).items().into_iter().filter_map(|(_, item)| said(item)).collect()
}

#[tokio::test(start_paused = true)]
async fn images_are_shown_to_an_agent_that_looks_at_them_and_other_files_are_named() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(None);
    world.end(first).await;
    let (image, text) = (world.upload("tide.png", PNG), world.upload("tide.txt", b"ebb and flow"));
    let prompt = world.prompt_with(session, "say 1 5 first", vec![image.clone(), text.clone()]);
    let turn = world.turn(prompt, TurnState::Completed).await;
    assert_eq!(world.hub.state().turns[&turn].content.attachments, [image.clone(), text.clone()]);
    assert_eq!(world.hub.state().used, [(session, image.blob), (session, text.blob)]);
    let seen = world.stage.images.lock().unwrap().clone();
    assert_eq!((seen.len(), seen[0].media_type.as_str(), &seen[0].bytes[..]), (1, "image/png", PNG));
    let given = world.stage.prompts.lock().unwrap()[0].clone();
    let path = given.strip_prefix("say 1 5 first\n\nAttached files:\n- ").expect("the file is named");
    assert_eq!(std::fs::read(path).unwrap(), b"ebb and flow");
    assert!(path.ends_with("/tide.txt"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let path = std::path::Path::new(path);
        assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
    assert_eq!(world.texts(session)[0], "say 1 5 first", "what a person said stays as it was said");
    assert_eq!(notices(&world, session), Vec::<String>::new());
    world.hub.tell(SessionNews::Deleted { session });
    world.until("the news is heard", |hub| hub.news.is_empty()).await;
    assert!(!std::path::Path::new(path).exists(), "copies go with their session");
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_takes_no_images_is_told_where_they_are_and_people_are_told_so() {
    let world = World::new(5);
    world.stage.blind.store(true, Ordering::SeqCst);
    let host = world.start().await;
    let (session, first) = world.open(None);
    world.end(first).await;
    let image = world.upload("tide.png", PNG);
    let prompt = world.prompt_with(session, "say 1 5 look", vec![image]);
    world.turn(prompt, TurnState::Completed).await;
    let given = world.stage.prompts.lock().unwrap()[0].clone();
    assert!(given.starts_with("say 1 5 look\n\nAttached files:\n- ") && given.ends_with("/tide.png"), "{given}");
    assert!(world.stage.images.lock().unwrap().is_empty());
    let said = notices(&world, session);
    assert_eq!(said, ["images_by_path: This agent takes no images; it is told where they are: tide.png"]);
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_there_or_not_what_it_says_fails_the_prompt_before_it_waits() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(None);
    world.end(first).await;
    let image = world.upload("tide.png", PNG);
    let nowhere = Attachment { blob: BlobId::from_digest([9; 32]), ..image.clone() };
    let other = Attachment { media_type: "text/plain".to_owned(), ..image.clone() };
    let larger = Attachment { size_bytes: 1_000, ..image.clone() };
    let way_up = Attachment { name: "../tide.png".to_owned(), ..image };
    for (bad, code) in [
        (nowhere, ErrorCode::AttachmentMissing),
        (other, ErrorCode::Invalid),
        (larger, ErrorCode::Invalid),
        (way_up, ErrorCode::Invalid),
    ] {
        let prompt = world.prompt_with(session, "say 1 5 x", vec![bad]);
        assert_eq!(world.end(prompt).await, CommandState::Failed);
        assert_eq!(world.hub.state().command(prompt).error, Some(code));
    }
    assert!(world.stage.prompts.lock().unwrap().is_empty());
    world.sound();
    host.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn files_of_a_prompt_that_waits_are_there_after_a_crash() {
    let world = World::new(5);
    let host = world.start().await;
    let (session, first) = world.open(Some("say 500 20 first"));
    world.turn(first, TurnState::Running).await;
    let image = world.upload("tide.png", PNG);
    let second = world.prompt_with(session, "say 1 5 second", vec![image]);
    world.turn(second, TurnState::Queued).await;
    drop(host);
    let host = world.start().await;
    world.turn(second, TurnState::Completed).await;
    assert_eq!(world.stage.images.lock().unwrap().len(), 1);
    world.sound();
    host.stop().await.unwrap();
}
