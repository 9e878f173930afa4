//! How long whoever was woken has, against how long it takes to answer.

use protocol::time::Clock;

use super::*;

/// A webhook under way on stream `e/a`, with the shortest lease there is.
async fn under_way(answers: Vec<&'static str>) -> (Woken, mpsc::Receiver<String>, Arc<Semaphore>, Value) {
    let woken = Woken::new().await;
    let (url, mut requests, gate) = held(answers).await;
    let wish = json!({"type": "webhook", "pattern": "e/**", "webhook": {"url": url}, "lease_ttl_ms": 1000});
    assert_eq!(woken.sub("PUT", "h", None, wish).await.0, 201);
    woken.ask("PUT", "e/a", None, json!({"n": 1})).await;
    let told = next(&mut requests).await;
    (woken, requests, gate, told)
}

/// Waits until what was told last is acked.
async fn acked(woken: &Woken, told: &Value) {
    let tail = &told["streams"][0]["tail_offset"];
    for _ in 0..500 {
        if woken.sub("GET", "h", None, json!({})).await.1["streams"][0]["acked_offset"] == *tail {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not acked: {told}");
}

#[tokio::test]
async fn an_answer_slower_than_the_lease_still_counts() {
    let (woken, mut requests, gate, told) = under_way(vec![DONE]).await;
    // What comes makes the task look, each time after the lease that was asked for.
    for n in 2..9 {
        woken.world.clock.advance(1_200);
        woken.ask("POST", "e/a", None, json!({ "n": n })).await;
    }
    gate.add_permits(1);
    acked(&woken, &told).await;
    let second = next(&mut requests).await;
    assert_eq!(
        (&second["generation"], &second["streams"][0]["acked_offset"]),
        (&json!(2), &told["streams"][0]["tail_offset"])
    );
}

#[tokio::test]
async fn a_sign_of_life_by_the_callback_does_not_shorten_what_the_answer_may_take() {
    let (woken, mut requests, gate, told) = under_way(vec![DONE]).await;
    let token = told["callback_token"].as_str();
    assert_eq!(woken.sub("POST", "h/callback", token, reply(&told, &json!([]), false)).await.0, 200);
    woken.world.clock.advance(5_000);
    woken.ask("POST", "e/a", None, json!({"n": 2})).await;
    gate.add_permits(1);
    acked(&woken, &told).await;
    assert_eq!(next(&mut requests).await["generation"], json!(2));
}

#[tokio::test]
async fn whoever_answers_later_has_the_lease_that_was_asked_for() {
    let (woken, mut requests, gate, told) = under_way(vec![LATER, DONE]).await;
    woken.world.clock.advance(5_000);
    gate.add_permits(2);
    // Until the answer is taken down, the callback keeps what it finds; then it is over after a second, and sent again.
    let again = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            woken.world.clock.advance(50);
            woken.ask("POST", "e/a", None, json!({"n": 2})).await;
        }
    };
    let began = woken.world.clock.now();
    let second = tokio::select! { second = next(&mut requests) => second, () = again => unreachable!() };
    assert_eq!(second["generation"], json!(2));
    assert!(woken.world.clock.now().since(began) < 5_000, "before the webhook's own limit");
    assert_eq!(told["generation"], json!(1));
}
