//! What the agent asks, and what people answer. Only what is pending can be answered, and the first answer wins (W-039).

use std::path::Path;

use protocol::approval::{Approval, ApprovalContent, ApprovalKind, ApprovalOption, ApprovalState, Decision};
use protocol::command::{AnswerContent, CommandKind};
use protocol::error::ErrorCode;
use protocol::fact::{FACT_VERSION, Operation};
use protocol::id::ApprovalId;
use protocol::item::Sender;

use super::{Session, row};
use crate::agent::Answer;
use crate::journal::batch::After;
use crate::notes::{self, ApprovalNote, Held, NOTE_VERSION};
use crate::project;

/// What the agent waits for.
#[derive(Debug)]
pub(super) struct Asked {
    request: String,
    fact: Approval,
}

impl Session {
    /// The agent asks.
    pub(super) fn ask(
        &mut self,
        request: String,
        item: Option<&str>,
        kind: ApprovalKind,
        options: Vec<ApprovalOption>,
        mut content: ApprovalContent,
    ) {
        if self.approvals.values().any(|asked| asked.request == request) {
            return;
        }
        if self.current.is_none() {
            self.begin_own();
        }
        // Shown as people write it, and without the name of who is logged in.
        content.place = project::display(Path::new(&content.place), self.context.options.home.as_deref());
        let ord = self.take_ord();
        let Some(running) = &self.current else { return };
        let fact = Approval {
            v: FACT_VERSION,
            session: self.id,
            turn: running.note.id,
            item: item.and_then(|key| running.live.known(key)).map(|known| known.id),
            ord,
            kind,
            state: ApprovalState::Pending,
            options,
            decision: None,
            created_at_ms: self.context.now(),
            content,
        };
        let id = ApprovalId::from_uuid(self.context.clock.fresh());
        self.row.doing = Some(row::line_of(&fact.content.title));
        let batch = self.outbox.open();
        batch.note(
            notes::approval(self.id, id),
            Some(notes::encode(&ApprovalNote { v: NOTE_VERSION, fact: fact.clone() })),
        );
        batch.journal(self.id, (id, Operation::Insert, fact.clone()));
        batch.feed((id, Operation::Insert, fact.clone()));
        self.approvals.insert(id, Asked { request, fact });
        self.dirty.fact = true;
    }

    /// The agent no longer asks.
    pub(super) fn withdraw(&mut self, request: &str) {
        let found = self.approvals.iter().find(|(_, asked)| asked.request == request).map(|(id, _)| *id);
        if let Some(asked) = found.and_then(|id| self.approvals.remove(&id).map(|asked| (id, asked))) {
            self.close_approval(asked.0, Approval { state: ApprovalState::Withdrawn, ..asked.1.fact });
        }
    }

    /// Nothing that was asked can be answered any more.
    pub(super) fn close_approvals(&mut self, state: ApprovalState) {
        for (id, asked) in std::mem::take(&mut self.approvals) {
            self.close_approval(id, Approval { state, ..asked.fact });
        }
    }

    fn close_approval(&mut self, id: ApprovalId, fact: Approval) {
        let batch = self.outbox.open();
        batch.note(notes::approval(self.id, id), None);
        batch.journal(self.id, (id, Operation::Update, fact.clone()));
        batch.feed((id, Operation::Update, fact));
        self.dirty.fact = true;
    }

    /// A person answers. The decision is durable before the agent hears of it.
    pub(super) fn answer(&mut self, held: Held, by: Sender, id: ApprovalId, option: String, content: AnswerContent) {
        let Some(asked) = self.approvals.get(&id) else {
            return self.refuse(held, ErrorCode::ApprovalNotPending, "it was answered already, or its agent is gone");
        };
        if !asked.fact.options.iter().any(|offered| offered.id == option) {
            return self.refuse(held, ErrorCode::Invalid, "`option` is not one of those that were offered");
        }
        let Some(Asked { request, fact }) = self.approvals.remove(&id) else { return };
        let answer =
            Answer { option: option.clone(), message: content.message, answers: content.answers.into_iter().collect() };
        let decision = Some(Decision { option, by, at_ms: self.context.now() });
        self.hold(held, CommandKind::AnswerApproval, Some(After::Answer(held, request, answer)));
        self.close_approval(id, Approval { state: ApprovalState::Answered, decision, ..fact });
    }
}
