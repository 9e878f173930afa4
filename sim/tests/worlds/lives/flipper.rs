//! A stream that is now of one kind and then of another, and somebody who appends to it what it was a moment ago.

use bytes::Bytes;
use http::{Method, StatusCode};

use super::ledger::{Asker, Ledger, request};

pub(crate) const NAME: &str = "e/x";
/// How often the stream is made.
const ROUNDS: usize = 16;
const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

pub(crate) async fn flip(seed: u64, ledger: Ledger) -> turmoil::Result {
    let mut asker = Asker::new("flipper".to_owned(), seed, ledger);
    asker.subscribed().await;
    asker.ledger.pages().names.insert(NAME.to_owned());
    for round in 0..ROUNDS {
        let kind = if round % 2 == 0 { JSON } else { TEXT };
        loop {
            let put = || request(Method::PUT, NAME).header("content-type", kind).body(Bytes::new()).expect("a request");
            let made = asker.insist(put).await.answer;
            asker.note(format_args!("makes it {kind}: {}", made.status));
            if made.status.is_success() {
                break;
            }
            // What was sent in vain before has come after all.
            asker.insist(|| request(Method::DELETE, NAME).body(Bytes::new()).expect("a request")).await;
        }
        let pause = asker.dice.millis(0..600);
        tokio::time::sleep(pause).await;
        if round + 1 < ROUNDS {
            asker.insist(|| request(Method::DELETE, NAME).body(Bytes::new()).expect("a request")).await;
        }
    }
    asker.ledger.pages().finished += 1;
    Ok(())
}

pub(crate) async fn append(seed: u64, ledger: Ledger) -> turmoil::Result {
    let mut asker = Asker::new("stranger".to_owned(), seed, ledger);
    asker.subscribed().await;
    let mut taken = 0;
    for number in 0..60 {
        let pause = asker.dice.millis(0..300);
        tokio::time::sleep(pause).await;
        let json = asker.dice.chance(500);
        let (kind, body) =
            if json { (JSON, format!("[{{\"n\":{number}}}]")) } else { (TEXT, format!("t:stranger.{number};")) };
        let append = request(Method::POST, NAME).header("content-type", kind).body(body.into()).expect("a request");
        let Some(answer) = asker.once(append).await else { continue };
        asker.note(format_args!("{number} {kind}: {}", answer.status));
        match answer.status {
            StatusCode::NO_CONTENT => taken += 1,
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => {}
            _ => panic!("{answer:?}"),
        }
    }
    asker.note(format_args!("{taken} were taken"));
    asker.ledger.pages().finished += 1;
    Ok(())
}
