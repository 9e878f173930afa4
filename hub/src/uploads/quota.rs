//! How much an account may keep (W-092).

use protocol::error::{ErrorCode, Problem};
use protocol::id::AccountId;
use protocol::limits::{MAX_ACCOUNT_BLOB_BYTES, MAX_OPEN_UPLOADS};
use store::{Batch, Expected, Put};

use crate::failure::Failure;
use crate::hub::Hub;
use crate::keys;
use crate::rows::{QuotaRow, Row};

/// What changes of what an account keeps.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change {
    pub(super) more_bytes: u64,
    pub(super) less_bytes: u64,
    pub(super) opened: u32,
    pub(super) ended: u32,
}

/// Adds a change to a batch, which fails when another change was faster.
pub(super) async fn change(
    hub: &Hub,
    batch: &mut Batch,
    account: AccountId,
    change: Change,
) -> Result<QuotaRow, Failure> {
    let key = keys::quota(account);
    let stored = hub.load::<QuotaRow>(&key).await?;
    let (before, expected) =
        stored.map_or((QuotaRow::default(), Expected::Absent), |row| (row.value, Expected::Version(row.version)));
    let after = QuotaRow {
        bytes: (before.bytes + change.more_bytes).saturating_sub(change.less_bytes),
        open: (before.open + change.opened).saturating_sub(change.ended),
    };
    batch.push(Put::set(key, after.encode()).expecting(expected));
    Ok(after)
}

/// Whether an account may keep so much.
pub(super) fn check(after: QuotaRow) -> Result<(), Problem> {
    if after.bytes > MAX_ACCOUNT_BLOB_BYTES {
        let detail = format!("the files of an account have at most {MAX_ACCOUNT_BLOB_BYTES} bytes together");
        return Err(Problem::new(ErrorCode::QuotaExceeded).detail(detail));
    }
    if after.open as usize > MAX_OPEN_UPLOADS {
        let detail = format!("an account has at most {MAX_OPEN_UPLOADS} unfinished uploads");
        return Err(Problem::new(ErrorCode::QuotaExceeded).detail(detail));
    }
    Ok(())
}
