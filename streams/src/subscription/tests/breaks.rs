//! What others do half way, or at the same time.

use store::{Batch, CommitFault, Create, Faulty, MemoryStore};

use super::*;
use crate::http::tests::ManualClock;
use crate::live::tests::path;
use crate::subscription::is_late;

/// A world whose store stalls where it is told to.
async fn faulty() -> (Woken, Arc<Faulty<MemoryStore>>) {
    let clock = ManualClock::at(1_790_000_000_000);
    let store = Arc::new(Faulty::new(MemoryStore::new(clock.clone())));
    let woken = Woken::of(World::over(clock, store.clone(), |_| {})).await;
    woken.ask("PUT", "w", None, json!([])).await;
    (woken, store)
}

/// Asks until the commit with this number, counted from 0, and leaves there; what it began is then done. The status, when it was
/// answered before.
async fn leave(woken: &Woken, store: &Faulty<MemoryStore>, at: usize, method: &str, wish: &Value) -> Option<u16> {
    (0..at).for_each(|_| store.plan_commit(None));
    store.plan_commit(Some(CommitFault::Stall));
    let stalled = async {
        while store.stalled() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let answered = tokio::select! {
        answer = woken.sub(method, "p", None, wish.clone()) => Some(answer.0),
        () = stalled => None,
    };
    while answered.is_none() && store.stalled() > 0 {
        store.release();
        tokio::task::yield_now().await;
    }
    answered
}

#[tokio::test]
async fn whoever_leaves_while_a_subscription_is_made_asks_again_and_is_woken() {
    let wish = json!({"type": "pull-wake", "pattern": "e/*", "streams": ["a", "b", "a"], "wake_stream": "w"});
    let streams = ["a", "b", "e/1", "e/2"];
    for at in 0.. {
        let (woken, store) = faulty().await;
        for stream in streams {
            woken.ask("PUT", stream, None, json!({"n": 0})).await;
        }
        if let Some(status) = leave(&woken, &store, at, "PUT", &wish).await {
            assert_eq!((status, at > 2), (201, true), "there are commits to leave at");
            return;
        }
        let (status, _) = woken.sub("PUT", "p", None, wish.clone()).await;
        assert!(matches!(status, 200 | 201), "{at}: {status}");
        assert_eq!(code(&woken.claim("a").await), (409, "NO_PENDING_WORK"), "{at}: what was there is behind");
        for stream in streams {
            woken.ask("POST", stream, None, json!({"n": 1})).await;
        }
        woken.announced(&[1]).await;
        let (_, claim) = woken.claim("a").await;
        let told: Vec<_> = claim["streams"].as_array().expect("streams").iter().map(|told| &told["path"]).collect();
        assert_eq!(told, streams, "{at}");
    }
}

#[tokio::test]
async fn a_subscription_that_is_made_anew_knows_nothing_of_the_one_that_was_removed() {
    let wish = json!({"type": "pull-wake", "streams": ["a"], "wake_stream": "w"});
    for at in 0.. {
        let (woken, store) = faulty().await;
        woken.ask("PUT", "a", None, json!({"n": 0})).await;
        assert_eq!(woken.sub("PUT", "p", None, wish.clone()).await.0, 201);
        if let Some(status) = leave(&woken, &store, at, "DELETE", &json!({})).await {
            assert_eq!((status, at), (204, 2), "there are commits to leave at");
            return;
        }
        woken.ask("POST", "a", None, json!({"n": 1})).await;
        assert_eq!(woken.sub("PUT", "p", None, wish.clone()).await.0, 201, "{at}");
        assert_eq!(code(&woken.claim("a").await), (409, "NO_PENDING_WORK"), "{at}");
    }
}

#[tokio::test]
async fn a_wake_up_for_a_stream_that_went_gives_way_to_the_next() {
    let woken = Woken::new().await;
    woken.pull().await;
    woken.ask("PUT", "e/a", None, json!({"n": 1})).await;
    woken.announced(&[1]).await;
    woken.ask("DELETE", "e/a", None, json!({})).await;
    assert_eq!(code(&woken.claim("a").await), (409, "NO_PENDING_WORK"));
    woken.ask("PUT", "e/b", None, json!({"n": 1})).await;
    woken.announced(&[1, 2]).await;
    let (status, claim) = woken.claim("a").await;
    assert_eq!((status, &claim["streams"][0]["path"]), (200, &json!("e/b")));
}

#[tokio::test]
async fn a_stream_is_not_made_by_what_was_known_two_patterns_ago() {
    let woken = Woken::new().await;
    woken.ask("PUT", "w", None, json!([])).await;
    let (stream, kind) = (path("r/x"), "application/json".to_owned());
    let create = Create {
        stream: stream.clone(),
        content_type: kind,
        config: "".into(),
        messages: vec![],
        close: false,
        or_same: true,
    };
    let mut batch = Batch::of(create);
    woken.subscriptions.adopt(&mut batch, &stream).await.expect("memory");
    for (name, pattern) in [("s1", "r/*"), ("s2", "q/*")] {
        let wish = json!({"type": "pull-wake", "pattern": pattern, "wake_stream": "w"});
        assert_eq!(woken.sub("PUT", name, None, wish).await.0, 201);
    }
    let made = woken.world.streams.commit(batch).await;
    assert!(made.as_ref().is_err_and(is_late), "{made:?}");
}
