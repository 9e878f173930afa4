//! Streams that go, and others that take their place.

use protocol::time::Clock;
use store::{Direction, Scan};

use super::*;
use crate::live::tests::late;

async fn links(woken: &Woken) -> Vec<String> {
    let prefix = "streams/link/p/";
    let scan = Scan { prefix: prefix.into(), after: None, direction: Direction::Forwards, limit: 1_000 };
    let found = woken.world.streams.scan(scan).await.expect("memory");
    found.into_iter().map(|entry| entry.key[prefix.len()..].to_owned()).collect()
}

/// What a claim tells of each stream: its path, how far it was acked, and where it ends.
fn told(claim: &Value) -> Vec<(String, String, String)> {
    let text = |of: &Value| -> String { of.as_str().expect("a text").to_owned() };
    let streams = claim["streams"].as_array().expect("streams").iter();
    streams.map(|seen| (text(&seen["path"]), text(&seen["acked_offset"]), text(&seen["tail_offset"]))).collect()
}

#[tokio::test]
async fn links_that_a_pattern_gave_go_with_their_streams() {
    let woken = Woken::new().await;
    woken.pull().await;
    let (short, json) = ("stream-ttl: 5", json!({"n": 1}).to_string());
    for n in 0..600 {
        woken.world.ask("PUT", &format!("e/{n}"), &[JSON, short], json.clone()).await;
    }
    woken.ask("PUT", "e/gone", None, json!({"n": 1})).await;
    woken.ask("PUT", "e/kept", None, json!({"n": 1})).await;
    assert_eq!(woken.sub("POST", "p/streams", None, json!({"streams": ["x"]})).await.0, 204);
    assert_eq!(links(&woken).await.len(), 603);
    woken.ask("DELETE", "e/gone", None, json!({})).await;
    assert_eq!(links(&woken).await.len(), 602, "at once");
    woken.world.clock.advance(6_000);
    crate::lifetime::sweep(&woken.world.streams, woken.world.clock.now()).await.expect("memory");
    let (status, claim) = woken.claim("a").await;
    assert_eq!((status, told(&claim).len()), (200, 1));
    assert_eq!(links(&woken).await, ["e/kept", "x"], "one that was named stays");
}

#[tokio::test]
async fn a_stream_in_the_place_of_another_begins_at_its_beginning() {
    let woken = Woken::new().await;
    woken.pull().await;
    assert_eq!(woken.sub("POST", "p/streams", None, json!({"streams": ["x"]})).await.0, 204);
    for stream in ["e/a", "x"] {
        woken.ask("PUT", stream, None, json!({"n": 1})).await;
    }
    let (_, first) = woken.claim("a").await;
    assert_eq!(told(&first).len(), 2);
    let acks = json!([{"stream": "e/a", "offset": first["streams"][0]["tail_offset"]},
        {"stream": "x", "offset": first["streams"][1]["tail_offset"]}]);
    let token = first["token"].as_str();
    assert_eq!(woken.sub("POST", "p/ack", token, reply(&first, &acks, false)).await.0, 200);
    for stream in ["e/a", "x"] {
        woken.ask("DELETE", stream, None, json!({})).await;
        woken.ask("PUT", stream, None, json!([])).await;
    }
    // Both are empty: whoever acks what was there before acks nothing of them.
    let again = woken.sub("POST", "p/ack", token, reply(&first, &acks, true)).await;
    assert_eq!(again, (200, json!({"ok": true, "next_wake": false})));
    assert_eq!(code(&woken.claim("a").await), (409, "NO_PENDING_WORK"));
    let (_, found) = woken.sub("GET", "p", None, json!({})).await;
    let acked: Vec<_> =
        found["streams"].as_array().expect("streams").iter().map(|seen| &seen["acked_offset"]).collect();
    assert_eq!(acked, ["-1", "-1"]);
    for stream in ["e/a", "x"] {
        woken.ask("POST", stream, None, json!({"n": 2})).await;
    }
    let (_, second) = woken.claim("a").await;
    let end = "0000000000000001_0000000000000007";
    let expected = ["e/a", "x"].map(|path| (path.to_owned(), "-1".to_owned(), end.to_owned()));
    assert_eq!(told(&second), expected);
}

#[tokio::test]
async fn an_ack_may_name_streams_that_went_meanwhile() {
    let woken = Woken::new().await;
    woken.pull().await;
    let named = json!({"streams": ["x", "y"]});
    assert_eq!(woken.sub("POST", "p/streams", None, named).await.0, 204);
    for stream in ["e/a", "e/b", "x", "y"] {
        woken.ask("PUT", stream, None, json!({"n": 1})).await;
    }
    let (_, claim) = woken.claim("a").await;
    let acks: Vec<_> = told(&claim).into_iter().map(|(path, _, end)| json!({"stream": path, "offset": end})).collect();
    assert_eq!(acks.len(), 4);
    woken.ask("DELETE", "e/a", None, json!({})).await;
    woken.ask("DELETE", "y", None, json!({})).await;
    assert_eq!(woken.sub("DELETE", "p/streams/x", None, json!({})).await.0, 204);
    let said = woken.sub("POST", "p/ack", claim["token"].as_str(), reply(&claim, &json!(acks), true)).await;
    assert_eq!(said, (200, json!({"ok": true, "next_wake": false})));
}

#[tokio::test]
async fn whoever_makes_a_stream_that_is_deleted_just_then_is_heard() {
    let (mut there, mut gone) = (0, 0);
    for seed in 1..=300 {
        let woken = Woken::of(World::on(late(seed))).await;
        woken.pull().await;
        woken.ask("PUT", "e/a", None, json!([])).await;
        let again = async {
            for _ in 0..seed % 16 {
                tokio::task::yield_now().await;
            }
            woken.ask("PUT", "e/a", None, json!([])).await
        };
        let (made, _) = tokio::join!(again, woken.ask("DELETE", "e/a", None, json!({})));
        assert!(matches!(made.0, 200 | 201), "seed {seed}: {made:?}");
        let is_there = woken.world.get("e/a").await.status == 200;
        assert_eq!(links(&woken).await.len(), usize::from(is_there), "seed {seed}");
        *(if is_there { &mut there } else { &mut gone }) += 1;
    }
    assert!(there > 20 && gone > 20, "both orders happen: {there} and {gone}");
}
