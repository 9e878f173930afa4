//! The audit trail: who did what, when, and how it went. Sizes of words, never the words (N-20, W-124).

use protocol::api::{AuditEntry, AuditPage};
use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, AuditId, DeviceId};
use store::{Batch, Direction, Put, Scan};

use crate::failure::Failure;
use crate::hub::{Hub, decode};
use crate::identity::Identity;
use crate::keys;
use crate::rows::Row;

/// Entries in a page when the client does not say.
const DEFAULT_PAGE: usize = 100;
/// Most entries in a page.
const MAX_PAGE: usize = 500;
/// What an entry says of something that went well.
pub(crate) const OK: &str = "ok";

impl Hub {
    /// An entry about something done now.
    pub(crate) fn entry(&self, who: Option<&Identity>, action: impl Into<String>) -> AuditEntry {
        AuditEntry {
            id: AuditId::from_uuid(self.inner.clock.fresh()),
            at_ms: self.now(),
            account: who.map(|who| who.account),
            device: who.map(|who| who.device),
            source: who.map(|who| who.source.clone()),
            action: action.into(),
            target: None,
            host: None,
            outcome: OK.to_owned(),
            content_bytes: None,
            content: None,
        }
    }

    /// An entry about something that this node did by itself for an account: in its owner's trail the node stands as who did it, in
    /// another's nobody does.
    pub(crate) fn entry_for(&self, account: AccountId, action: impl Into<String>) -> AuditEntry {
        if account == self.account() {
            return self.entry(Some(&self.node_identity()), action);
        }
        AuditEntry { account: Some(account), ..self.entry(None, action) }
    }

    /// Writes an entry on its own, about something that changed nothing else. A failure is logged: the refusal that it is about
    /// stands anyway.
    pub(crate) async fn record(&self, entry: AuditEntry) {
        let action = entry.action.clone();
        let mut batch = Batch::new();
        push(&mut batch, self.account(), &entry);
        if let Err(error) = self.commit(batch).await {
            tracing::error!(%error, action, "an audit entry is lost");
        }
    }

    /// A page of an account's audit trail, newest first.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn audit_page(
        &self,
        account: AccountId,
        before: Option<AuditId>,
        limit: Option<usize>,
    ) -> Result<AuditPage, Problem> {
        let limit = limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
        let after = before.map(|before| keys::audit(account, before));
        let scan = Scan { prefix: keys::all_audit(account), after, direction: Direction::Backwards, limit: limit + 1 };
        let found = self.inner.streams.scan(scan).await.map_err(Failure::from)?;
        let more = found.len() > limit;
        let entries: Result<Vec<AuditEntry>, Failure> =
            found.iter().take(limit).map(|entry| decode(entry).map(|stored| stored.value)).collect();
        let entries = entries?;
        let before = entries.last().filter(|_| more).map(|entry| entry.id);
        Ok(AuditPage { entries, before })
    }
}

/// Adds an entry to a batch.
///
/// What nobody known did is the business of `home`: the account that it is about, or the owner of the node.
pub(crate) fn push(batch: &mut Batch, home: AccountId, entry: &AuditEntry) {
    batch.push(Put::set(keys::audit(entry.account.unwrap_or(home), entry.id), entry.encode()));
}

/// Adds an entry to the trail of an account, whoever did it. Where somebody of another account came from is not this one's to know.
pub(crate) fn push_to(batch: &mut Batch, home: AccountId, entry: AuditEntry) {
    let source = entry.source.clone().filter(|_| entry.account.is_none_or(|account| account == home));
    let entry = AuditEntry { source, ..entry };
    batch.push(Put::set(keys::audit(home, entry.id), entry.encode()));
}

/// The stable word of an error code, as it stands on the wire.
pub(crate) fn word(code: ErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(word)) => word,
        _ => format!("{code:?}"),
    }
}

/// Completes an entry.
pub(crate) trait About: Sized {
    fn about(self, target: impl ToString) -> Self;
    fn on(self, host: DeviceId) -> Self;
    fn sized(self, bytes: usize) -> Self;
    fn failed(self, code: ErrorCode) -> Self;
}

impl About for AuditEntry {
    fn about(mut self, target: impl ToString) -> Self {
        self.target = Some(target.to_string());
        self
    }

    fn on(mut self, host: DeviceId) -> Self {
        self.host = Some(host);
        self
    }

    fn sized(mut self, bytes: usize) -> Self {
        self.content_bytes = Some(bytes as u64);
        self
    }

    fn failed(mut self, code: ErrorCode) -> Self {
        self.outcome = word(code);
        self
    }
}
