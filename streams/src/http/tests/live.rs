//! Long-poll and server-sent events; time is tokio's and paused.

use std::time::Duration;

use super::*;

const JSON: &str = "content-type: application/json";
const TEXT: &str = "content-type: text/plain";

/// The next piece of a body as text; `None` at its end.
async fn piece(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.expect("the body does not fail");
    Some(String::from_utf8(frame.into_data().expect("data").to_vec()).expect("text"))
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_waits_for_data() {
    let world = World::new();
    world.ask("PUT", "s", &[JSON], "[1]").await;
    let first = world.get("s?offset=-1&live=long-poll").await;
    assert_eq!((first.status.as_u16(), first.body.as_str()), (200, "[1]"));
    assert_eq!(first.header("stream-up-to-date"), Some("true"));
    let target = format!("s?offset={}&live=long-poll", first.next());
    let (answer, _) = tokio::join!(world.get(&target), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.ask("POST", "s", &[JSON], "2").await
    });
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "[2]"));
    assert!(answer.header("stream-cursor").is_some());

    let before = tokio::time::Instant::now();
    let answer = world.get("s?offset=now&live=long-poll").await;
    assert_eq!((answer.status.as_u16(), before.elapsed()), (204, Duration::from_secs(25)));
    assert_eq!(answer.header("stream-up-to-date"), Some("true"));
    assert!(answer.header("stream-cursor").is_some());

    world.ask("POST", "s", &["stream-closed: true"], "").await;
    let before = tokio::time::Instant::now();
    let answer = world.get("s?offset=now&live=long-poll").await;
    assert_eq!((answer.status.as_u16(), before.elapsed()), (204, Duration::ZERO));
    assert_eq!((answer.header("stream-closed"), answer.header("stream-cursor")), (Some("true"), None));
    assert_eq!(world.streams.followed(), 0);
}

#[tokio::test(start_paused = true)]
async fn deletion_and_shutdown_end_a_long_poll() {
    let world = World::new();
    world.ask("PUT", "s", &[JSON], "").await;
    let (answer, _) = tokio::join!(world.get("s?offset=now&live=long-poll"), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.ask("DELETE", "s", &[], "").await
    });
    assert_eq!(answer.status, 404);
    world.ask("PUT", "s", &[JSON], "").await;
    let (answer, ()) = tokio::join!(world.get("s?offset=now&live=long-poll"), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.shutdown.cancel();
    });
    assert_eq!(answer.status, 204);
}

#[tokio::test(start_paused = true)]
async fn events_come_in_pairs_until_the_end() {
    let world = World::new();
    world.ask("PUT", "s", &[JSON], "").await;
    let mut body = world.send("GET", "s?offset=-1&live=sse", &[], "").await.into_body();
    let first = piece(&mut body).await.expect("a control event");
    assert!(first.starts_with("event: control\n") && first.contains("\"upToDate\":true"), "{first}");
    world.ask("POST", "s", &[JSON], "{\"a\":\n1}").await;
    let second = piece(&mut body).await.expect("data");
    assert!(second.starts_with("event: data\ndata:[{\"a\":\ndata:1}]\n\nevent: control\n"), "{second}");
    assert_eq!(piece(&mut body).await.as_deref(), Some(":\n\n"), "a sign of life after silence");
    world.ask("POST", "s", &["stream-closed: true"], "").await;
    let last = piece(&mut body).await.expect("the end");
    assert!(last.contains("\"streamClosed\":true") && !last.contains("streamCursor"), "{last}");
    assert_eq!(piece(&mut body).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_sse_response_has_a_limited_life_and_ends_on_shutdown_and_deletion() {
    let world = World::with(|o| o.keep_alive = Duration::from_mins(10));
    world.ask("PUT", "s", &[JSON], "").await;
    let open = async || {
        let mut body = world.send("GET", "s?offset=-1&live=sse", &[], "").await.into_body();
        assert!(piece(&mut body).await.is_some());
        body
    };
    let before = tokio::time::Instant::now();
    assert_eq!(piece(&mut open().await).await, None);
    assert_eq!(before.elapsed(), Duration::from_mins(1));
    let mut body = open().await;
    world.ask("DELETE", "s", &[], "").await;
    assert_eq!(piece(&mut body).await, None);
    world.ask("PUT", "s", &[JSON], "").await;
    let mut body = open().await;
    let before = tokio::time::Instant::now();
    world.shutdown.cancel();
    assert_eq!(piece(&mut body).await, None);
    assert_eq!(before.elapsed(), Duration::ZERO);
    drop(body);
    assert_eq!(world.streams.followed(), 0);
}

#[tokio::test(start_paused = true)]
async fn characters_are_not_cut_and_bytes_are_base64() {
    let world = World::new();
    world.ask("PUT", "t", &[TEXT], "a").await;
    let mut body = world.send("GET", "t?offset=-1&live=sse", &[], "").await.into_body();
    assert!(piece(&mut body).await.expect("data").starts_with("event: data\ndata:a\n\n"));
    world.ask("POST", "t", &[TEXT], vec![b'b', 0xE2, 0x82]).await;
    let cut = piece(&mut body).await.expect("data");
    assert!(cut.starts_with("event: data\ndata:b\n\n") && !cut.contains("upToDate"), "{cut}");
    world.ask("POST", "t", &[TEXT], vec![0xAC, b'c']).await;
    assert!(piece(&mut body).await.expect("data").starts_with("event: data\ndata:€c\n\n"));

    world.ask("PUT", "b", &["content-type: image/png"], vec![0, 255, 10]).await;
    let response = world.send("GET", "b?offset=-1&live=sse", &[], "").await;
    assert_eq!(response.headers()["stream-sse-data-encoding"], "base64");
    let text = piece(&mut response.into_body()).await.expect("data");
    assert!(text.starts_with("event: data\ndata:AP8K\n\nevent: control\n"), "{text}");
}

/// The beginning of a character and a message that is larger than a page after it: together they are more than a page.
#[tokio::test(start_paused = true)]
async fn a_split_character_before_a_large_message_holds_nothing_up() {
    for parts in [&[b"a\xE2\x82".as_slice()][..], &[b"a\xF0", b"\x9F", b"\x92"], &[b"\xE2\x82"]] {
        let world = World::with(|o| o.page_bytes = 100);
        world.ask("PUT", "s", &[TEXT], "").await;
        for part in parts {
            world.ask("POST", "s", &[TEXT], part.to_vec()).await;
        }
        let mut rest = if parts.len() == 3 { vec![0xA9] } else { vec![0xAC] };
        rest.extend_from_slice(&[b'z'; 200]);
        world.ask("POST", "s", &[TEXT], rest).await;
        world.ask("POST", "s", &["stream-closed: true"], "").await;
        let told = world.get("s?offset=-1&live=sse").await.body;
        let data: String =
            told.lines().filter_map(|line| line.strip_prefix("data:")).filter(|d| !d.starts_with('{')).collect();
        let character = if parts.len() == 3 { "💩" } else { "€" };
        assert_eq!(data.trim_start_matches('a'), format!("{character}{}", "z".repeat(200)), "{told}");
    }
}
