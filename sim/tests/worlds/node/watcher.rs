//! One who listens to everything at once through a single socket, slowly, and compares it byte by byte.

use std::collections::BTreeMap;
use std::time::Duration;

use client::socket::Update;
use protocol::fact::SessionFact;
use protocol::path::{Owned, StreamPath};
use protocol::socket::{EndReason, From};
use sim::Dice;
use tokio::time::{sleep, timeout};

use super::PEOPLE;
use super::desk::{Desk, Watched};
use super::person::{connect, setup};

pub(crate) async fn run(seed: u64, desk: Desk) -> turmoil::Result {
    let who = "watcher";
    let setup = setup(&desk).await;
    let (_, socket) = connect(seed, who, &setup.credentials[PEOPLE]);
    let mut dice = Dice::new(seed, who);
    let mut mailbox = socket.mailbox(2);
    let mut keys = BTreeMap::new();
    let mut wanted = vec![StreamPath::feed(setup.account)];
    loop {
        let sessions = desk.pages().sessions.clone();
        wanted.extend(sessions.into_iter().map(StreamPath::journal));
        for stream in wanted.drain(..) {
            let there = desk.tail(&stream).is_some();
            if there && !keys.values().any(|known| *known == stream) {
                keys.insert(mailbox.subscribe(stream.clone(), From::Start).await?, stream);
            }
        }
        if let Ok(letter) = timeout(Duration::from_millis(500), mailbox.next()).await {
            let (key, update) = letter?;
            let stream = keys[&key].clone();
            match update {
                Update::Started { .. } => {}
                Update::Batch { messages, next, .. } => {
                    for message in &messages {
                        wanted.extend(turn_of(&stream, message.get()));
                    }
                    let mut pages = desk.pages();
                    let Watched { messages: copy, marks } = pages.watched.entry(stream).or_default();
                    copy.extend(messages.iter().map(|message| message.get().to_owned()));
                    marks.push((copy.len(), next));
                }
                Update::Ended { reason: EndReason::Closed, next } => {
                    let end = desk.tail(&stream).map(|(tail, closed)| (Some(tail), closed));
                    assert_eq!(end, Some((next, true)), "{who} was told that {stream} ended");
                }
                Update::Ended { reason, next } => panic!("{stream} ended for {who}: {reason:?} at {next:?}"),
                Update::Refused(problem) => panic!("{stream} was refused: {problem}"),
            }
            if dice.chance(50) {
                let nap = dice.millis(0..3_000);
                sleep(nap).await;
            }
        } else if desk.is_over() && has_all(&desk, keys.values()) {
            break;
        }
    }
    socket.close().await;
    Ok(())
}

/// The stream of a turn that a journal says to run.
fn turn_of(stream: &StreamPath, message: &str) -> Option<StreamPath> {
    let Some(Owned::Journal(_)) = stream.owned() else { return None };
    match SessionFact::parse(message.as_bytes()).expect("a journal holds facts") {
        SessionFact::Turn { id, value: Some(turn), .. } if turn.low_water.is_some() => Some(StreamPath::turn(id)),
        _ => None,
    }
}

fn has_all<'a>(desk: &Desk, mut streams: impl Iterator<Item = &'a StreamPath>) -> bool {
    streams.all(|stream| {
        let there = desk.stream(stream).len();
        desk.pages().watched.get(stream).map_or(0, |watched| watched.messages.len()) >= there
    })
}
