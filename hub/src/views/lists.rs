//! The lists of an account, and the offset from which its feed continues them.

use std::cmp::Reverse;

use bytes::Bytes;
use protocol::api::Lists;
use protocol::approval::ApprovalState;
use protocol::command::CommandKind;
use protocol::error::{ErrorCode, Problem};
use protocol::fact::FeedFact;
use protocol::id::AccountId;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::session::Activity;
use protocol::time::UnixMs;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::hub::Hub;
use crate::keys;

/// Types of rows, in the order in which they are told: what others refer to comes first.
const KINDS: [&str; 9] =
    ["host", "project", "device", "session", "participant", "read_mark", "approval", "rule", "command"];
/// Rows read at once.
const PAGE: usize = 1_000;
/// Sessions told although they are idle: the newest ones.
const MOST_SESSIONS: usize = 500;
/// Commands told although they have ended: the newest ones.
const MOST_COMMANDS: usize = 100;
/// Of those, prompts of participants that nobody has let run: they are told beside the others, so that nobody can push an owner's own out
/// of its lists by sending.
const MOST_HELD: usize = 20;
/// Approvals told although they are answered: the newest ones.
const MOST_APPROVALS: usize = 100;
/// How often rows are read anew because the feed moved meanwhile, to hand out rows that stand exactly at the offset.
const LOOKS: u32 = 3;

impl Hub {
    /// The newest fact of each row of an account's feed, and where they stand.
    ///
    /// The offset is read before the rows. A row may be newer than the offset, never older: who follows the feed from there
    /// gets every later fact, and the last one of each row is the one that stands.
    ///
    /// # Errors
    /// `not_found` for an account without a feed; failures of the store.
    pub async fn lists(&self, account: AccountId) -> Result<Lists, Problem> {
        let mut offset = self.feed_end(account).await?;
        let mut looks = 0;
        loop {
            let mut facts = Vec::new();
            for kind in KINDS {
                facts.extend(self.rows_of(account, kind).await?);
            }
            looks += 1;
            let now = self.feed_end(account).await?;
            if now == offset || looks >= LOOKS {
                return Ok(Lists { facts, offset });
            }
            offset = now;
        }
    }

    async fn feed_end(&self, account: AccountId) -> Result<Offset, Problem> {
        let head = self.inner.streams.head(&StreamPath::feed(account)).await.map_err(Failure::from)?;
        head.map(|head| head.tail).ok_or_else(|| Problem::new(ErrorCode::NotFound))
    }

    async fn rows_of(&self, account: AccountId, kind: &str) -> Result<Vec<Box<RawValue>>, Problem> {
        let mut kept = Vec::new();
        let mut rest: [Vec<(UnixMs, Bytes)>; 2] = Default::default();
        let most = match kind {
            "session" => MOST_SESSIONS,
            "command" => MOST_COMMANDS,
            "approval" => MOST_APPROVALS,
            _ => usize::MAX,
        };
        let mut after = None;
        loop {
            let page = self.scan(keys::rows(account, kind), after.take(), PAGE).await?;
            after = page.last().filter(|_| page.len() == PAGE).map(|entry| entry.key.clone());
            for entry in page {
                match idle_since(&entry.value) {
                    Some((held, at)) if most < usize::MAX => rest[usize::from(held)].push((at, entry.value)),
                    _ => kept.push(entry.value),
                }
            }
            for (rest, most) in rest.iter_mut().zip([most, MOST_HELD]) {
                // Cut now and then, so that many old rows are never all in memory.
                if rest.len() > most.saturating_mul(2) || after.is_none() {
                    rest.sort_by_key(|(at, _)| Reverse(*at));
                    rest.truncate(most);
                }
            }
            if after.is_none() {
                break;
            }
        }
        let mut rest = rest.concat();
        rest.sort_by_key(|(at, _)| *at);
        kept.extend(rest.into_iter().map(|(_, message)| message));
        kept.iter().map(|message| raw(message)).collect::<Result<_, _>>().map_err(Problem::from)
    }
}

/// Since when nothing more is to be expected of a row, and whether it is a prompt that was never let run; `None` for one that must be told
/// in any case.
fn idle_since(message: &[u8]) -> Option<(bool, UnixMs)> {
    let (held, since) = match FeedFact::parse(message).ok()? {
        FeedFact::Session { value: Some(session), .. } => {
            let over =
                matches!(session.activity, Activity::Idle | Activity::NotLoaded | Activity::Dead | Activity::Archived);
            (false, (over && session.background_tasks == 0).then_some(session.updated_at_ms))
        }
        FeedFact::Command { value: Some(command), .. } => {
            let held = command.kind == CommandKind::SendPrompt
                && command.participant.as_ref().is_some_and(|participant| !participant.is_let());
            (held, command.state.is_final().then_some(command.updated_at_ms))
        }
        FeedFact::Approval { value: Some(approval), .. } => {
            (false, (approval.state != ApprovalState::Pending).then_some(approval.created_at_ms))
        }
        _ => return None,
    };
    since.map(|since| (held, since))
}

/// A message as it stands in a stream.
pub(crate) fn raw(message: &[u8]) -> Result<Box<RawValue>, Failure> {
    serde_json::from_slice(message)
        .map_err(|_| Failure::Row { key: "a message of a stream".to_owned(), reason: "it is not JSON".to_owned() })
}
