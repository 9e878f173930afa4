//! The facts of a push: what a node says of its host, its projects, sessions, approvals, rules and commands.

use std::collections::{HashMap, HashSet};

use protocol::command::CommandState;
use protocol::fact::{FeedFact, Operation};
use protocol::host::Host;
use protocol::id::{CommandId, DeviceId, RuleId, SessionId};
use protocol::item::Sender;
use protocol::link::Part;
use protocol::session::Session;
use serde_json::value::RawValue;
use store::{Entry, Expected, Put};

use super::mirror::{self, Told};
use super::push::{Draft, Refusal, refuse};
use crate::commands::release;
use crate::failure::Failure;
use crate::feed;
use crate::keys;
use crate::rows::{EditRow, HostRow, Row as _};

/// Kinds of rows that belong to one host.
const KINDS: [&str; 4] = ["project", "session", "approval", "rule"];
/// Rows read at once.
const PAGE: usize = 1_000;

/// The keys of rows that a list of all rows has named.
pub(super) type Named = HashSet<String>;

/// What stands in a row, or will when the batch is committed.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    fact: Option<FeedFact>,
    expected: Expected,
}

impl Draft<'_> {
    pub(super) async fn facts(&mut self, facts: &[Box<RawValue>], whole: Option<Part>) -> Result<(), Refusal> {
        let mut about = None;
        for raw in facts {
            let fact = match FeedFact::parse(raw.get().as_bytes()) {
                Ok(fact) => fact,
                Err(error) => {
                    // A newer node may know shapes that this program does not.
                    tracing::warn!(%error, host = %self.host, "a fact of a linked host is not understood");
                    continue;
                }
            };
            match fact {
                FeedFact::Host { id, .. } if !self.is_host(id) => return refuse("a fact of another host"),
                FeedFact::Host { value, .. } => about = value.or(about),
                FeedFact::Command { id, value: Some(command), .. } => {
                    let told = Told {
                        state: command.state,
                        turn: command.turn,
                        error: command.error,
                        detail: command.content.detail,
                        tried: command.tried,
                    };
                    self.command(id, told).await?;
                }
                FeedFact::Command { .. }
                | FeedFact::Device { .. }
                | FeedFact::ReadMark { .. }
                | FeedFact::Participant { .. }
                | FeedFact::Unknown { .. } => {}
                fact => self.row(fact).await?,
            }
        }
        if let Some(host) = about {
            self.content(host).await?;
        }
        if matches!(whole, Some(Part::Last | Part::Only)) {
            self.remove_unnamed().await?;
        }
        Ok(())
    }

    /// Whether an id is that of the node's host, here or there.
    fn is_host(&self, id: DeviceId) -> bool {
        id == self.host || id == self.there
    }

    /// What the host says of itself; whether it is there is the hub's own to say.
    async fn content(&mut self, said: Host) -> Result<(), Refusal> {
        let key = keys::host(self.host);
        let Some(stored) = self.hub.load::<HostRow>(&key).await? else { return Ok(()) };
        let before = stored.value.host;
        let Host { content, turns_at_once, .. } = said;
        if (&before.content, before.turns_at_once) == (&content, turns_at_once) {
            return Ok(());
        }
        let host = Host { content, turns_at_once, ..before };
        let row = HostRow { account: self.account, host: host.clone() };
        self.batch.push(Put::set(key, row.encode()).expecting(Expected::Version(stored.version)));
        feed::tell(&mut self.batch, self.account, &FeedFact::from((self.host, Operation::Update, host)));
        Ok(())
    }

    async fn command(&mut self, id: CommandId, told: Told) -> Result<(), Refusal> {
        let Some(stored) = mirror::held(self.hub, &self.commands, self.host, id).await? else { return Ok(()) };
        let Some(row) = mirror::mirror(&mut self.batch, self.hub, stored, told) else { return Ok(()) };
        let session = row.value.command.session;
        if !self.makes(session) {
            release(self.hub, &mut self.batch, &row.value).await?;
        }
        if matches!(row.value.command.state, CommandState::Running | CommandState::Succeeded) {
            for attachment in row.value.request.body.attachments() {
                self.retain(session, attachment.blob).await?;
            }
        }
        self.commands.insert(id, row);
        Ok(())
    }

    async fn row(&mut self, fact: FeedFact) -> Result<(), Refusal> {
        let Some((kind, key, operation)) = feed::row_of(&fact) else { return Ok(()) };
        let row = keys::row(self.account, kind, &key);
        self.named.insert(row.clone());
        let standing = self.standing(&row).await?;
        if let Some(there) = &standing.fact
            && !self.owns(there).await?
        {
            return refuse(format!("the {kind} {key} is of another host"));
        }
        if operation == Operation::Delete {
            if standing.fact.is_some() {
                self.remove(row, fact, standing.expected).await?;
            }
            return Ok(());
        }
        let write = if standing.fact.is_some() { Operation::Update } else { Operation::Insert };
        let Some(stamped) = self.stamp(fact, write, standing.fact.is_some()).await? else { return Ok(()) };
        if standing.fact.as_ref().is_some_and(|there| same(there, &stamped)) {
            return Ok(());
        }
        feed::tell_over(&mut self.batch, self.account, &stamped, standing.expected);
        self.rows.insert(row, Standing { fact: Some(stamped), expected: Expected::Anything });
        Ok(())
    }

    async fn standing(&self, row: &str) -> Result<Standing, Refusal> {
        if let Some(standing) = self.rows.get(row) {
            return Ok(standing.clone());
        }
        Ok(match self.hub.inner.streams.get(row).await.map_err(Failure::from)? {
            Some(entry) => Standing { fact: Some(parse(&entry)?), expected: Expected::Version(entry.version) },
            None => Standing { fact: None, expected: Expected::Absent },
        })
    }

    /// Whether a row is this host's.
    async fn owns(&mut self, fact: &FeedFact) -> Result<bool, Refusal> {
        Ok(match fact {
            FeedFact::Session { value: Some(session), .. } => session.host == self.host,
            FeedFact::Project { value: Some(project), .. } => project.host == self.host,
            FeedFact::Rule { value: Some(rule), .. } => rule.host == self.host,
            FeedFact::Approval { value: Some(approval), .. } => {
                let home = self.hub.home(approval.session).await?;
                home.is_none_or(|home| home.host == self.host && home.account == self.account)
            }
            _ => false,
        })
    }

    /// The fact as it stands here: of this account and this host's device, with what people have set by hand. `None` for what is gone here.
    async fn stamp(&mut self, fact: FeedFact, write: Operation, exists: bool) -> Result<Option<FeedFact>, Refusal> {
        Ok(Some(match fact {
            FeedFact::Session { id, value: Some(mut session), .. } => {
                self.check_host(session.host)?;
                if self.session(id).await?.is_none() {
                    return Ok(None);
                }
                (session.account, session.host) = (self.account, self.host);
                self.edited(id, &mut session).await?;
                self.batch.push(Put::remove(keys::gone(id)).expecting(Expected::Absent));
                FeedFact::from((id, write, session))
            }
            FeedFact::Project { id, value: Some(mut project), .. } => {
                self.check_host(project.host)?;
                project.host = self.host;
                FeedFact::from((id, write, project))
            }
            FeedFact::Approval { id, value: Some(mut approval), .. } => {
                if self.session(approval.session).await?.is_none() {
                    return Ok(None);
                }
                if let Some(decision) = &mut approval.decision {
                    decision.by = self.author_in(approval.session, decision.by).await?;
                }
                FeedFact::from((id, write, approval))
            }
            FeedFact::Rule { id, value: Some(mut rule), .. } => {
                self.check_host(rule.host)?;
                if let Some(session) = rule.session
                    && self.session(session).await?.is_none()
                {
                    return Ok(None);
                }
                if !exists && self.is_revoked(id).await? {
                    return Ok(None);
                }
                rule.host = self.host;
                rule.by = self.author(rule.by);
                FeedFact::from((id, write, rule))
            }
            _ => return Ok(None),
        }))
    }

    /// An author as this hub names it.
    fn author(&self, by: Sender) -> Sender {
        let device = if by.device == self.there { self.host } else { by.device };
        Sender { account: self.account, device }
    }

    /// The author of something in a session: a participant is somebody of its own, here as there.
    async fn author_in(&self, session: SessionId, by: Sender) -> Result<Sender, Refusal> {
        let took_part = self.hub.inner.streams.get(&keys::once(by.account, session)).await.map_err(Failure::from)?;
        Ok(if took_part.is_some() { by } else { self.author(by) })
    }

    fn check_host(&self, host: DeviceId) -> Result<(), Refusal> {
        if self.is_host(host) { Ok(()) } else { refuse("a fact about something that is not this host's") }
    }

    /// Puts what people have set here by hand over what the node says. Read after the row was, which an edit writes with it, so that one in
    /// between shows as another version of the row.
    async fn edited(&self, id: SessionId, session: &mut Session) -> Result<(), Refusal> {
        if let Some(edit) = self.hub.load::<EditRow>(&keys::edit(id)).await? {
            edit.value.over(session);
        }
        Ok(())
    }

    /// Whether a rule was revoked here and the node has not heard of it.
    async fn is_revoked(&mut self, rule: RuleId) -> Result<bool, Refusal> {
        if self.revoked.is_none() {
            self.revoked = Some(super::news::revoked_rules(self.hub, self.host).await?);
        }
        Ok(self.revoked.as_ref().is_some_and(|revoked| revoked.contains(&rule)))
    }

    async fn remove(&mut self, row: String, gone: FeedFact, expected: Expected) -> Result<(), Refusal> {
        if let FeedFact::Session { id, .. } = &gone {
            self.bury(*id).await?;
        }
        feed::tell_over(&mut self.batch, self.account, &gone, expected);
        self.rows.insert(row, Standing { fact: None, expected: Expected::Anything });
        Ok(())
    }

    /// Removes the rows of this host that a list of all rows has not named.
    async fn remove_unnamed(&mut self) -> Result<(), Refusal> {
        for kind in KINDS {
            let mut after = None;
            loop {
                let page = self.hub.scan(keys::rows(self.account, kind), after.take(), PAGE).await?;
                for entry in &page {
                    if self.named.contains(&entry.key) || self.rows.contains_key(&entry.key) {
                        continue;
                    }
                    let fact = parse(entry)?;
                    if self.owns(&fact).await?
                        && let Some(gone) = deletion(&fact)
                    {
                        self.remove(entry.key.clone(), gone, Expected::Version(entry.version)).await?;
                    }
                }
                match page.last() {
                    Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                    _ => break,
                }
            }
        }
        Ok(())
    }
}

fn parse(entry: &Entry) -> Result<FeedFact, Refusal> {
    let bad =
        |error: protocol::fact::ParseFactError| Failure::Row { key: entry.key.clone(), reason: error.to_string() };
    Ok(FeedFact::parse(&entry.value).map_err(bad)?)
}

/// Whether two facts say the same of their row, however each was written.
fn same(there: &FeedFact, here: &FeedFact) -> bool {
    match (there, here) {
        (FeedFact::Session { value: a, .. }, FeedFact::Session { value: b, .. }) => a == b,
        (FeedFact::Project { value: a, .. }, FeedFact::Project { value: b, .. }) => a == b,
        (FeedFact::Approval { value: a, .. }, FeedFact::Approval { value: b, .. }) => a == b,
        (FeedFact::Rule { value: a, .. }, FeedFact::Rule { value: b, .. }) => a == b,
        _ => false,
    }
}

/// The fact that a row is gone.
fn deletion(fact: &FeedFact) -> Option<FeedFact> {
    let operation = Operation::Delete;
    Some(match *fact {
        FeedFact::Session { id, .. } => FeedFact::Session { id, operation, value: None },
        FeedFact::Project { id, .. } => FeedFact::Project { id, operation, value: None },
        FeedFact::Approval { id, .. } => FeedFact::Approval { id, operation, value: None },
        FeedFact::Rule { id, .. } => FeedFact::Rule { id, operation, value: None },
        _ => return None,
    })
}

/// What rows of a draft are.
pub(super) type Rows = HashMap<String, Standing>;
