//! Recorded transcripts, what an adapter makes of them, and the laws that hold for all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use protocol::item::{DeltaPart, ItemContent};
use serde_json::{Value, json};

use super::AgentEvent;
use super::link::Step;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The transcripts whose names begin so.
pub(super) fn names(prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder("transcripts"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(prefix))
        .map(|name| name.trim_end_matches(".jsonl").to_owned())
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no transcripts");
    names
}

/// The messages of a transcript: `<` from the agent, `>` to it.
pub(super) fn messages(name: &str) -> Vec<(char, Value)> {
    let all = fs::read_to_string(folder("transcripts").join(format!("{name}.jsonl"))).unwrap();
    all.lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["dir"].as_str().unwrap().chars().next().unwrap(), line["msg"].clone())
        })
        .collect()
}

/// What came out, as the golden files show it: deltas that follow one another are one.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) events: Vec<AgentEvent>,
    shown: Vec<Value>,
}

impl Trace {
    pub(super) fn take(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Event(event) => self.event(event),
                Step::Write(line) => self.shown.push(json!({ "write": serde_json::from_str::<Value>(&line).unwrap() })),
                Step::Response { .. } => {}
            }
        }
    }

    pub(super) fn event(&mut self, event: AgentEvent) {
        let mut shown = serde_json::to_value(&event).unwrap();
        // What the host adds to an ask is no agent's to say.
        if let AgentEvent::Ask { .. } = event
            && let Some(content) = shown.get_mut("content").and_then(Value::as_object_mut)
        {
            content.retain(|key, _| !matches!(key.as_str(), "shown" | "danger" | "because"));
        }
        let merged = self.shown.last_mut().is_some_and(|last| {
            let same = shown["event"] == "delta" && ["event", "item", "part"].iter().all(|key| last[key] == shown[key]);
            if same {
                last["text"] =
                    Value::String([last["text"].as_str().unwrap(), shown["text"].as_str().unwrap()].concat());
            }
            same
        });
        if !merged {
            self.shown.push(shown);
        }
        self.events.push(event);
    }

    /// Compares with the golden file, or writes it under `UPDATE=1`.
    pub(super) fn compare(&self, name: &str) {
        let mut text = String::new();
        for shown in &self.shown {
            text.push_str(&shown.to_string());
            text.push('\n');
        }
        let path = folder("golden").join(format!("{name}.jsonl"));
        #[expect(clippy::disallowed_methods, reason = "the repository's habit for files that tests generate")]
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        for (line, (is, was)) in text.lines().zip(golden.lines()).enumerate() {
            assert_eq!(is, was, "{name}, line {}; UPDATE=1 rewrites it", line + 1);
        }
        assert_eq!(text.lines().count(), golden.lines().count(), "{name}; UPDATE=1 rewrites it");
    }

    /// What holds for every agent: items begin, grow, settle once and replace their deltas; a turn leaves nothing open, no ask either.
    /// Returns the items whose settled text is not what their deltas said.
    pub(super) fn laws(&self, name: &str) -> Vec<String> {
        let mut open: BTreeMap<&str, String> = BTreeMap::new();
        let mut settled = BTreeSet::new();
        let mut asks = BTreeSet::new();
        let mut replaced = Vec::new();
        for event in &self.events {
            match event {
                AgentEvent::ItemStarted { item, content, .. } => {
                    assert!(
                        !settled.contains(item) && open.insert(item, said(content)).is_none(),
                        "{name}: {item} begins twice"
                    );
                }
                AgentEvent::Delta { item, part, text } => {
                    let open = open.get_mut(item.as_str()).unwrap_or_else(|| panic!("{name}: {item} grows unbegun"));
                    if *part == DeltaPart::Text {
                        open.push_str(text);
                    }
                }
                AgentEvent::ItemUpdated { item, content } => {
                    let open = open.get_mut(item.as_str()).unwrap_or_else(|| panic!("{name}: {item} changes unbegun"));
                    *open = said(content);
                }
                AgentEvent::ItemSettled { item, content, .. } => {
                    assert!(settled.insert(item), "{name}: {item} settles twice");
                    if let Some(live) = open.remove(item.as_str())
                        && live != said(content)
                    {
                        replaced.push(item.clone());
                    }
                }
                AgentEvent::ItemAbandoned { item } => {
                    assert!(open.remove(item.as_str()).is_some(), "{name}: {item} was not open");
                }
                AgentEvent::Ask { request, content, options, .. } => {
                    assert!(asks.insert(request), "{name}: {request} is asked twice");
                    assert_eq!(content.labels.len(), options.len(), "{name}: {request}");
                }
                AgentEvent::AskWithdrawn { request } => {
                    assert!(asks.remove(request), "{name}: {request} was not asked");
                }
                AgentEvent::TurnEnded(_) => assert!(open.is_empty(), "{name}: {open:?} is open at the end of a turn"),
                AgentEvent::Session { .. }
                | AgentEvent::Options { .. }
                | AgentEvent::TurnStarted
                | AgentEvent::Background { .. }
                | AgentEvent::ModelWorks { .. }
                | AgentEvent::SteerTaken { .. }
                | AgentEvent::SteerDropped { .. }
                | AgentEvent::Place { .. }
                | AgentEvent::Limits { .. }
                | AgentEvent::Commands { .. }
                | AgentEvent::Notice { .. }
                | AgentEvent::Exited { .. } => {}
            }
        }
        assert!(open.is_empty(), "{name}: {open:?} is open at the end");
        replaced
    }
}

fn said(content: &ItemContent) -> String {
    match content {
        ItemContent::Text { text } | ItemContent::Reasoning { text } => text.clone(),
        _ => String::new(),
    }
}

/// Feeds a mapper with damaged lines of the recordings.
pub(super) fn fuzz_lines(name: &str, prefix: &str, mut line: impl FnMut(&str) -> Vec<Step>) {
    let said =
        |name: String| messages(&name).into_iter().filter(|(way, _)| *way == '<').map(|(_, line)| line.to_string());
    // The longest would only make it slow.
    let lines: Vec<String> = names(prefix).into_iter().flat_map(said).filter(|line| line.len() < 4_096).collect();
    let corpus = fuzz::words(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let told = fuzz::target(name, &corpus, |input| {
        // As the reader of the pipe hands them on: one line, its bytes made UTF-8.
        let text = String::from_utf8_lossy(input).replace('\n', " ");
        line(&text).iter().any(|step| matches!(step, Step::Event(_) | Step::Response { .. }))
    });
    assert!(told.understood > told.count / 20, "{told:?}");
}
