//! What only a link that goes by requests can do wrong: its numbers, its bounds, and whose it is.

use protocol::limits::{LINK_ANSWER_MS, MAX_POLL_MS, MAX_POLLED_FRAMES, SEND_TIMEOUT_MS};
use protocol::polled::{Heard, Taken as Number};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::requests::request;
use super::*;

async fn open(yard: &Yard, machine: &Machine) -> Requests {
    Requests::open(yard.lines.clone(), &machine.credential).await.expect("it is let in")
}

fn hello(machine: &Machine) -> Value {
    serde_json::to_value(NodeFrame::Hello(Box::new(machine.hello(&[])))).expect("JSON")
}

fn renew(req: u32) -> Value {
    serde_json::to_value(NodeFrame::Renew { req, remote_access: RemoteAccess::Active }).expect("JSON")
}

async fn say(node: &Requests, first: u64, frames: &[Value]) -> u64 {
    let (status, answer) = node.ask("say", &json!({"first": first, "frames": frames})).await;
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str::<Number>(&answer).expect("a number").taken
}

async fn hear(node: &Requests, after: u64, wait_ms: u64) -> Heard {
    let (status, answer) = node.ask("hear", &json!({"after": after, "waitMs": wait_ms})).await;
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).expect("an answer")
}

fn kinds(heard: &Heard) -> Vec<String> {
    let kind = |frame: &RawValue| {
        let value: Value = serde_json::from_str(frame.get()).expect("JSON");
        let req = value["req"].as_u64().map(|req| format!(" {req}")).unwrap_or_default();
        format!("{}{req}", value["type"].as_str().expect("a type"))
    };
    heard.frames.iter().map(|frame| kind(frame)).collect()
}

/// A link that was let in and has said two frames; the hub's next one has the number that is given.
async fn linked(yard: &Yard, machine: &Machine) -> (Requests, u64) {
    let node = open(yard, machine).await;
    assert_eq!(say(&node, 1, &[hello(machine)]).await, 1);
    let (mut next, mut said) = (1, 1);
    loop {
        let heard = hear(&node, next - 1, 100).await;
        if heard.frames.is_empty() {
            assert_eq!(said, 2, "the devices are told in one frame");
            return (node, next);
        }
        next += heard.frames.len() as u64;
        for frame in heard.frames {
            if let Ok(HubFrame::News { news }) = serde_json::from_str(frame.get()) {
                said = say(&node, said + 1, &[json!({"type": "heard", "number": news[news.len() - 1].0})]).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_is_taken_once_and_what_comes_too_early_not_at_all() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let (node, next) = linked(&yard, &machine).await;
    assert_eq!(say(&node, 4, &[renew(4)]).await, 2, "one is missing before it");
    assert_eq!(say(&node, 3, &[renew(3)]).await, 3);
    // The same again, with one behind it; and what begins long before.
    assert_eq!(say(&node, 3, &[renew(3), renew(4)]).await, 4);
    assert_eq!(say(&node, 2, &[renew(2), renew(3), renew(4), renew(5)]).await, 5);
    assert_eq!(say(&node, 0, &[renew(9)]).await, 5, "there is no such number");
    let heard = hear(&node, next - 1, 100).await;
    let mut all = kinds(&heard);
    while !all.iter().any(|kind| kind == "renewed 5") {
        all.extend(kinds(&hear(&node, next - 1 + all.len() as u64, 100).await));
    }
    assert_eq!(all, ["renewed 3", "renewed 4", "renewed 5"]);
    assert!(hear(&node, next - 1 + 3, 100).await.frames.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_said_is_kept_until_it_is_named_and_no_longer() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let (node, next) = linked(&yard, &machine).await;
    say(&node, 3, &[renew(7)]).await;
    for _ in 0..3 {
        let heard = hear(&node, next - 1, 1_000).await;
        assert_eq!((heard.first, kinds(&heard)), (next, vec!["renewed 7".to_owned()]), "the answer was lost");
    }
    let named = hear(&node, next, 0).await;
    assert_eq!((named.first, named.frames.len()), (next + 1, 0));
    assert_eq!(hear(&node, next - 1, 0).await.frames.len(), 0, "an old request finds nothing");
    let (status, answer) = node.ask("hear", &json!({"after": next + 1, "waitMs": 0})).await;
    assert_eq!(status, 400, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_news_and_a_later_one_takes_its_place() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let (node, next) = linked(&yard, &machine).await;
    let begun = Instant::now();
    assert!(hear(&node, next - 1, 3_600_000).await.frames.is_empty());
    assert_eq!(begun.elapsed(), Duration::from_millis(MAX_POLL_MS), "no longer than the hub says");
    let begun = Instant::now();
    let (early, (late, ())) = tokio::join!(hear(&node, next - 1, 15_000), async {
        sleep(Duration::from_secs(1)).await;
        tokio::join!(hear(&node, next - 1, 15_000), async {
            sleep(Duration::from_secs(1)).await;
            say(&node, 3, &[renew(5)]).await;
        })
    });
    assert_eq!((early.frames.len(), kinds(&late)), (0, vec!["renewed 5".to_owned()]));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_sign_of_life_is_asked_for_by_an_answer_with_nothing() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let (node, next) = linked(&yard, &machine).await;
    let request =
        protocol::command::CommandRequest { host: machine.device, ..yard.world.start_session(yard.world.session()) };
    yard.world.hub.submit(&yard.world.owner, request).await.expect("it is taken in");
    assert_eq!(kinds(&hear(&node, next - 1, 15_000).await), ["hand"]);
    // It fetches a large file for it, say, and does not answer for half a minute.
    for _ in 0..6 {
        let begun = Instant::now();
        let heard = hear(&node, next, MAX_POLL_MS).await;
        assert!(heard.frames.is_empty() && heard.end.is_none(), "{heard:?}");
        assert_eq!(begun.elapsed(), Duration::from_millis(LINK_ANSWER_MS / 2));
    }
    assert!(yard.world.hub.inner.sockets.has(machine.device));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_fetch_what_was_said_is_cut_off() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let (node, _) = linked(&yard, &machine).await;
    let begun = Instant::now();
    say(&node, 3, &[renew(1)]).await;
    // It says more and more, which is no sign that it hears.
    let mut number = 4;
    while yard.world.hub.inner.sockets.has(machine.device) {
        let (status, answer) = node.ask("say", &json!({"first": number, "frames": [renew(1)]})).await;
        if status == 404 {
            break;
        }
        number = serde_json::from_str::<Number>(&answer).expect("a number").taken + 1;
        sleep(Duration::from_millis(500)).await;
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(SEND_TIMEOUT_MS) && took < Duration::from_millis(SEND_TIMEOUT_MS * 3));
    // And the frames that it leaves are few: what is behind them is not taken.
    assert!(number < 4 + 2 * MAX_POLLED_FRAMES as u64, "{number}");
}

#[tokio::test(start_paused = true)]
async fn who_is_revoked_hears_of_it_at_once_and_is_out() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let (node, next) = linked(&yard, &machine).await;
    let (last, took) = tokio::join!(hear(&node, next - 1, 20_000), async {
        sleep(Duration::from_secs(3)).await;
        yard.world.hub.revoke(&yard.world.owner, machine.device).await.expect("it is revoked");
        Instant::now()
    });
    assert!(took.elapsed() < Duration::from_secs(2));
    assert_eq!((kinds(&last), last.end), (vec!["refused".to_owned()], Some(4401)));
    for what in ["say", "hear"] {
        assert_eq!(node.ask(what, &json!({})).await.0, 401);
    }
    sleep(Duration::from_secs(1)).await;
    assert!(!yard.world.hub.inner.sockets.has(machine.device));
    assert!(Requests::open(yard.lines.clone(), &machine.credential).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_of_the_device_that_opened_it_and_to_all_others_never_was() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let (mut node, next) = linked(&yard, &machine).await;
    let (stranger, _) = yard.world.stranger().await;
    let (own, theirs) = (yard.machine().await, yard.machine_of(stranger.account).await);
    let (_, program) = yard.world.device(&Right::ALL).await;
    let hub = yard.world.hub.node_credential().await.expect("a credential");
    let bare = |answer: &str| {
        let mut answer: Value = serde_json::from_str(answer).expect("a problem");
        answer.as_object_mut().expect("a problem").remove("requestId");
        answer
    };
    let nobodys = yard.world.session().to_string().replace("ses_", "con_");
    let fitting =
        [("say", json!({"first": 3, "frames": [{"type": "bye"}]})), ("hear", json!({"after": next - 1, "waitMs": 0}))];
    for (what, body) in &fitting {
        let (path, never) = (format!("/{}/{what}", node.connection), format!("/{nobodys}/{what}"));
        let ask = async |credential: &str, path: &str| request(&yard.lines, credential, path, &body.to_string()).await;
        for other in [&own, &theirs] {
            let (status, answer) = ask(&other.credential, &path).await;
            assert_eq!(status, 404, "{answer}");
            assert_eq!(bare(&answer), bare(&ask(&other.credential, &never).await.1));
        }
        for (credential, expected) in [(&program, 403), (&hub, 403), (&"twl_dev_x".to_owned(), 401)] {
            assert_eq!(ask(credential, &path).await.0, expected, "{what}");
            assert_eq!(request(&yard.lines, credential, "", "").await.0, expected, "open");
        }
    }
    // Nothing of that has reached it.
    assert_eq!(yard.presence(&machine).await, (Presence::Online, None));
    node.credential.clone_from(&machine.credential);
    assert_eq!(say(&node, 3, &[renew(1)]).await, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_is_refused_and_what_is_over_is_not_there() {
    let yard = Yard::new().await;
    let machine = yard.machine().await;
    let (node, _) = linked(&yard, &machine).await;
    let many: Vec<Value> = (0..=MAX_POLLED_FRAMES).map(|_| json!({})).collect();
    assert_eq!(node.ask("say", &json!({"first": 2, "frames": many})).await.0, 400);
    let large = "x".repeat(crate::link::MAX_SAID_BYTES);
    assert_eq!(node.ask("say", &json!({"first": 2, "frames": [large]})).await.0, 413);
    for body in ["", "{}", "[]", r#"{"first":-1,"frames":[]}"#] {
        let path = format!("/{}/say", node.connection);
        assert_eq!(request(&yard.lines, &machine.credential, &path, body).await.0, 400, "{body}");
    }
    // One that says nothing is not waited for; its number is nobody's then.
    let silent = open(&yard, &machine).await;
    sleep(Duration::from_secs(12)).await;
    assert_eq!(silent.ask("hear", &json!({"after": 0, "waitMs": 0})).await.0, 404);
    assert_eq!(crate::hub::lock(&yard.world.hub.inner.desks.0).len(), 1, "and nothing is kept of it");
}
