//! Forks: what they inherit, how they live, and what becomes of their sources.

use super::*;

const JSON: &str = "content-type: application/json";
const TEXT: &str = "content-type: text/plain";
const FROM: &str = "stream-forked-from: /v1/stream/s";

fn at(byte: u64) -> String {
    format!("stream-fork-offset: 0000000000000000_{byte:016}")
}

#[tokio::test]
async fn a_fork_is_asked_for_twice_and_made_once() {
    let world = World::new();
    assert_eq!(world.ask("PUT", "f", &[FROM], "").await.status, 404);
    world.ask("PUT", "s", &[TEXT], "abc").await;
    let made = world.ask("PUT", "f", &[FROM], "d").await;
    assert_eq!((made.status.as_u16(), made.header("content-type")), (201, Some("text/plain")));
    world.ask("POST", "s", &[TEXT], "x").await;
    for (headers, expected) in [
        (vec![FROM], 200),
        (vec![FROM, TEXT], 200),
        (vec![TEXT], 409),
        (vec![FROM, JSON], 409),
        (vec![FROM, "stream-ttl: 5"], 409),
        (vec![FROM, "stream-closed: true"], 409),
        (vec!["stream-forked-from: other"], 409),
    ] {
        assert_eq!(world.ask("PUT", "f", &headers, "").await.status, expected, "{headers:?}");
    }
    assert_eq!(world.ask("PUT", "f", &[FROM, &at(3)], "").await.status, 200);
    assert_eq!(world.ask("PUT", "f", &[FROM, &at(4)], "").await.status, 409);
    assert_eq!(world.get("f").await.body, "abcd");
    assert_eq!(world.get("s").await.body, "abcx");
}

#[tokio::test]
async fn sub_offsets_count_messages_or_bytes() {
    let world = World::new();
    world.ask("PUT", "s", &[JSON], r#"[{"a":1},[2],"3"]"#).await;
    world.ask("PUT", "b", &[TEXT], "hello").await;
    let text = "stream-forked-from: b";
    for (n, (source, from, sub, expected)) in [
        (FROM, 0, 2, Ok(r#"[{"a":1},[2]]"#)),
        (FROM, 7, 1, Ok(r#"[{"a":1},[2]]"#)),
        (FROM, 0, 3, Ok(r#"[{"a":1},[2],"3"]"#)),
        (FROM, 0, 4, Err(400)),
        (FROM, 1, 0, Err(400)),
        (FROM, 13, 1, Err(400)),
        (text, 1, 2, Ok("hel")),
        (text, 0, 5, Ok("hello")),
        (text, 0, 6, Err(400)),
        (text, 0, u64::MAX, Err(400)),
        (text, 6, 0, Err(400)),
    ]
    .into_iter()
    .enumerate()
    {
        let (name, beyond) = (format!("f{n}"), format!("stream-fork-sub-offset: {sub}"));
        let made = world.ask("PUT", &name, &[source, &at(from), &beyond], "").await;
        match expected {
            Ok(body) => {
                assert_eq!(made.status, 201, "{n}: {}", made.body);
                assert_eq!(world.get(&format!("f{n}")).await.body, body);
            }
            Err(status) => assert_eq!(made.status, status, "{n}: {}", made.body),
        }
    }
}

#[tokio::test]
async fn a_retired_source_is_gone_for_all_but_its_forks() {
    let world = World::new();
    world.ask("PUT", "s", &[TEXT], "kept").await;
    world.ask("PUT", "f", &[FROM], "").await;
    assert_eq!(world.ask("DELETE", "s", &[], "").await.status, 204);
    for (method, expected) in [("GET", 410), ("HEAD", 410), ("POST", 410), ("DELETE", 410), ("PUT", 409)] {
        assert_eq!(world.ask(method, "s", &[TEXT], "x").await.status, expected, "{method}");
    }
    assert_eq!(world.ask("PUT", "g", &[FROM], "").await.status, 409);
    assert_eq!(world.get("s?offset=-1&live=sse").await.status, 410);
    assert_eq!(world.get("f").await.body, "kept");
    assert_eq!(world.ask("DELETE", "f", &[], "").await.status, 204);
    assert_eq!(world.get("s").await.status, 404);
    assert_eq!(world.ask("PUT", "s", &[TEXT], "").await.status, 201);
}

#[tokio::test]
async fn lives_are_inherited_and_run_on_their_own() {
    let world = World::new();
    world.ask("PUT", "s", &[TEXT, "stream-ttl: 10"], "x").await;
    world.ask("PUT", "f", &[FROM], "").await;
    world.ask("PUT", "g", &[FROM, "stream-ttl: 100"], "").await;
    world.ask("PUT", "h", &[FROM, "stream-expires-at: 2099-01-01T00:00:00Z"], "").await;
    let head = |name: &'static str| world.ask("HEAD", name, &[], "");
    assert_eq!(head("f").await.header("stream-ttl"), Some("10"));
    assert_eq!(head("g").await.header("stream-ttl"), Some("100"));
    assert_eq!(head("h").await.header("stream-expires-at"), Some("2099-01-01T00:00:00Z"));
    assert_eq!(head("h").await.header("stream-ttl"), None);
    world.clock.advance(9_000);
    assert_eq!(world.get("f").await.status, 200, "and that renews the fork alone");
    world.clock.advance(2_000);
    assert_eq!(world.get("s").await.status, 410);
    assert_eq!(world.get("f").await.body, "x");
    world.clock.advance(50_000);
    assert_eq!(world.get("f").await.status, 404, "its own life is over too");
    assert_eq!(world.get("g").await.body, "x");
    for name in ["g", "h"] {
        assert_eq!(world.get("s").await.status, 410);
        assert_eq!(world.ask("DELETE", name, &[], "").await.status, 204);
    }
    assert_eq!(world.get("s").await.status, 404, "the last fork took it along");
}

#[tokio::test]
async fn producers_and_sequences_begin_anew() {
    let world = World::new();
    let producer = [TEXT, "producer-id: p", "producer-epoch: 0", "producer-seq: 0", "stream-seq: z"];
    world.ask("PUT", "s", &[TEXT], "").await;
    assert_eq!(world.ask("POST", "s", &producer, "a").await.status, 200);
    world.ask("POST", "s", &["stream-closed: true"], "").await;
    world.ask("PUT", "f", &[FROM], "").await;
    assert_eq!(world.ask("POST", "f", &producer, "b").await.status, 200);
    assert_eq!(world.get("f").await.body, "ab");
}

#[tokio::test]
async fn what_belongs_to_a_session_or_is_out_of_sight_is_not_forked() {
    let world = World::with(|o| {
        o.access = Arc::new(|_, path, action| {
            let hidden = path.as_str().starts_with("hidden/") && action == super::super::Action::Read;
            if hidden {
                Err(Box::new(axum::response::IntoResponse::into_response(StatusCode::NOT_FOUND)))
            } else {
                Ok(())
            }
        });
    });
    world.ask("PUT", "hidden/a", &[TEXT], "secret").await;
    assert_eq!(world.ask("PUT", "f", &["stream-forked-from: hidden/a"], "").await.status, 404);
    let session = protocol::id::SessionId::from_uuid(world.clock.fresh());
    let journal = protocol::path::StreamPath::journal(session);
    world.ask("PUT", journal.as_str(), &[JSON], "[1]").await;
    assert_eq!(world.ask("PUT", "f", &[&format!("stream-forked-from: {journal}")], "").await.status, 403);
}
