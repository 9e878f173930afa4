//! A little host that writes a session's streams the way the real one does, from a script of random steps.

use crate::approval::{Approval, ApprovalContent, ApprovalKind, ApprovalOption, ApprovalState, OptionKind};
use crate::fact::{Operation, SessionFact};
use crate::id::{ApprovalId, ItemId, SessionId, TurnId};
use crate::item::{Delta, DeltaContent, DeltaPart, Item, ItemContent, ItemStatus, Role, ToolCall};
use crate::offset::Offset;
use crate::time::UnixMs;
use crate::turn::{Origin, Turn, TurnContent, TurnState};

/// One commit of the host: what became visible together.
#[derive(Debug, Clone, Default)]
pub(super) struct Commit {
    pub(super) journal: Vec<SessionFact>,
    pub(super) live: Vec<(TurnId, SessionFact)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    StartTurn,
    StartItem { tool: bool },
    Grow { which: usize, size: usize },
    Snapshot { which: usize },
    Settle { which: usize },
    Abandon { which: usize },
    Ask,
    Answer,
    EndTurn,
}

#[derive(Debug)]
struct Open {
    id: ItemId,
    item: Item,
    next: u64,
    /// How many messages the turn stream held before the item's first one.
    began: u64,
}

/// The writer, and all that it has written.
#[derive(Debug, Default)]
pub(super) struct World {
    minted: u64,
    ord: u64,
    turn: Option<(TurnId, Turn)>,
    written: u64,
    open: Vec<Open>,
    asked: Option<(ApprovalId, Approval)>,
    pub(super) commits: Vec<Commit>,
}

impl World {
    pub(super) fn run(steps: &[Step]) -> Self {
        let mut world = Self::default();
        for step in steps {
            world.step(*step);
        }
        world
    }

    pub(super) fn uuid(n: u64) -> uuid::Uuid {
        uuid::Builder::from_unix_timestamp_millis(1_000 + n, &[9; 10]).into_uuid()
    }

    fn mint(&mut self) -> uuid::Uuid {
        self.minted += 1;
        Self::uuid(self.minted)
    }

    fn place(&mut self) -> u64 {
        self.ord += 1;
        self.ord
    }

    fn low_water(&self) -> Offset {
        Offset::new(0, self.open.iter().map(|open| open.began).min().unwrap_or(self.written))
    }

    fn live(&mut self, commit: &mut Commit, fact: SessionFact) {
        if let Some((turn, _)) = &self.turn {
            commit.live.push((*turn, fact));
            self.written += 1;
        }
    }

    fn turn_fact(&mut self, commit: &mut Commit, state: TurnState, operation: Operation) {
        let low_water = self.low_water();
        if let Some((id, turn)) = &mut self.turn {
            turn.state = state;
            turn.low_water = Some(low_water);
            commit.journal.push((*id, operation, turn.clone()).into());
        }
    }

    fn settle(&mut self, commit: &mut Commit, at: usize, status: ItemStatus) {
        let open = self.open.remove(at);
        let mut item = open.item;
        item.status = status;
        item.index = open.next;
        item.settled_at_ms = Some(UnixMs(7));
        if let ItemContent::Text { text } = &mut item.content {
            // The settled text need not be what the deltas said: the vendor's final block wins.
            text.push('.');
        }
        commit.journal.push((open.id, Operation::Insert, item).into());
    }

    fn step(&mut self, step: Step) {
        let mut commit = Commit::default();
        match step {
            Step::StartTurn if self.turn.is_none() => {
                let id = TurnId::from_uuid(self.mint());
                let turn = Turn {
                    v: 1,
                    session: SessionId::from_uuid(Self::uuid(0)),
                    ord: self.place(),
                    state: TurnState::Running,
                    origin: Origin::Agent,
                    sender: None,
                    agent: "demo".to_owned(),
                    model: None,
                    low_water: None,
                    steer: None,
                    quiet_since_ms: None,
                    queued_at_ms: UnixMs(1),
                    started_at_ms: None,
                    ended_at_ms: None,
                    usage: None,
                    error: None,
                    content: TurnContent::default(),
                };
                self.written = 0;
                self.turn = Some((id, turn));
                self.turn_fact(&mut commit, TurnState::Running, Operation::Insert);
            }
            Step::StartItem { tool } => {
                let Some((turn, _)) = self.turn else { return };
                let id = ItemId::from_uuid(self.mint());
                let content = if tool {
                    ItemContent::ToolCall(ToolCall { name: "Bash".to_owned(), ..ToolCall::default() })
                } else {
                    ItemContent::Text { text: String::new() }
                };
                let item = Item {
                    v: 1,
                    session: SessionId::from_uuid(Self::uuid(0)),
                    turn,
                    ord: self.place(),
                    parent: None,
                    role: Role::Agent,
                    sender: None,
                    status: ItemStatus::Running,
                    index: 0,
                    created_at_ms: UnixMs(2),
                    settled_at_ms: None,
                    left_out_bytes: 0,
                    content,
                };
                self.open.push(Open { id, item: item.clone(), next: 1, began: self.written });
                self.live(&mut commit, (id, Operation::Insert, item).into());
            }
            Step::Grow { which, size } if !self.open.is_empty() => {
                let at = which % self.open.len();
                let text: String = "añ🙂z".chars().cycle().skip(which % 4).take(size + 1).collect();
                let open = &mut self.open[at];
                let part = match open.item.content {
                    ItemContent::ToolCall(_) if which % 2 == 0 => DeltaPart::Input,
                    ItemContent::ToolCall(_) => DeltaPart::Output,
                    _ => DeltaPart::Text,
                };
                super::super::extend(&mut open.item.content, part, &text);
                let delta = Delta { v: 1, index: open.next, part, content: DeltaContent { text } };
                open.item.index = open.next;
                open.next += 1;
                let id = open.id;
                self.live(&mut commit, (id, Operation::Insert, delta).into());
            }
            Step::Snapshot { which } if !self.open.is_empty() => {
                let at = which % self.open.len();
                let open = &mut self.open[at];
                open.item.index = open.next;
                open.next += 1;
                if let ItemContent::ToolCall(call) = &mut open.item.content {
                    call.title.push('t');
                }
                let fact = (open.id, Operation::Update, open.item.clone()).into();
                self.live(&mut commit, fact);
            }
            Step::Settle { which } if !self.open.is_empty() => {
                let at = which % self.open.len();
                self.settle(&mut commit, at, ItemStatus::Done);
                self.turn_fact(&mut commit, TurnState::Running, Operation::Update);
            }
            Step::Abandon { which } if !self.open.is_empty() => {
                let at = which % self.open.len();
                let open = self.open.remove(at);
                self.live(&mut commit, SessionFact::Item { id: open.id, operation: Operation::Delete, value: None });
                self.turn_fact(&mut commit, TurnState::Running, Operation::Update);
            }
            Step::Ask if self.asked.is_none() => self.ask(&mut commit),
            Step::Answer => {
                if let Some((id, mut approval)) = self.asked.take() {
                    approval.state = ApprovalState::Answered;
                    commit.journal.push((id, Operation::Update, approval).into());
                }
            }
            Step::EndTurn if self.turn.is_some() => {
                while !self.open.is_empty() {
                    self.settle(&mut commit, 0, ItemStatus::Interrupted);
                }
                self.turn_fact(&mut commit, TurnState::Completed, Operation::Update);
                self.turn = None;
            }
            _ => return,
        }
        self.commits.push(commit);
    }

    fn ask(&mut self, commit: &mut Commit) {
        let Some((turn, _)) = self.turn else { return };
        let id = ApprovalId::from_uuid(self.mint());
        let approval = Approval {
            v: 1,
            session: SessionId::from_uuid(Self::uuid(0)),
            turn,
            item: None,
            ord: self.place(),
            kind: ApprovalKind::Permission,
            state: ApprovalState::Pending,
            options: vec![ApprovalOption { id: "allow".to_owned(), kind: OptionKind::AllowOnce }],
            decision: None,
            created_at_ms: UnixMs(3),
            expires_at_ms: None,
            content: ApprovalContent::default(),
        };
        commit.journal.push((id, Operation::Insert, approval.clone()).into());
        self.asked = Some((id, approval));
    }
}
