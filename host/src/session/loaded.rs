//! The agent of a session: not there, on its way, there, or leaving.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use protocol::id::TurnId;
use protocol::item::Sender;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::LAST_WORDS;
use super::choices::Choice;
use super::files::Files;
use crate::agent::{AgentEvent, Answer, DriveError, Driver, Later, Opened, Steered};
use crate::notes::Held;

/// Longest that the end of a dropped agent is waited for: what the end of everything that it started takes at most.
const LEFT: Duration = Duration::from_secs(10);

/// The agent of a session.
pub(crate) enum Loaded {
    /// Not there.
    No,
    /// It is written down that it will be started.
    Announced,
    /// It is being started.
    Opening(Later<'static, Result<Opened, super::opening::Unavailable>>),
    /// It is there.
    Open(Box<Open>),
    /// It is being closed.
    Closing(Closing),
}

/// An agent that is being closed.
pub(crate) struct Closing {
    /// Nothing of it is left.
    done: Later<'static, ()>,
    /// What it still says meanwhile.
    events: mpsc::Receiver<AgentEvent>,
    /// It has said all.
    said: bool,
    /// It is gone; until then its last words are waited for.
    until: Option<Instant>,
    /// Its driver was dropped: it is gone when it says so.
    dropped: bool,
}

impl Closing {
    pub(crate) fn new(done: Later<'static, ()>, events: mpsc::Receiver<AgentEvent>) -> Self {
        Self { done, events, said: false, until: None, dropped: false }
    }

    /// One whose driver was dropped: it ends by itself, and says nothing more then.
    pub(crate) fn left(events: mpsc::Receiver<AgentEvent>) -> Self {
        let late = async {
            sleep(LEFT).await;
            tracing::error!("an agent that was dropped does not end");
        };
        Self { dropped: true, ..Self::new(Box::pin(late), events) }
    }

    async fn stir(&mut self, listen: bool) -> Stir {
        loop {
            let until = match self.until {
                Some(_) if self.said => return Stir::Closed,
                Some(until) => until,
                None if self.said && self.dropped => return Stir::Closed,
                None => Instant::now() + LAST_WORDS,
            };
            tokio::select! {
                biased;
                event = self.events.recv(), if listen && !self.said => match event {
                    None | Some(AgentEvent::Exited { .. }) => self.said = true,
                    Some(event) => return Stir::Said(Some(event)),
                },
                () = &mut self.done, if self.until.is_none() => self.until = Some(Instant::now() + LAST_WORDS),
                () = sleep_until(until), if self.until.is_some() => return Stir::Closed,
            }
        }
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "No",
            Self::Announced => "Announced",
            Self::Opening(_) => "Opening",
            Self::Open(_) => "Open",
            Self::Closing(_) => "Closing",
        })
    }
}

/// What to tell an agent.
#[derive(Debug)]
pub(crate) enum Order {
    Prompt {
        turn: TurnId,
        text: String,
        files: Files,
    },
    Steer {
        held: Held,
        turn: TurnId,
        text: String,
        files: Files,
    },
    Unsteer {
        held: Held,
        by: Sender,
        turn: TurnId,
    },
    Interrupt,
    Answer {
        held: Option<Held>,
        request: String,
        answer: Answer,
    },
    /// One of the things that a command has chosen; the `last` one ends the command. Without a command it is what was chosen while the
    /// agent was not there, and cannot be said by opening it.
    Choose {
        held: Option<Held>,
        choice: Choice,
        last: bool,
    },
}

/// A running agent.
pub(crate) struct Open {
    /// Not there while it carries out an order, nor once it was killed.
    driver: Option<Box<dyn Driver>>,
    call: Option<Call>,
    orders: VecDeque<Order>,
    events: mpsc::Receiver<AgentEvent>,
    /// Whether it looks at images.
    pub(crate) takes_images: bool,
    /// It was killed: what it still said is read until it is gone, or until then.
    pub(crate) killed: Option<Instant>,
}

/// How an order went; only a prompt in mid-turn is answered by more than yes.
type Done = Result<Option<Steered>, DriveError>;
type Told = (Box<dyn Driver>, Done);

struct Call {
    /// What the call is about, kept here so that a call that is dropped is not forgotten.
    order: Order,
    done: Later<'static, Told>,
}

/// What an agent did.
#[derive(Debug)]
pub(crate) enum Stir {
    Opened(Result<Opened, super::opening::Unavailable>),
    Said(Option<AgentEvent>),
    Told(Order, Done),
    Closed,
}

impl Loaded {
    /// Waits until the agent does something; `listen` says whether there is room for what it says. May be dropped and called
    /// again.
    pub(crate) async fn stir(&mut self, listen: bool) -> Stir {
        match self {
            Self::No | Self::Announced => std::future::pending().await,
            Self::Opening(opening) => Stir::Opened(opening.await),
            Self::Closing(closing) => closing.stir(listen).await,
            Self::Open(open) => {
                let Open { call, events, driver, .. } = &mut **open;
                let said = async { if listen { events.recv().await } else { std::future::pending().await } };
                let told = async {
                    match call {
                        Some(call) => (&mut call.done).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    event = said => Stir::Said(event),
                    (back, result) = told => {
                        *driver = Some(back);
                        let order = call.take().expect("its answer was just taken").order;
                        Stir::Told(order, result)
                    }
                }
            }
        }
    }

    /// The agent, if it is there and was not killed.
    pub(crate) fn running(&mut self) -> Option<&mut Open> {
        match self {
            Self::Open(open) if open.killed.is_none() => Some(open),
            _ => None,
        }
    }
}

impl Open {
    /// A fresh agent.
    pub(crate) fn new(driver: Box<dyn Driver>, events: mpsc::Receiver<AgentEvent>) -> Self {
        let takes_images = driver.takes_images();
        Self { takes_images, driver: Some(driver), call: None, orders: VecDeque::new(), events, killed: None }
    }

    /// Tells it something, after what it is being told; an interrupt goes first.
    pub(crate) fn tell(&mut self, order: Order) {
        match order {
            Order::Interrupt => self.orders.push_front(order),
            _ => self.orders.push_back(order),
        }
        self.next();
    }

    /// Hands over the next order, when the driver is free.
    pub(crate) fn next(&mut self) {
        if self.call.is_some() {
            return;
        }
        let Some(mut driver) = self.driver.take() else { return };
        let Some(order) = self.orders.pop_front() else {
            self.driver = Some(driver);
            return;
        };
        let done: Later<'static, Told> = match &order {
            Order::Prompt { text, files, .. } => {
                let (text, files) = (text.clone(), files.clone());
                Box::pin(async move {
                    let result = match files.prepare(text, driver.takes_images()).await {
                        Ok(ready) => driver.prompt_with(&ready.text, &ready.images).await,
                        Err(error) => Err(error),
                    };
                    (driver, result.map(|()| None))
                })
            }
            Order::Steer { turn, text, files, .. } => {
                let (key, text, files) = (turn.to_string(), text.clone(), files.clone());
                Box::pin(async move {
                    let result = match files.prepare(text, driver.takes_images()).await {
                        Ok(ready) => driver.steer(&key, &ready.text, &ready.images).await,
                        Err(error) => Err(error),
                    };
                    (driver, result.map(Some))
                })
            }
            Order::Unsteer { turn, .. } => {
                let key = turn.to_string();
                Box::pin(async move {
                    let result = driver.unsteer(&key).await;
                    (driver, result.map(|()| None))
                })
            }
            Order::Interrupt => Box::pin(async move {
                let result = driver.interrupt().await;
                (driver, result.map(|()| None))
            }),
            Order::Answer { request, answer, .. } => {
                let (request, answer) = (request.clone(), answer.clone());
                Box::pin(async move {
                    let result = driver.answer(&request, answer).await;
                    (driver, result.map(|()| None))
                })
            }
            Order::Choose { choice, .. } => {
                let choice = choice.clone();
                Box::pin(async move {
                    let result = match choice {
                        Choice::Model(model) => driver.set_options(Some(model), None).await,
                        Choice::Mode(mode) => driver.set_options(None, Some(mode)).await,
                        Choice::Effort(effort) => driver.set_effort(&effort).await,
                        Choice::Default(setting) => driver.to_default(setting).await,
                    };
                    (driver, result.map(|()| None))
                })
            }
        };
        self.call = Some(Call { order, done });
    }

    /// Takes back the prompt of a turn, if it was not begun to be handed over.
    pub(crate) fn take_back(&mut self, turn: TurnId) -> bool {
        let before = self.orders.len();
        self.orders.retain(|order| !matches!(order, Order::Prompt { turn: of, .. } if *of == turn));
        self.orders.len() < before
    }

    /// Forgets what else a command has chosen.
    pub(crate) fn forget_choices(&mut self, of: Held) -> Vec<Choice> {
        let all = std::mem::take(&mut self.orders);
        let mut forgotten = Vec::new();
        for order in all {
            match order {
                Order::Choose { held, choice, .. } if held == Some(of) => forgotten.push(choice),
                order => self.orders.push_back(order),
            }
        }
        forgotten
    }

    /// What it said already and nobody has read.
    pub(crate) fn said(&mut self) -> Option<AgentEvent> {
        self.events.try_recv().ok()
    }

    /// Kills it: dropping the driver, wherever it is, ends the agent and all that it started.
    pub(crate) fn kill(&mut self, until: Instant) {
        self.killed = Some(until);
        self.driver = None;
        if let Some(Call { order, done }) = self.call.take() {
            drop(done);
            self.orders.push_front(order);
        }
    }

    /// Takes it apart: how to close it properly, when that is possible, what it was never told or never answered, and
    /// what it still says.
    pub(crate) fn part(mut self) -> (Option<Box<dyn Driver>>, Vec<Order>, mpsc::Receiver<AgentEvent>) {
        let call = self.call.take().map(|call| call.order);
        (self.driver.take(), call.into_iter().chain(self.orders).collect(), self.events)
    }
}
