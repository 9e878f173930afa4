//! What the agent asks, and what people answer. Only what is pending can be answered, the first answer wins (W-039), and consent is
//! bound to what was shown.

use std::path::{Path, PathBuf};

use protocol::api::AuditContent;
use protocol::approval::{
    Approval, ApprovalContent, ApprovalKind, ApprovalOption, ApprovalState, Decision, OptionKind, Via,
};
use protocol::command::AnswerContent;
use protocol::error::ErrorCode;
use protocol::fact::{FACT_VERSION, Operation};
use protocol::id::{ApprovalId, RuleId};
use protocol::item::{ItemContent, Sender, ToolCall};

use protocol::limits::MAX_LINE_BYTES;
use protocol::port::{Decided, DecidedWhat};
use protocol::rule::{Rule, RuleContent};
use protocol::turn::{TurnError, TurnErrorCode};
use tokio::time::Instant;

use super::{Session, row};
use crate::agent::{Answer, Later};
use crate::consent::{self, Act, Judged, New, Verdict};
use crate::journal::batch::After;
use crate::journal::limit::{self, Cut};
use crate::notes::{self, ApprovalNote, Held, NOTE_VERSION, RuleNote};
use crate::project;

/// How many approvals that are over are remembered, so that who comes late hears why.
const REMEMBERED: usize = 64;

/// What the agent asks, in its own words.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) request: String,
    /// The agent's key of the tool call that waits.
    pub(super) item: Option<String>,
    pub(super) kind: ApprovalKind,
    pub(super) options: Vec<ApprovalOption>,
    pub(super) content: ApprovalContent,
}

/// What the agent asked and nobody has decided yet whether a person must answer.
pub(super) struct Judging {
    ask: Ask,
    ord: u64,
    /// What the tool call was when it was asked.
    call: String,
    pub(super) judged: Later<'static, Judged>,
}

impl std::fmt::Debug for Judging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judging").field("ask", &self.ask).finish_non_exhaustive()
    }
}

/// What the agent waits for.
#[derive(Debug)]
pub(super) struct Asked {
    ask: Ask,
    fact: Approval,
    call: String,
    /// The standing rules that are offered, by option.
    offers: Vec<(String, New)>,
    pub(super) deadline: Option<Instant>,
}

impl Session {
    /// The agent asks.
    pub(super) fn ask(&mut self, ask: Ask) {
        let same = |other: &Ask| other.request == ask.request && other.content == ask.content;
        let open = self.approvals.values().map(|asked| &asked.ask);
        if self.judging.iter().map(|judging| &judging.ask).chain(open).any(same) {
            return;
        }
        // Asked again in other words: what was shown is void.
        self.withdraw(&ask.request);
        if self.current.is_none() {
            self.begin_own();
        }
        let (call, cut) = self.call_of(&ask).unzip();
        let cut = cut.unwrap_or_default();
        let project = self.context.projects.place(self.row.project);
        let project = project.unwrap_or_else(|| (String::new(), PathBuf::from(&ask.content.place)));
        let home = self.context.options.home.clone();
        let act = Act::of(ask.kind, &self.row.agent, &ask.content, call.as_ref(), project, home);
        self.end_rules();
        let now = self.context.now();
        let held = self.context.rules.of(self.row.project, self.id, now);
        let (policy, session) = (self.context.options.policy_file.clone(), self.id);
        let tonight = self.context.options.tonight.after(now);
        let in_part = cut.left_out > 0;
        let judge = move || {
            let judged = consent::judge(policy.as_deref(), &act, &held, session, tonight);
            if in_part { judged.in_part() } else { judged }
        };
        let threads = self.context.options.threads;
        let judged: Later<'static, Judged> = Box::pin(async move {
            if !threads {
                return judge();
            }
            let done = tokio::task::spawn_blocking(judge).await;
            // Only a bug of ours ends here: a person decides.
            done.unwrap_or_else(|error| {
                tracing::error!(%error, "an ask could not be judged");
                Judged { verdict: Verdict::Ask, because: None, danger: None, offers: Vec::new() }
            })
        });
        let ord = self.take_ord();
        self.judging.push_back(Judging { call: consent::call_key(call.as_ref(), &cut.whole), ask, ord, judged });
    }

    /// The tool call that an ask is about, as it is known now, and what was left out of it.
    fn call_of(&self, ask: &Ask) -> Option<(ToolCall, Cut)> {
        let live = &self.current.as_ref()?.live;
        match live.content(ask.item.as_deref()?)? {
            (ItemContent::ToolCall(call), cut) => Some((call.clone(), cut.clone())),
            _ => None,
        }
    }

    fn key_of(&self, ask: &Ask) -> Option<String> {
        self.call_of(ask).map(|(call, cut)| consent::call_key(Some(&call), &cut.whole))
    }

    /// The oldest ask is judged: it is answered, or shown.
    pub(super) fn judged(&mut self, judged: Judged) {
        let Some(Judging { ask, ord, call, .. }) = self.judging.pop_front() else { return };
        let Some(running) = &self.current else { return };
        let turn = running.note.id;
        let item = ask.item.as_deref().and_then(|key| running.live.known(key)).map(|known| known.id);
        let (known, cut) = self.call_of(&ask).unzip();
        let cut = cut.unwrap_or_default();
        if consent::call_key(known.as_ref(), &cut.whole) != call {
            // It changed while it was judged.
            return self.ask(ask);
        }
        let Judged { verdict, because, danger, offers } = judged;
        let mut options = ask.options.clone();
        let mut content = ask.content.clone();
        content.labels.resize(options.len(), String::new());
        // Shown as people write it, and without the name of who is logged in.
        content.place = project::display(Path::new(&content.place), self.context.options.home.as_deref());
        (content.because, content.danger, content.left_out_bytes) = (because, danger, cut.left_out);
        let fits = limit::approval(&mut content, &options);
        let mut offered = Vec::new();
        match verdict {
            // Of what is not shown whole, nothing is allowed for longer.
            Verdict::Ask if content.left_out_bytes > 0 => {
                keep(&mut options, &mut content, |kind| {
                    !matches!(kind, OptionKind::AllowAlways | OptionKind::AllowRule)
                });
            }
            // What is dangerous, and what the policy wants to be asked, is asked each time: an agent that was told "always" would not.
            Verdict::Ask if content.because.is_some() || content.danger.is_some() => {
                keep(&mut options, &mut content, |kind| kind != OptionKind::AllowAlways);
            }
            Verdict::Ask if self.context.rules.has_room() => offered = offer(&mut options, &mut content, offers),
            Verdict::Deny => keep(&mut options, &mut content, |kind| !kind.consents()),
            Verdict::Ask | Verdict::Allow | Verdict::Rule(..) => {}
        }
        let whole = if content.left_out_bytes == 0 { String::new() } else { whole(&ask, &cut) };
        content.shown = consent::hash(ask.kind, &options, &content, known.as_ref(), &whole);
        let now = self.context.now();
        let fact = Approval {
            v: FACT_VERSION,
            session: self.id,
            turn,
            item,
            ord,
            kind: ask.kind,
            state: ApprovalState::Pending,
            options,
            decision: None,
            created_at_ms: now,
            expires_at_ms: None,
            content,
        };
        if !fits {
            return self.refuse_unseen(ask, fact);
        }
        match verdict {
            Verdict::Allow => self.decide(ask, fact, &[OptionKind::AllowOnce], Via::Policy, None),
            Verdict::Deny => {
                self.decide(ask, fact, &[OptionKind::Deny, OptionKind::DenyAlways], Via::Policy, None);
            }
            Verdict::Rule(id, by) if self.context.rules.holds(id, now) => {
                self.decide(ask, fact, &[OptionKind::AllowOnce], Via::Rule, Some((id, by)));
            }
            // Or the rule was revoked in this moment.
            Verdict::Ask | Verdict::Rule(..) => self.show(ask, fact, call, offered),
        }
    }

    /// Answers without asking anybody; where the agent offers no such answer, a person is asked.
    fn decide(&mut self, ask: Ask, mut fact: Approval, kinds: &[OptionKind], via: Via, rule: Option<(RuleId, Sender)>) {
        let found = kinds.iter().find_map(|kind| fact.options.iter().find(|option| option.kind == *kind));
        let Some(option) = found.cloned() else {
            let call = self.key_of(&ask).unwrap_or_default();
            return self.show(ask, fact, call, Vec::new());
        };
        let id = ApprovalId::from_uuid(self.context.clock.fresh());
        let by = rule.map_or_else(|| self.myself(), |(_, by)| by);
        let what = match (via, option.kind.consents()) {
            (Via::Rule, _) => DecidedWhat::RuleAllowed,
            (_, true) => DecidedWhat::PolicyAllowed,
            (_, false) => DecidedWhat::PolicyDenied,
        };
        let message = fact.content.because.clone().filter(|_| !option.kind.consents());
        fact.state = ApprovalState::Answered;
        let at_ms = self.context.now();
        fact.decision = Some(Decision { option: option.id.clone(), by, at_ms, via, rule: rule.map(|(rule, _)| rule) });
        let answer = Answer { option: option.id, message, answers: Vec::new() };
        let decided = decided(what, id, by, &fact);
        let batch = self.outbox.open();
        batch.uses.extend(rule.map(|(rule, _)| (rule, at_ms)));
        batch.report.audit.push(decided);
        batch.journal(self.id, (id, Operation::Insert, fact));
        batch.after.push(After::Answer(None, ask.request, answer));
    }

    /// Refuses what offers more answers than can be shown, and says so; where it cannot be refused the turn is stopped.
    fn refuse_unseen(&mut self, ask: Ask, fact: Approval) {
        tracing::warn!(session = %self.id, "an ask offers more answers than can be shown");
        let is_no = |option: &&ApprovalOption| {
            matches!(option.kind, OptionKind::Deny | OptionKind::DenyAlways) && option.id.len() <= MAX_LINE_BYTES
        };
        let Some(no) = ask.options.iter().find(is_no).cloned() else {
            let error = TurnError { code: TurnErrorCode::AgentError, by: None };
            return self.interrupt(error);
        };
        let because = Some("it offers more answers than can be shown, so it is refused".to_owned());
        let content = ApprovalContent {
            title: fact.content.title,
            place: fact.content.place,
            labels: vec![String::new()],
            left_out_bytes: fact.content.left_out_bytes + fact.content.detail.len() as u64,
            because,
            ..ApprovalContent::default()
        };
        let kinds = [no.kind];
        let fact = Approval { options: vec![no], content, ..fact };
        self.decide(ask, fact, &kinds, Via::Policy, None);
    }

    /// Shows an ask to people.
    fn show(&mut self, ask: Ask, mut fact: Approval, call: String, offers: Vec<(String, New)>) {
        let expiry = self.context.options.approval_expiry;
        fact.expires_at_ms =
            expiry.map(|expiry| fact.created_at_ms.plus_ms(u64::try_from(expiry.as_millis()).unwrap_or(u64::MAX)));
        let id = ApprovalId::from_uuid(self.context.clock.fresh());
        self.row.doing = Some(row::line_of(&fact.content.title));
        let batch = self.outbox.open();
        batch.note(
            notes::approval(self.id, id),
            Some(notes::encode(&ApprovalNote { v: NOTE_VERSION, fact: fact.clone() })),
        );
        batch.journal(self.id, (id, Operation::Insert, fact.clone()));
        batch.feed((id, Operation::Insert, fact.clone()));
        let deadline = expiry.map(|expiry| Instant::now() + expiry);
        self.approvals.insert(id, Asked { ask, fact, call, offers, deadline });
        self.dirty.fact = true;
    }

    /// Whether the tool call is another one than was shown.
    fn is_changed(&self, asked: &Asked) -> bool {
        self.key_of(&asked.ask).is_some_and(|call| call != asked.call)
    }

    /// A tool call is known better: what was shown of it may be void, and is asked anew, of people and rules alike.
    pub(super) fn recheck(&mut self, key: &str) {
        let waits = |ask: &Ask| ask.item.as_deref() == Some(key);
        let open = self.approvals.iter().filter(|(_, asked)| waits(&asked.ask));
        let stale: Vec<ApprovalId> = open.filter(|(_, asked)| self.is_changed(asked)).map(|(id, _)| *id).collect();
        for id in stale {
            let Some(Asked { mut ask, mut fact, .. }) = self.approvals.remove(&id) else { continue };
            tracing::info!(session = %self.id, approval = %id, "what was asked has changed");
            fact.content.because = Some("what was asked has changed, so it is asked anew".to_owned());
            self.close_approval(id, Approval { state: ApprovalState::Withdrawn, ..fact });
            if let Some(command) = self.call_of(&ask).and_then(|(call, _)| consent::command_of(&call)) {
                ask.content.detail = command;
            }
            self.ask(ask);
        }
    }

    /// The agent no longer asks.
    pub(super) fn withdraw(&mut self, request: &str) {
        self.judging.retain(|judging| judging.ask.request != request);
        let found = self.approvals.iter().find(|(_, asked)| asked.ask.request == request).map(|(id, _)| *id);
        if let Some(asked) = found.and_then(|id| self.approvals.remove(&id).map(|asked| (id, asked))) {
            self.close_approval(asked.0, Approval { state: ApprovalState::Withdrawn, ..asked.1.fact });
        }
    }

    /// Nothing that was asked can be answered any more.
    pub(super) fn close_approvals(&mut self, state: ApprovalState) {
        self.judging.clear();
        for (id, asked) in std::mem::take(&mut self.approvals) {
            self.close_approval(id, Approval { state, ..asked.fact });
        }
    }

    fn close_approval(&mut self, id: ApprovalId, fact: Approval) {
        self.closed.push_back((id, fact.state));
        if self.closed.len() > REMEMBERED {
            self.closed.pop_front();
        }
        let batch = self.outbox.open();
        batch.note(notes::approval(self.id, id), None);
        batch.journal(self.id, (id, Operation::Update, fact.clone()));
        batch.feed((id, Operation::Update, fact));
        self.dirty.fact = true;
    }

    /// Whether this is asked now and may be answered so; what was chosen.
    pub(super) fn may_answer(
        &mut self,
        id: ApprovalId,
        option: &str,
        content: &AnswerContent,
    ) -> Result<ApprovalOption, (ErrorCode, &'static str)> {
        let Some(asked) = self.approvals.get(&id) else {
            return Err((ErrorCode::ApprovalNotPending, self.why_closed(id)));
        };
        if self.is_changed(asked) {
            let item = asked.ask.item.clone().unwrap_or_default();
            self.recheck(&item);
            return Err((ErrorCode::ApprovalChanged, "what was asked has changed, and is asked anew"));
        }
        let Some(chosen) = asked.fact.options.iter().find(|offered| offered.id == option) else {
            return Err((ErrorCode::Invalid, "`option` is not one of those that were offered"));
        };
        match &content.shown {
            Some(shown) if *shown != asked.fact.content.shown => {
                Err((ErrorCode::ApprovalChanged, "this is not what is asked now"))
            }
            None if chosen.kind.consents() => {
                Err((ErrorCode::Invalid, "an answer that consents says what was `shown`"))
            }
            Some(_) | None => Ok(chosen.clone()),
        }
    }

    /// A person answers; the command has begun, and meanwhile somebody else may have been faster. The decision is durable before the
    /// agent hears of it.
    pub(super) fn answer(&mut self, held: Held, by: Sender, id: ApprovalId, option: String, content: AnswerContent) {
        let chosen = match self.may_answer(id, &option, &content) {
            Ok(chosen) => chosen,
            Err((code, why)) => return self.finish(held, Err((code, why.to_owned()))),
        };
        let Some(Asked { ask, mut fact, offers, .. }) = self.approvals.remove(&id) else { return };
        let at_ms = self.context.now();
        let rule = offers.into_iter().find(|(offered, _)| *offered == option).map(|(_, new)| self.make_rule(new, by));
        // The agent knows nothing of standing rules: to it, this is allowed once.
        let told = match rule {
            Some(_) => fact.options.iter().find(|option| option.kind == OptionKind::AllowOnce),
            None => Some(&chosen),
        };
        let told = told.map_or_else(|| option.clone(), |option| option.id.clone());
        let what = match chosen.kind {
            OptionKind::Answer => DecidedWhat::Answered,
            kind if kind.consents() => DecidedWhat::Allowed,
            _ => DecidedWhat::Denied,
        };
        let rule_id = rule.as_ref().map(|(rule, _)| *rule);
        if let Some((_, rule)) = &rule {
            fact.content.because = Some(rule.content.words.clone());
        }
        fact.decision = Some(Decision { option, by, at_ms, via: Via::Person, rule: rule_id });
        let decided = decided(what, id, by, &fact);
        let answer = Answer { option: told, message: content.message, answers: content.answers.into_iter().collect() };
        let batch = self.outbox.open();
        batch.report.audit.push(decided);
        batch.after.extend(rule.map(|(id, rule)| After::Rule(id, Box::new(rule))));
        batch.after.push(After::Answer(Some(held), ask.request, answer));
        self.close_approval(id, Approval { state: ApprovalState::Answered, ..fact });
    }

    fn why_closed(&self, id: ApprovalId) -> &'static str {
        match self.closed.iter().find(|(closed, _)| *closed == id).map(|(_, state)| state) {
            Some(ApprovalState::Answered) => "another answer was faster, and counts",
            Some(ApprovalState::Expired) => "nobody answered in time",
            Some(ApprovalState::Withdrawn) => "the agent no longer asks this",
            Some(ApprovalState::Stale) => "the agent that asked is gone",
            Some(ApprovalState::Pending) | None => "it was answered already, or its agent is gone",
        }
    }

    fn make_rule(&mut self, new: New, by: Sender) -> (RuleId, Rule) {
        let id = RuleId::from_uuid(self.context.clock.fresh());
        let rule = Rule {
            v: FACT_VERSION,
            host: self.context.me.host,
            project: self.row.project,
            session: new.session,
            by,
            created_at_ms: self.context.now(),
            expires_at_ms: new.expires_at_ms,
            uses: 0,
            used_at_ms: None,
            content: RuleContent { words: new.words, scope: new.scope },
        };
        let content = AuditContent { shown: None, because: Some(rule.content.words.clone()) };
        let made = Decided { what: DecidedWhat::RuleMade, target: id.to_string(), by, content };
        let batch = self.outbox.open();
        batch.feed((id, Operation::Insert, rule.clone()));
        batch.note(notes::rule(id), Some(notes::encode(&RuleNote::of(rule.clone()))));
        batch.report.audit.push(made);
        (id, rule)
    }

    /// Takes away the standing rules whose time is over.
    fn end_rules(&mut self) {
        for (id, rule) in self.context.rules.take_over(self.context.now()) {
            let content = AuditContent { shown: None, because: Some(rule.content.words) };
            let batch = self.outbox.open();
            batch.feed(protocol::fact::FeedFact::Rule { id, operation: Operation::Delete, value: None });
            batch.note(notes::rule(id), None);
            batch.note(notes::rule_use(id), None);
            let ended = Decided { what: DecidedWhat::RuleEnded, target: id.to_string(), by: rule.by, content };
            batch.report.audit.push(ended);
        }
    }

    /// When the next approval expires.
    pub(super) fn approval_deadline(&self) -> Option<Instant> {
        self.approvals.values().filter_map(|asked| asked.deadline).min()
    }

    /// Ends what nobody has answered in time: it is refused, and where it cannot be refused the turn is stopped.
    pub(super) fn expire_approvals(&mut self, now: Instant) {
        let over = |asked: &Asked| asked.deadline.is_some_and(|deadline| deadline <= now);
        let ids: Vec<ApprovalId> = self.approvals.iter().filter(|(_, asked)| over(asked)).map(|(id, _)| *id).collect();
        for id in ids {
            let Some(Asked { ask, mut fact, .. }) = self.approvals.remove(&id) else { continue };
            let by = self.myself();
            let refusal = fact.options.iter().find(|option| option.kind == OptionKind::Deny).cloned();
            fact.decision = refusal.as_ref().map(|option| Decision {
                option: option.id.clone(),
                by,
                at_ms: self.context.now(),
                via: Via::Expiry,
                rule: None,
            });
            let expired = decided(DecidedWhat::Expired, id, by, &fact);
            self.outbox.open().report.audit.push(expired);
            self.close_approval(id, Approval { state: ApprovalState::Expired, ..fact });
            match refusal {
                Some(option) => {
                    let message = Some("Nobody answered in time.".to_owned());
                    let answer = Answer { option: option.id, message, answers: Vec::new() };
                    self.outbox.open().after.push(After::Answer(None, ask.request, answer));
                }
                None => self.interrupt(TurnError { code: TurnErrorCode::Cancelled, by: None }),
            }
        }
    }

    /// The host itself, as who decides.
    fn myself(&self) -> Sender {
        Sender { account: self.context.me.account, device: self.context.me.host }
    }
}

/// The digest of all that is asked, shown or not.
fn whole(ask: &Ask, cut: &Cut) -> String {
    let content = serde_json::to_string(&ask.content).expect("contents have string keys");
    consent::digest(&format!("{}\n{content}", cut.whole))
}

fn decided(what: DecidedWhat, id: ApprovalId, by: Sender, fact: &Approval) -> Decided {
    let content = AuditContent { shown: Some(fact.content.shown.clone()), because: fact.content.because.clone() };
    Decided { what, target: id.to_string(), by, content }
}

/// Keeps the options of some kinds, and their words.
fn keep(options: &mut Vec<ApprovalOption>, content: &mut ApprovalContent, kept: impl Fn(OptionKind) -> bool) {
    let mut kinds = options.iter().map(|option| option.kind);
    content.labels.retain(|_| kinds.next().is_none_or(&kept));
    options.retain(|option| kept(option.kind));
}

/// Puts the offered rules behind "once", where the agent offers that.
fn offer(options: &mut Vec<ApprovalOption>, content: &mut ApprovalContent, offers: Vec<New>) -> Vec<(String, New)> {
    let Some(once) = options.iter().position(|option| option.kind == OptionKind::AllowOnce) else { return Vec::new() };
    // A rule that nobody can read is none to make.
    let offers = offers.into_iter().filter(|new| new.words.len() <= MAX_LINE_BYTES);
    let named = offers.enumerate().map(|(at, new)| (format!("standing_{}", at + 1), new));
    let named: Vec<_> = named.filter(|(id, _)| options.iter().all(|option| option.id != *id)).collect();
    for (at, (id, new)) in named.iter().enumerate() {
        options.insert(once + 1 + at, ApprovalOption { id: id.clone(), kind: OptionKind::AllowRule });
        content.labels.insert(once + 1 + at, new.words.clone());
    }
    named
}
