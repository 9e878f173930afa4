//! Writing the feed: a fact and its row go into the same batch, so that lists and stream never differ.

use protocol::fact::{FeedFact, Operation};
use protocol::id::AccountId;
use protocol::path::StreamPath;
use store::{Append, Batch, Expected, Put};

/// The type and the key of a fact's row, and whether the row goes; `None` for a fact that this program does not know.
pub(crate) fn row_of(fact: &FeedFact) -> Option<(&'static str, String, Operation)> {
    Some(match fact {
        FeedFact::Host { id, operation, .. } => ("host", id.to_string(), *operation),
        FeedFact::Project { id, operation, .. } => ("project", id.to_string(), *operation),
        FeedFact::Session { id, operation, .. } => ("session", id.to_string(), *operation),
        FeedFact::Command { id, operation, .. } => ("command", id.to_string(), *operation),
        FeedFact::Approval { id, operation, .. } => ("approval", id.to_string(), *operation),
        FeedFact::Device { id, operation, .. } => ("device", id.to_string(), *operation),
        FeedFact::ReadMark { id, operation, .. } => ("read_mark", id.to_string(), *operation),
        FeedFact::Rule { id, operation, .. } => ("rule", id.to_string(), *operation),
        FeedFact::Participant { id, operation, .. } => ("participant", id.to_string(), *operation),
        FeedFact::Unknown { .. } => return None,
    })
}

/// Adds a fact to an account's feed, and its row to the lists.
pub(crate) fn tell(batch: &mut Batch, account: AccountId, fact: &FeedFact) {
    tell_over(batch, account, fact, Expected::Anything);
}

/// Like [`tell`]; fails with the batch when the row is not what was read before.
pub(crate) fn tell_over(batch: &mut Batch, account: AccountId, fact: &FeedFact, expected: Expected) {
    let (Some((kind, key, operation)), Some(message)) = (row_of(fact), fact.encode()) else { return };
    let row = crate::keys::row(account, kind, &key);
    batch.push(Append::new(StreamPath::feed(account), vec![message.clone()]));
    let put = match operation {
        Operation::Insert | Operation::Update => Put::set(row, message),
        Operation::Delete => Put::remove(row),
    };
    batch.push(put.expecting(expected));
}
