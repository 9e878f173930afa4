//! Who reads the replicas at the hub, from where they stopped, until nothing more will come.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use sim::{Dice, Exchange};

use super::ledger::Ledger;
use super::{HUB, ROUGH, paths};

pub(crate) async fn run(seed: u64, ledger: Ledger) -> turmoil::Result {
    let mut dice = Dice::new(seed, "reader");
    let mut next = paths().map(|path| (path, 0, false));
    loop {
        // Before the look, so that it sees all there will ever be.
        let over = ledger.is_over() && turmoil::sim_elapsed().unwrap_or_default() > ROUGH + Duration::from_secs(5);
        let mut quiet = true;
        for (path, from, closed) in &mut next {
            let ask = json!({ "stream": path.as_str(), "from": *from }).to_string();
            let request = Request::post("/read").header("host", HUB).body(Bytes::from(ask)).expect("a request");
            let patience = dice.millis(200..2_000);
            let Ok(answer) = Exchange::whole(HUB, request, patience).await else {
                quiet = false;
                continue;
            };
            match answer.status {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND => continue,
                _ => {
                    quiet = false;
                    continue;
                }
            }
            let page: Value = serde_json::from_slice(&answer.body).expect("the hub speaks JSON");
            let messages = page["messages"].as_array().expect("messages");
            quiet &= messages.is_empty();
            *from = page["next"].as_u64().expect("a number");
            assert!(!*closed || messages.is_empty(), "nothing follows on the end of {path}");
            *closed |= page["closed"] == true;
            let mut pages = ledger.pages();
            let copy = pages.read.entry(path.clone()).or_default();
            copy.messages.extend(messages.iter().map(|message| message.as_str().expect("text").to_owned()));
            copy.closed = *closed;
        }
        if over && quiet {
            return Ok(());
        }
        let pause = dice.millis(10..400);
        tokio::time::sleep(pause).await;
    }
}
