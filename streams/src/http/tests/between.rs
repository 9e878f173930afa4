//! What happens to a stream between the look at it and the commit that the look led to.

use store::{CommitFault, Faulty};
use tokio::io::AsyncWriteExt;

use super::lane::{Served, answer, request};
use super::*;
use crate::http::Quota;

const JSON: &str = "content-type: application/json";
const TEXT: &str = "content-type: text/plain";
const CLOSED: &str = "stream-closed: true";
const MATCH: &str = "if-match: \"0000000000000000_0000000000000003\"";
const FROM: &str = "stream-forked-from: s";
const AT: &str = "stream-fork-offset: 0000000000000000_0000000000000001";

/// What is made, what is asked, what others do meanwhile, and what comes of it.
type Case = (Asked, Asked, &'static [Asked], (u16, &'static str));
type Asked = (&'static str, &'static str, &'static [&'static str], &'static str);

/// Where a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Router,
    Lane,
}

/// Makes a stream, sends a request whose first commit waits until others have been, and gives its answer and what is there then.
async fn between(way: Way, made: Asked, first: Asked, others: &[Asked]) -> (u16, String) {
    let store = Arc::new(Faulty::new(MemoryStore::new(ManualClock::at(1_790_000_000_000))));
    let quota = |options: &mut HttpOptions| options.quota = Quota { stream_bytes: Some(10), ..Quota::default() };
    let served = Served::over(store.clone(), quota).await;
    let ask = async |(method, target, fields, body): Asked| served.by_router(method, target, fields, body).await;
    assert_eq!(ask(made).await.status, 201);
    store.plan_commit(Some(CommitFault::Stall));
    let (method, target, fields, body) = first;
    let asked = async {
        match way {
            Way::Router => ask(first).await,
            Way::Lane => {
                let mut io = served.connect().await;
                io.write_all(request(method, target, fields, body).as_bytes()).await.expect("written");
                answer(&mut io, false).await
            }
        }
    };
    let meanwhile = async {
        let begun = async {
            while store.stalled() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), begun).await.expect("it commits something");
        for other in others {
            let said = ask(*other).await;
            assert!(said.status.is_success(), "{other:?}: {said:?}");
        }
        store.release();
    };
    let (said, ()) = tokio::join!(asked, meanwhile);
    let there = served.by_router("GET", target, &[], "").await;
    (said.status.as_u16(), if there.status == 200 { there.body } else { there.status.to_string() })
}

const OLD: Asked = ("PUT", "s", &[TEXT], "old");
const ARRAY: Asked = ("PUT", "s", &[JSON], "[1]");
const PRODUCED: &[&str] = &[TEXT, "producer-id: p", "producer-epoch: 0", "producer-seq: 0"];
const GONE: Asked = ("DELETE", "s", &[], "");

#[tokio::test]
async fn an_append_goes_to_the_stream_that_it_was_judged_for() {
    let cases: &[Case] = &[
        (OLD, ("POST", "s", &[TEXT], "[no"), &[GONE, ("PUT", "s", &[JSON], "")], (409, "[]")),
        (OLD, ("POST", "s", PRODUCED, "[no"), &[GONE, ("PUT", "s", &[JSON], "")], (409, "[]")),
        (ARRAY, ("POST", "s", &[JSON], "[2,3]"), &[GONE, ("PUT", "s", &[TEXT], "")], (409, "")),
        (OLD, ("POST", "s", &[TEXT], "x"), &[GONE, ("PUT", "s", &[TEXT], "new")], (204, "newx")),
        (OLD, ("POST", "s", PRODUCED, "x"), &[GONE, ("PUT", "s", &[TEXT], "new")], (200, "newx")),
        (OLD, ("POST", "s", &[TEXT], "1234567"), &[GONE, ("PUT", "s", &[TEXT], "12345")], (413, "12345")),
        (OLD, ("POST", "s", &[TEXT, CLOSED], ""), &[GONE, ("PUT", "s", &[TEXT, CLOSED], "new")], (204, "new")),
        (OLD, ("POST", "s", &[TEXT, CLOSED], "x"), &[GONE, ("PUT", "s", &[TEXT, CLOSED], "new")], (409, "new")),
        (OLD, ("POST", "s", &[TEXT, MATCH], "x"), &[GONE, ("PUT", "s", &[TEXT], "new")], (412, "new")),
        (OLD, ("POST", "s", &[TEXT], "x"), &[GONE], (404, "404 Not Found")),
        (OLD, ("POST", "s", &[TEXT], "x"), &[("POST", "s", &[TEXT], "y")], (204, "oldyx")),
    ];
    for way in [Way::Router, Way::Lane] {
        for (made, first, others, expected) in cases {
            let (status, there) = between(way, *made, *first, others).await;
            assert_eq!((status, there.as_str()), *expected, "{way:?} {first:?} {others:?}");
        }
    }
}

#[tokio::test]
async fn a_fork_goes_on_from_the_stream_that_was_looked_at() {
    let cases: &[(Asked, &[Asked], (u16, &str))] = &[
        (("PUT", "f", &[FROM], ""), &[GONE, ("PUT", "s", &[JSON], "[1,2]")], (201, "[1,2]")),
        (("PUT", "f", &[FROM, TEXT], ""), &[GONE, ("PUT", "s", &[JSON], "[1,2]")], (409, "404 Not Found")),
        (("PUT", "f", &[FROM, AT], ""), &[GONE, ("PUT", "s", &[TEXT], "new")], (400, "404 Not Found")),
        (("PUT", "f", &[FROM], ""), &[GONE], (404, "404 Not Found")),
        (("PUT", "f", &[FROM], ""), &[("PUT", "f", &[TEXT], "other")], (409, "other")),
        (("PUT", "f", &[FROM], ""), &[("PUT", "f", &[FROM], "x")], (200, "oldx")),
    ];
    for (first, others, expected) in cases {
        let (status, there) = between(Way::Router, OLD, *first, others).await;
        assert_eq!((status, there.as_str()), *expected, "{first:?} {others:?}");
    }
}
