//! Sorts what one Codex process says among the sessions that it serves. Pure: a line goes in, and stands in the right lane.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::codec::{self, Call};
use super::lane::{Lane, Parcel};
use crate::agent::AgentEvent;
use crate::agent::link::{self, Refusal, Step};
use crate::agent::words::{Garbage, text};

/// Most threads of sub-agents that are followed in one process; a session seldom has ten.
const THREADS: usize = 4096;

/// Which thread belongs to which session.
#[derive(Debug, Default)]
pub(super) struct Switchboard {
    lanes: BTreeMap<u64, Arc<Lane>>,
    /// The seat of each thread, those of sub-agents among them.
    threads: BTreeMap<String, u64>,
    /// Requests whose answer names the thread of a seat, and the thread that they go on with.
    opening: BTreeMap<String, (u64, Option<String>)>,
    /// Told to all sessions; what is counted is told with the end of a turn, whoever has it.
    garbage: Garbage,
    seats: u64,
    requests: u64,
}

impl Switchboard {
    /// A new seat and its lane.
    pub(super) fn sit_down(&mut self) -> (u64, Arc<Lane>) {
        self.seats += 1;
        let lane = Arc::<Lane>::default();
        self.lanes.insert(self.seats, Arc::clone(&lane));
        (self.seats, lane)
    }

    /// Gives a seat back: what is said to it from now on is lost.
    pub(super) fn stand_up(&mut self, seat: u64) {
        self.lanes.remove(&seat);
        self.threads.retain(|_, of| *of != seat);
        self.opening.retain(|_, (of, _)| *of != seat);
    }

    /// A request whose answer somebody waits for: its id and its line.
    pub(super) fn request(&mut self, call: &Call) -> (String, String) {
        self.requests += 1;
        (self.requests.to_string(), codec::request(&json!(self.requests), call))
    }

    /// The same, for a request that opens the thread of a seat: what is said of the thread right after the answer finds its lane.
    pub(super) fn open_thread(&mut self, seat: u64, call: &Call) -> (String, String) {
        let (id, line) = self.request(call);
        let thread = call.params.get("threadId").and_then(Value::as_str).map(str::to_owned);
        self.opening.insert(id.clone(), (seat, thread));
        (id, line)
    }

    /// A request with which a seat lets go of its thread; `None` when another one goes on with it by now, and would lose it.
    pub(super) fn request_leaving(&mut self, seat: u64, thread: &str, call: &Call) -> Option<(String, String)> {
        let taken = self.threads.get(thread).is_some_and(|of| *of != seat)
            || self.opening.values().any(|(of, opens)| *of != seat && opens.as_deref() == Some(thread));
        (!taken).then(|| self.request(call))
    }

    /// Tells every session.
    pub(super) fn tell_all(&self, event: &AgentEvent) {
        for lane in self.lanes.values() {
            lane.put(Parcel::Event(Box::new(event.clone())), 512);
        }
    }

    fn answered(&mut self, id: &Value, message: Value, bytes: usize) -> Vec<Step> {
        if let Some(seat) = codec::seat_of(id) {
            if let Some(lane) = self.lanes.get(&seat) {
                lane.put(Parcel::Message(message), bytes);
            }
            return Vec::new();
        }
        let id = id.to_string();
        if let (Some((seat, _)), Some(thread)) = (self.opening.remove(&id), message.pointer("/result/thread/id"))
            && self.lanes.contains_key(&seat)
        {
            self.threads.insert(thread.as_str().unwrap_or_default().to_owned(), seat);
        }
        let result = match message.get("error") {
            Some(error) => Err(Refusal {
                code: error.get("code").and_then(Value::as_i64),
                message: text(error, "message").to_owned(),
            }),
            None => Ok(message.get("result").cloned().unwrap_or_default()),
        };
        vec![Step::Response { id, result }]
    }

    /// The lane of the thread that a message is about; a sub-agent's thread goes to the session that it works for.
    fn lane(&mut self, params: &Value) -> Option<&Arc<Lane>> {
        let thread = match params.get("threadId").and_then(Value::as_str) {
            Some(thread) => thread,
            None => params.pointer("/thread/id")?.as_str()?,
        };
        if !self.threads.contains_key(thread) && self.threads.len() < THREADS {
            let parent = params.pointer("/thread/parentThreadId").and_then(Value::as_str)?;
            let seat = *self.threads.get(parent)?;
            self.threads.insert(thread.to_owned(), seat);
        }
        let seat = *self.threads.get(thread)?;
        // The call that starts sub-agents names their threads; often nothing else does.
        if params.pointer("/item/type").and_then(Value::as_str) == Some("collabAgentToolCall") {
            let started = params.pointer("/item/receiverThreadIds").and_then(Value::as_array);
            for child in started.into_iter().flatten().filter_map(Value::as_str) {
                if self.threads.len() < THREADS {
                    self.threads.entry(child.to_owned()).or_insert(seat);
                }
            }
        }
        self.lanes.get(&seat)
    }
}

impl link::Mapper for Switchboard {
    fn line(&mut self, said: &str) -> Vec<Step> {
        let Ok(message) = serde_json::from_str::<Value>(said) else {
            return self.garbage.meet(said).map(Step::Event).into_iter().collect();
        };
        let id = message.get("id").filter(|id| !id.is_null()).cloned();
        let method = text(&message, "method").to_owned();
        if method.is_empty() {
            return match id {
                Some(id) => self.answered(&id, message, said.len()),
                None => self.garbage.meet(said).map(Step::Event).into_iter().collect(),
            };
        }
        let params = message.get("params").cloned().unwrap_or_default();
        let about_one = params.get("threadId").is_some_and(Value::is_string) || params.get("thread").is_some();
        let taken = match self.lane(&params) {
            Some(lane) => lane.put(Parcel::Message(message), said.len()),
            None if !about_one && id.is_none() => {
                for lane in self.lanes.values() {
                    lane.put(Parcel::Message(message.clone()), said.len());
                }
                true
            }
            None => false,
        };
        match id {
            // There is nobody who could be asked.
            Some(id) if !taken => vec![Step::Write(codec::refuse(&id, &method))],
            None if method == "turn/completed" => self.garbage.over().map(Step::Event).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn ended(&mut self) -> Vec<AgentEvent> {
        for lane in self.lanes.values() {
            lane.end();
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::lane::Next;
    use super::*;
    use crate::agent::link::Mapper as _;

    fn open(board: &mut Switchboard, thread: &str) -> (u64, Arc<Lane>) {
        let (seat, lane) = board.sit_down();
        let (id, _) = board.open_thread(seat, &codec::of_thread("thread/start", thread, json!({})));
        let answer = json!({"id": id.parse::<u64>().unwrap(), "result": {"thread": {"id": thread}}}).to_string();
        assert!(matches!(&board.line(&answer)[..], [Step::Response { result: Ok(_), .. }]));
        (seat, lane)
    }

    fn said(lane: &Lane) -> Vec<String> {
        std::iter::from_fn(|| match lane.poll() {
            Some(Next::Parcel(Parcel::Message(message))) => Some(text(&message, "method").to_owned()),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn who_leaves_takes_nothing_from_who_goes_on() {
        let mut board = Switchboard::default();
        let (old, _) = open(&mut board, "one");
        let leave = codec::of_thread("thread/unsubscribe", "one", json!({}));
        assert!(board.request_leaving(old, "one", &leave).is_some());
        let (new, _) = board.sit_down();
        let (id, _) = board.open_thread(new, &codec::of_thread("thread/resume", "one", json!({})));
        assert!(board.request_leaving(old, "one", &leave).is_none(), "it is on its way");
        board.line(&json!({"id": id.parse::<u64>().unwrap(), "result": {"thread": {"id": "one"}}}).to_string());
        assert!(board.request_leaving(old, "one", &leave).is_none(), "it is there");
        assert!(board.request_leaving(new, "one", &leave).is_some());
    }

    #[test]
    fn each_session_hears_of_its_own_threads_and_all_hear_of_what_is_about_none() {
        let mut board = Switchboard::default();
        let (seat, one) = open(&mut board, "one");
        let (_, two) = open(&mut board, "two");
        let lines = [
            r#"{"method":"turn/started","params":{"threadId":"one"}}"#,
            r#"{"method":"thread/started","params":{"thread":{"id":"child","parentThreadId":"two"}}}"#,
            r#"{"method":"item/started","params":{"threadId":"child"}}"#,
            r#"{"method":"account/rateLimits/updated","params":{}}"#,
            r#"{"method":"item/completed","params":{"threadId":"one","item":{"type":"collabAgentToolCall","receiverThreadIds":["named","two"]}}}"#,
            r#"{"method":"turn/completed","params":{"threadId":"named"}}"#,
            r#"{"method":"turn/completed","params":{"threadId":"two"}}"#,
            r#"{"method":"item/started","params":{"threadId":"nobody"}}"#,
        ];
        for line in lines {
            assert!(board.line(line).is_empty(), "{line}");
        }
        assert_eq!(said(&one), ["turn/started", "account/rateLimits/updated", "item/completed", "turn/completed"]);
        assert_eq!(said(&two), ["thread/started", "item/started", "account/rateLimits/updated", "turn/completed"]);
        board.stand_up(seat);
        let ask = r#"{"id":4,"method":"item/fileChange/requestApproval","params":{"threadId":"one"}}"#;
        assert!(matches!(&board.line(ask)[..], [Step::Write(line)] if line.contains("error")));
        board.ended();
        assert_eq!(two.poll(), Some(Next::Gone));
    }
}
