//! Creating, appending, reading, closing, deleting.

use super::*;
use crate::http::Quota;

const JSON: &str = "content-type: application/json";
const TEXT: &str = "content-type: text/plain";

#[tokio::test]
async fn a_stream_is_made_once() {
    let world = World::new();
    let made = world.ask("PUT", "a/b", &[JSON, "host: h:1"], r#"[{"n":1},{"n":2}]"#).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.header("location"), Some("http://h:1/v1/stream/a/b"));
    assert_eq!(made.header("x-content-type-options"), Some("nosniff"));
    let again = world.ask("PUT", "a/b", &["content-type: Application/JSON"], "").await;
    assert_eq!((again.status.as_u16(), again.next()), (200, made.next()));
    assert_eq!(world.ask("PUT", "a/b", &[TEXT], "").await.status, 409);
    assert_eq!(world.ask("PUT", "a/b", &[JSON, "stream-ttl: 5"], "").await.status, 409);
    assert_eq!(world.get("a/b").await.body, r#"[{"n":1},{"n":2}]"#);
}

#[tokio::test]
async fn the_closed_status_is_part_of_what_was_made() {
    let world = World::new();
    let close = "stream-closed: true";
    for (first, second, expected) in [(false, false, 200), (true, false, 409), (true, true, 200), (false, true, 409)] {
        let path = format!("m/{first}/{second}");
        let headers = |closed: bool| if closed { vec![TEXT, close] } else { vec![TEXT] };
        assert_eq!(world.ask("PUT", &path, &headers(first), "").await.status, 201);
        assert_eq!(world.ask("PUT", &path, &headers(second), "").await.status, expected, "{path}");
    }
}

#[tokio::test]
async fn appends_are_checked_in_order() {
    let world = World::new();
    assert_eq!(world.ask("POST", "s", &[TEXT], "x").await.status, 404);
    world.ask("PUT", "s", &[JSON], "").await;
    for (headers, body, expected) in [
        (vec![JSON], "", 400),
        (vec![JSON], "{", 400),
        (vec![JSON], "[]", 400),
        (vec![], "{}", 400),
        (vec![TEXT], "{}", 409),
        (vec![JSON, "producer-id: p"], "{}", 400),
        (vec![JSON, "producer-id: p", "producer-epoch: 1.0", "producer-seq: 0"], "{}", 400),
        (vec![JSON, "producer-id: p", "producer-epoch: 0", "producer-seq: 9007199254740992"], "{}", 400),
        (vec!["content-type: application/json; charset=utf-8"], "{}", 204),
        (vec![JSON, "stream-seq: b"], "1", 204),
        (vec![JSON, "stream-seq: a"], "1", 409),
    ] {
        let answer = world.ask("POST", "s", &headers, body).await;
        assert_eq!(answer.status, expected, "{headers:?} {body} {}", answer.body);
    }
    assert_eq!(world.get("s").await.body, "[{},1]");
    let closed = world.ask("POST", "s", &[JSON, "stream-closed: TRUE"], "2").await;
    assert_eq!((closed.status.as_u16(), closed.header("stream-closed")), (204, Some("true")));
    for (headers, body, expected) in
        [(vec![TEXT], "x", 409), (vec![JSON, "stream-closed: true"], "3", 409), (vec!["stream-closed: true"], "", 204)]
    {
        let answer = world.ask("POST", "s", &headers, body).await;
        assert_eq!(answer.status, expected, "{headers:?}");
        assert_eq!((answer.header("stream-closed"), answer.next()), (Some("true"), closed.next()));
    }
}

#[tokio::test]
async fn producers_append_exactly_once() {
    let world = World::new();
    world.ask("PUT", "p", &[TEXT], "").await;
    let post = async |epoch: &str, seq: &str, body: &'static str, close: bool| {
        let (epoch, seq) = (format!("producer-epoch: {epoch}"), format!("producer-seq: {seq}"));
        let close = if close { "stream-closed: true" } else { "stream-closed: no" };
        world.ask("POST", "p", &[TEXT, "producer-id: w", &epoch, &seq, close], body).await
    };
    let answer = post("0", "0", "a", false).await;
    assert_eq!((answer.status.as_u16(), answer.header("producer-seq")), (200, Some("0")));
    let answer = post("0", "0", "a", false).await;
    assert_eq!((answer.status.as_u16(), answer.header("producer-epoch")), (204, Some("0")));
    let answer = post("0", "2", "c", false).await;
    assert_eq!(answer.status, 409);
    assert_eq!(
        (answer.header("producer-expected-seq"), answer.header("producer-received-seq")),
        (Some("1"), Some("2"))
    );
    assert_eq!(post("1", "1", "x", false).await.status, 400);
    assert_eq!(post("1", "0", "b", false).await.status, 200);
    let answer = post("0", "1", "x", false).await;
    assert_eq!((answer.status.as_u16(), answer.header("producer-epoch")), (403, Some("1")));
    assert_eq!(post("1", "1", "c", true).await.status, 200);
    let answer = post("1", "1", "c", true).await;
    assert_eq!((answer.status.as_u16(), answer.header("stream-closed")), (204, Some("true")));
    assert_eq!(post("1", "2", "d", true).await.status, 409);
    assert_eq!(world.get("p").await.body, "abc");
}

#[tokio::test]
async fn pages_join_without_a_gap_and_know_their_end() {
    let world = World::with(|o| o.page_bytes = 10);
    world.ask("PUT", "s", &[TEXT], "").await;
    for n in 0..9 {
        world.ask("POST", "s", &[TEXT], format!("message {n};")).await;
    }
    world.ask("POST", "s", &["stream-closed: true"], "").await;
    let (mut at, mut text) = ("-1".to_owned(), String::new());
    for page in 1.. {
        let answer = world.get(&format!("s?offset={at}")).await;
        text += &answer.body;
        at = answer.next();
        let last = answer.header("stream-up-to-date").is_some();
        assert_eq!(answer.header("stream-closed").is_some(), last);
        if last {
            assert_eq!(page, 9);
            break;
        }
    }
    assert_eq!(text, (0..9).map(|n| format!("message {n};")).collect::<Vec<_>>().concat());
}

#[tokio::test]
async fn an_unchanged_page_is_not_sent_again() {
    let world = World::new();
    world.ask("PUT", "s", &[TEXT], "a").await;
    let first = world.get("s").await;
    let tag = format!("if-none-match: {}", first.header("etag").expect("a tag"));
    let again = world.ask("GET", "s", &[&tag], "").await;
    assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""));
    world.ask("POST", "s", &["stream-closed: true"], "").await;
    assert_eq!(world.ask("GET", "s", &[&tag], "").await.status, 200, "the close is news");
}

#[tokio::test]
async fn the_end_can_be_asked_for() {
    let world = World::new();
    world.ask("PUT", "s", &[JSON], "[1]").await;
    let now = world.get("s?offset=now").await;
    assert_eq!((now.status.as_u16(), now.body.as_str(), now.header("cache-control")), (200, "[]", Some("no-store")));
    world.ask("POST", "s", &[JSON], "2").await;
    assert_eq!(world.get(&format!("s?offset={}", now.next())).await.body, "[2]");
}

#[tokio::test]
async fn a_deleted_stream_is_another_when_made_anew() {
    let world = World::new();
    assert_eq!(world.ask("DELETE", "s", &[], "").await.status, 404);
    world.ask("PUT", "s", &[TEXT], "old").await;
    let old = world.get("s").await.next();
    assert_eq!(world.ask("DELETE", "s", &[], "").await.status, 204);
    assert_eq!(world.get("s").await.status, 404);
    assert_eq!(world.ask("HEAD", "s", &[], "").await.status, 404);
    world.ask("PUT", "s", &[TEXT], "new and longer").await;
    assert_eq!(world.get(&format!("s?offset={old}")).await.status, 410);
    assert_eq!(world.get(&format!("s?offset={old}&live=long-poll")).await.status, 410);
}

#[tokio::test]
async fn refusals_are_problems_with_the_security_headers() {
    let world = World::new();
    let answer = world.get("nothing").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (404, Some("application/problem+json")));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert!(answer.body.contains("\"code\":\"stream_not_found\""), "{}", answer.body);
    for target in ["a//b", "a/%2e%2e/b", "a%00", "a/%zz"] {
        assert_eq!(world.get(target).await.status, 400, "{target}");
    }
    assert_eq!(world.ask("PATCH", "a", &[], "").await.status, 405);
    world.ask("PUT", "a", &[TEXT], "").await;
    for target in ["a?offset=", "a?offset=1&offset=2", "a?offset=0,1", "a?live=sse", "a?live=long-poll"] {
        assert_eq!(world.get(target).await.status, 400, "{target}");
    }
    let past = "a?offset=0000000000000000_0000000000000009";
    assert_eq!(world.get(past).await.status, 400);
}

#[tokio::test]
async fn an_append_may_name_the_end_that_it_follows() {
    let world = World::new();
    let end = world.ask("PUT", "s", &[TEXT], "a").await.next();
    let matching = format!("if-match: \"{end}\"");
    assert_eq!(world.ask("POST", "s", &[TEXT, &matching], "b").await.status, 204);
    let late = world.ask("POST", "s", &[TEXT, &matching], "c").await;
    assert_eq!((late.status.as_u16(), late.next().ends_with('2')), (412, true));
    assert_eq!(world.ask("POST", "s", &[TEXT, &matching, "stream-closed: true"], "").await.status, 412);
    assert_eq!(world.ask("POST", "s", &[TEXT, "if-match: x"], "c").await.status, 400);
    assert_eq!(world.ask("POST", "s", &[TEXT, "if-match: *"], "c").await.status, 204);
    assert_eq!(world.ask("POST", "none", &[TEXT, "if-match: *"], "c").await.status, 404);
    let producer =
        ["producer-id: p", "producer-epoch: 0", "producer-seq: 0", TEXT, &format!("if-match: {}", late.next())];
    assert_eq!(world.ask("POST", "s", &producer, "d").await.status, 412);
    assert_eq!(world.get("s").await.body, "abc");
    world.ask("POST", "s", &["stream-closed: true"], "").await;
    assert_eq!(world.ask("POST", "s", &[TEXT, &matching], "d").await.status, 409, "closed comes first");
}

#[tokio::test]
async fn quotas_are_kept() {
    let world = World::with(|o| o.quota = Quota { writes_per_second: Some(3), stream_bytes: Some(10) });
    assert_eq!(world.ask("PUT", "s", &[TEXT], "123456").await.status, 201);
    assert_eq!(world.ask("POST", "s", &[TEXT], "78901").await.status, 413);
    assert_eq!(world.ask("POST", "s", &[TEXT], "7890").await.status, 204);
    for _ in 0..3 {
        world.ask("POST", "s", &[TEXT], "x").await;
    }
    let refused = world.ask("POST", "s", &[TEXT], "x").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("1")));
    assert_eq!(world.get("s").await.body, "1234567890", "reading is no write");
    world.clock.advance(1_000);
    assert_eq!(world.ask("POST", "s", &["stream-closed: true"], "").await.status, 204);
}

#[tokio::test]
async fn a_new_stream_holds_no_more_than_any_other() {
    let world = World::with(|o| o.quota = Quota { writes_per_second: None, stream_bytes: Some(10) });
    assert_eq!(world.ask("PUT", "s", &[TEXT], "12345678901").await.status, 413);
    assert_eq!(world.get("s").await.status, 404);
    assert_eq!(world.ask("PUT", "s", &[TEXT], "1234567890").await.status, 201);
    assert_eq!(world.ask("PUT", "s", &[TEXT], "12345678901").await.status, 200, "it is there, and the body is nothing");
    let from = "stream-forked-from: s";
    assert_eq!(world.ask("PUT", "f", &[from], "x").await.status, 413, "what it inherits counts");
    assert_eq!(world.ask("PUT", "f", &[from], "").await.status, 201);
    let at = "stream-fork-offset: 0000000000000000_0000000000000009";
    assert_eq!(world.ask("PUT", "g", &[from, at], "x").await.status, 201);
}

#[tokio::test]
async fn a_body_holds_a_limited_number_of_messages() {
    let world = World::new();
    let ones = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    let most = protocol::limits::MAX_APPEND_MESSAGES;
    assert_eq!(world.ask("PUT", "s", &[JSON], ones(most + 1)).await.status, 413);
    assert_eq!(world.ask("PUT", "s", &[JSON], "").await.status, 201);
    let refused = world.ask("POST", "s", &[JSON], ones(most + 1)).await;
    assert_eq!(refused.status, 413);
    assert!(refused.body.contains("too_many_messages"), "{}", refused.body);
    assert_eq!(world.ask("POST", "s", &[JSON], ones(most)).await.status, 204);
}

#[tokio::test]
async fn large_bodies_are_refused() {
    let world = World::with(|o| o.max_append_bytes = 10);
    assert_eq!(world.ask("PUT", "s", &[TEXT], "x".repeat(11)).await.status, 413);
    assert_eq!(world.ask("PUT", "s", &[TEXT], "x".repeat(10)).await.status, 201);
    assert_eq!(world.ask("POST", "s", &[TEXT], "x".repeat(11)).await.status, 413);
}

#[tokio::test]
async fn other_origins_are_let_in_only_when_asked_to() {
    let world = World::with(|o| o.cors = true);
    let answer = world.ask("OPTIONS", "s", &[], "").await;
    assert_eq!(answer.status, 204);
    assert!(answer.header("access-control-allow-headers").expect("a list").contains("if-none-match"));
    assert_eq!(world.get("s").await.header("access-control-allow-origin"), Some("*"));
    // Nobody keeps the answer to an append, so it is for who asked alone.
    assert_eq!(world.ask("POST", "s", &[TEXT], "x").await.header("access-control-allow-origin"), None);
    let by_page = world.ask("POST", "s", &[TEXT, "origin: https://elsewhere"], "x").await;
    assert_eq!(by_page.header("access-control-allow-origin"), Some("*"));
    assert_eq!(World::new().ask("OPTIONS", "s", &[], "").await.header("access-control-allow-headers"), None);
}

#[tokio::test]
async fn the_policy_is_asked_before_anything_happens() {
    let world = World::with(|o| {
        o.access = Arc::new(|_, path, action| {
            let allowed = path.as_str().starts_with("mine/") && action != super::super::Action::Delete;
            if allowed {
                Ok(())
            } else {
                Err(Box::new(axum::response::IntoResponse::into_response(StatusCode::IM_A_TEAPOT)))
            }
        });
    });
    assert_eq!(world.ask("PUT", "mine/a", &[TEXT], "x").await.status, 201);
    assert_eq!(world.ask("DELETE", "mine/a", &[], "").await.status, 418);
    let denied = world.ask("PUT", "theirs", &[TEXT], "x").await;
    assert_eq!((denied.status.as_u16(), denied.header("x-content-type-options")), (418, Some("nosniff")));
    assert_eq!(world.streams.head(&"theirs".parse().expect("a path")).await, Ok(None));
}

#[tokio::test]
async fn lives_end() {
    let world = World::new();
    for bad in ["stream-ttl: -1", "stream-ttl: 01", "stream-expires-at: soon"] {
        assert_eq!(world.ask("PUT", "t", &[TEXT, bad], "").await.status, 400, "{bad}");
    }
    let both = [TEXT, "stream-ttl: 1", "stream-expires-at: 2099-01-01T00:00:00Z"];
    assert_eq!(world.ask("PUT", "t", &both, "").await.status, 400);

    world.ask("PUT", "t", &[TEXT, "stream-ttl: 10"], "x").await;
    assert_eq!(world.ask("HEAD", "t", &[], "").await.header("stream-ttl"), Some("10"));
    for method in ["GET", "POST", "GET"] {
        world.clock.advance(9_000);
        let status = world.ask(method, "t", &[TEXT], if method == "POST" { "y" } else { "" }).await.status;
        assert!(status.is_success(), "{method} renews: {status}");
    }
    world.clock.advance(9_000);
    assert_eq!(world.ask("HEAD", "t", &[], "").await.status, 200);
    world.clock.advance(1_000);
    assert_eq!(world.ask("HEAD", "t", &[], "").await.status, 404, "HEAD does not renew");
    assert_eq!(world.ask("PUT", "t", &[TEXT], "").await.status, 201);

    world.ask("PUT", "e", &[TEXT, "stream-expires-at: 2099-01-01T00:00:00Z"], "x").await;
    assert_eq!(world.ask("HEAD", "e", &[], "").await.header("stream-expires-at"), Some("2099-01-01T00:00:00Z"));
    let mut follower =
        world.streams.follow(&"e".parse().expect("a path"), crate::Position::Now).await.expect("it exists");
    world.clock.advance(100 * 365 * 24 * 3600 * 1000);
    assert_eq!(world.get("e").await.status, 200, "a followed stream does not expire");
    assert!(follower.take(1, 1).await.is_ok());
    drop(follower);
    assert_eq!(world.get("e").await.status, 404);
}

#[tokio::test]
async fn only_the_life_that_was_looked_at_ends() {
    let world = World::new();
    let path: protocol::path::StreamPath = "t".parse().expect("a path");
    world.ask("PUT", "t", &[TEXT, "stream-ttl: 10"], "x").await;
    let then = world.streams.get("streams/deadline/t").await.expect("memory").expect("a deadline");
    world.clock.advance(9_999);
    world.ask("POST", "t", &[TEXT], "y").await;
    let now = world.streams.get("streams/deadline/t").await.expect("memory").expect("a deadline");
    assert!(
        now.version > then.version,
        "an append writes the deadline anew, which is what an expiry in flight trips over"
    );
    world.clock.advance(9_999);
    assert_eq!(world.get("t").await.body, "xy");
    world.clock.advance(10_000);
    assert_eq!(world.get("t").await.status, 404);
    assert_eq!(world.streams.head(&path).await, Ok(None));
    assert_eq!(world.streams.get("streams/deadline/t").await, Ok(None));
}
