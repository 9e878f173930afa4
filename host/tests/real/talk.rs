//! One conversation with an agent, and what was said in it.

use std::time::Duration;

use host::agent::{Agent, AgentEvent, Answer, Driver, OpenSpec, Opened, ProcessMark, TurnEnd, TurnOutcome};
use protocol::item::ItemContent;
use protocol::turn::TurnErrorCode;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Far longer than anything takes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) struct Talk {
    pub(crate) driver: Box<dyn Driver>,
    pub(crate) events: mpsc::Receiver<AgentEvent>,
    pub(crate) mark: ProcessMark,
    /// The agent's own session id, as it was said last.
    pub(crate) session: Option<String>,
    /// The permission mode, as it was said last.
    pub(crate) mode: Option<String>,
}

impl Talk {
    pub(crate) async fn open(agent: &impl Agent, spec: OpenSpec) -> Self {
        Self::of(agent.open(spec).await.unwrap())
    }

    pub(crate) fn of(opened: Opened) -> Self {
        let Opened { driver, events, process, .. } = opened;
        Self { driver, events, mark: process.unwrap(), session: None, mode: None }
    }

    pub(crate) async fn next(&mut self) -> AgentEvent {
        let event = timeout(LONG, self.events.recv()).await.expect("an event in time").expect("the agent lives");
        match &event {
            AgentEvent::Session { agent_session } => self.session = Some(agent_session.clone()),
            AgentEvent::Options { mode, .. } => self.mode.clone_from(mode),
            _ => {}
        }
        event
    }

    pub(crate) async fn until(&mut self, is_it: impl Fn(&AgentEvent) -> bool) -> Vec<AgentEvent> {
        let mut all = Vec::new();
        loop {
            let event = self.next().await;
            let found = is_it(&event);
            all.push(event);
            if found {
                return all;
            }
        }
    }

    pub(crate) async fn turn_ends(&mut self) -> Vec<AgentEvent> {
        self.until(|event| matches!(event, AgentEvent::TurnEnded(_))).await
    }

    pub(crate) async fn turn(&mut self, prompt: &str) -> Vec<AgentEvent> {
        self.driver.prompt(prompt).await.unwrap();
        self.turn_ends().await
    }

    pub(crate) async fn asked(&mut self, prompt: &str) -> (String, AgentEvent) {
        self.driver.prompt(prompt).await.unwrap();
        let ask = self.until(|event| matches!(event, AgentEvent::Ask { .. })).await.pop().unwrap();
        let AgentEvent::Ask { request, .. } = &ask else { unreachable!() };
        (request.clone(), ask)
    }

    pub(crate) async fn answer(&mut self, request: &str, option: &str) -> Vec<AgentEvent> {
        self.driver.answer(request, answer(option)).await.unwrap();
        self.turn_ends().await
    }
}

/// What is said until the process is gone.
pub(crate) async fn last_words(mut events: mpsc::Receiver<AgentEvent>) -> Vec<AgentEvent> {
    let mut all = Vec::new();
    while let Some(event) = timeout(LONG, events.recv()).await.unwrap() {
        all.push(event);
    }
    all
}

pub(crate) fn answer(option: &str) -> Answer {
    Answer { option: option.to_owned(), message: None, answers: Vec::new() }
}

pub(crate) fn end(events: &[AgentEvent]) -> &TurnEnd {
    match events.last() {
        Some(AgentEvent::TurnEnded(end)) => end,
        other => panic!("{other:?}"),
    }
}

/// Where a fork can begin, as it was said last.
pub(crate) fn place(events: &[AgentEvent]) -> Option<String> {
    events.iter().rev().find_map(|event| match event {
        AgentEvent::Place { place } => Some(place.clone()),
        _ => None,
    })
}

pub(crate) fn how(events: &[AgentEvent]) -> &TurnOutcome {
    &end(events).how
}

pub(crate) fn failed(events: &[AgentEvent]) -> Option<TurnErrorCode> {
    if let TurnOutcome::Failed { code, .. } = how(events) { Some(*code) } else { None }
}

pub(crate) fn texts(events: &[AgentEvent]) -> Vec<&str> {
    let settled = events.iter().filter_map(|event| match event {
        AgentEvent::ItemSettled { content: ItemContent::Text { text }, .. } => Some(text.as_str()),
        _ => None,
    });
    settled.collect()
}
