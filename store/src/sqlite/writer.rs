//! The one thread that writes: it takes whatever batches are ready, makes one step of them, and answers when it is on disk.
//!
//! Group commit without a timer: while one group waits for the disk the next one gathers in the queue, so groups grow with
//! the load and a lone batch never waits.

use std::sync::Arc;

use protocol::path::StreamPath;
use protocol::time::Clock;
use rusqlite::ErrorCode;
use tokio::sync::oneshot;

use super::ledger::{Ledger, Unwritten};
use super::queue::Queue;
use crate::draft::{Refusal, draft};
use crate::port::{Batch, CommitError, Cut, Done, Fork, Operation};

/// Most batches in one transaction; larger groups gain nothing (measured: groups of about 170 carry the peak rate).
const GROUP_BATCHES: usize = 512;
/// Most weight in one transaction: 8 MiB, so that a commit stays short.
const GROUP_WEIGHT: u32 = 8 * 1024;
/// The write-ahead log is copied back once it has so many bytes of pages.
const CHECKPOINT_BYTES: i64 = 8 << 20;
/// Readers are asked to step aside when the log has grown to this.
const RESTART_BYTES: i64 = 16 * CHECKPOINT_BYTES;
/// The length of the log is looked at after this much weight.
const LOOK_WEIGHT: u64 = 2 * 1024;

pub(crate) type Answer = Result<Vec<Done>, CommitError>;

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) work: Work,
    pub(crate) reply: oneshot::Sender<Answer>,
}

#[derive(Debug)]
pub(crate) enum Work {
    Commit(Batch),
    Trim(StreamPath, Cut),
}

impl Work {
    /// Whether it does nothing but append.
    fn appends(&self) -> bool {
        match self {
            Self::Commit(batch) => batch.operations.iter().all(|operation| matches!(operation, Operation::Append(_))),
            Self::Trim(..) => false,
        }
    }

    /// What it costs to hold and to write, in KiB; at least 8, so that a queue's weight bounds its length too.
    pub(crate) fn weight(&self) -> u32 {
        let bytes: usize = match self {
            Self::Trim(_, Cut::Before(_)) => 0,
            Self::Trim(_, Cut::Holes { starts, .. }) => starts.len() * 64,
            Self::Commit(batch) => batch.operations.iter().map(size).sum(),
        };
        u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(8)
    }
}

fn size(operation: &Operation) -> usize {
    let bodies = |messages: &[bytes::Bytes]| messages.iter().map(|body| body.len() + 64).sum::<usize>();
    256 + match operation {
        Operation::Create(create) | Operation::Fork(Fork { create, .. }) => {
            create.config.len() + bodies(&create.messages)
        }
        Operation::Append(append) => bodies(&append.messages),
        Operation::Delete(_) => 0,
        Operation::Put(put) => put.value.as_ref().map_or(0, bytes::Bytes::len),
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    /// Why no commit can succeed any more.
    broken: Option<String>,
    /// Weight written since the length of the log was looked at.
    unseen: u64,
    /// Whether the last group went to the tables.
    tables: bool,
    left: Left,
}

/// What is known of what is gone and still in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    /// Something, perhaps.
    Some,
    /// Something that the disk has no room to remove now: it is tried again after the next group.
    Stuck,
}

/// Why a whole group failed.
enum Failure {
    Full(String),
    Broken(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl From<Unwritten> for Failure {
    fn from(error: Unwritten) -> Self {
        match error {
            Unwritten::Engine(error) => error.into(),
            Unwritten::Full(error) => Self::Full(error.to_string()),
            Unwritten::Broken(error) => Self::Broken(error.to_string()),
        }
    }
}

impl Writer {
    pub(super) fn new(ledger: Ledger, clock: Arc<dyn Clock>) -> Self {
        Self { ledger, clock, broken: None, unseen: 0, tables: false, left: Left::Some }
    }

    /// Serves until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &Queue<Request>) {
        // Whatever ends this thread, nobody waits for it in vain.
        let _abandon = Abandon(queue);
        loop {
            let take = if self.left == Left::Some && self.broken.is_none() { Queue::take_ready } else { Queue::take };
            let Some(group) = take(queue, GROUP_BATCHES, GROUP_WEIGHT) else { break };
            if !group.is_empty() {
                self.serve(group);
            }
            // One step after each group, and one after the other as long as nobody comes.
            self.clean();
            self.checkpoint();
        }
        // So that the database is all there is, for whoever opens it next; what cannot be written now is read from the intake then.
        if self.broken.is_none()
            && let Err(failure) = self.ledger.fold().map_err(Failure::from)
        {
            self.fail(failure);
        }
    }

    fn serve(&mut self, group: Vec<Request>) {
        let mut answers = Vec::with_capacity(group.len());
        let mut waiting = group.into_iter();
        let result = match &self.broken {
            Some(reason) => Err(Failure::Broken(reason.clone())),
            None => self.write(&mut waiting, &mut answers),
        };
        // Conflicts too are told only now: they were judged by state that has just become durable.
        let Err(failure) = result else {
            for (reply, answer) in answers {
                // Nobody waits any more when the future was dropped.
                drop(reply.send(answer));
            }
            return;
        };
        let error = self.fail(failure);
        let unanswered = answers.into_iter().map(|(reply, _)| reply).chain(waiting.map(|request| request.reply));
        for reply in unanswered {
            drop(reply.send(Err(error.clone())));
        }
    }

    fn write(
        &mut self,
        group: &mut std::vec::IntoIter<Request>,
        answers: &mut Vec<(oneshot::Sender<Answer>, Answer)>,
    ) -> Result<(), Failure> {
        let now = self.clock.now();
        self.ledger.begin(group.as_slice().iter().all(|request| request.work.appends()))?;
        for Request { work, reply } in group {
            self.unseen += u64::from(work.weight());
            // The reply first, so that a failure finds it.
            let answer = match work {
                Work::Commit(batch) => draft(&mut self.ledger, now, batch),
                Work::Trim(path, cut) => {
                    answers.push((reply, Ok(Vec::new())));
                    if let Err(conflict) = self.ledger.trim(&path, cut)?
                        && let Some((_, answer)) = answers.last_mut()
                    {
                        *answer = Err(CommitError::Conflict { index: 0, conflict });
                    }
                    continue;
                }
            };
            match answer {
                Ok(accepted) => {
                    answers.push((reply, Ok(accepted.done)));
                    for effect in accepted.effects {
                        self.ledger.apply(effect)?;
                    }
                }
                Err(Refusal::Conflict { index, conflict }) => {
                    answers.push((reply, Err(CommitError::Conflict { index, conflict })));
                }
                Err(Refusal::Source(error)) => {
                    answers.push((reply, Ok(Vec::new())));
                    return Err(error.into());
                }
            }
        }
        self.tables = self.ledger.commit()?;
        if self.tables || self.left == Left::Stuck {
            self.left = Left::Some;
        }
        Ok(())
    }

    /// Removes a part of what is gone and still in the tables.
    fn clean(&mut self) {
        if self.left != Left::Some || self.broken.is_some() {
            return;
        }
        match self.ledger.clean() {
            Ok(None) => self.left = Left::Nothing,
            Ok(Some(step)) => {
                // Each row may have been on a page of its own.
                self.unseen += step.bytes / 1024 + step.rows * 4;
                self.tables = true;
            }
            Err(error) => {
                self.left = Left::Stuck;
                drop(self.fail(error.into()));
            }
        }
    }

    /// Forgets the group. A full disk is over when there is room; after anything else nothing that the disk says can be trusted.
    fn fail(&mut self, failure: Failure) -> CommitError {
        let undone = self.ledger.roll_back();
        match (failure, undone) {
            (Failure::Full(reason), Ok(())) => {
                tracing::warn!(%reason, "the disk is full: nothing was written");
                CommitError::Full { reason }
            }
            (Failure::Full(reason), Err(error)) => self.break_with(format!("{reason}; cannot roll back: {error}")),
            (Failure::Broken(reason), _) => self.break_with(reason),
        }
    }

    fn break_with(&mut self, reason: String) -> CommitError {
        if self.broken.is_none() {
            tracing::error!(%reason, "the store is broken and takes no more commits");
            self.broken = Some(reason.clone());
        }
        CommitError::Broken { reason }
    }

    /// Copies the log back when it has grown, after the answers are out.
    fn checkpoint(&mut self) {
        if self.broken.is_some() || !self.tables || self.unseen < LOOK_WEIGHT {
            return;
        }
        self.unseen = 0;
        let result = self.log("PRAGMA wal_checkpoint(NOOP)").and_then(|bytes| match bytes {
            ..CHECKPOINT_BYTES => Ok(0),
            CHECKPOINT_BYTES..RESTART_BYTES => self.log("PRAGMA wal_checkpoint(PASSIVE)"),
            RESTART_BYTES.. => self.log("PRAGMA wal_checkpoint(RESTART)"),
        });
        match result.map_err(Failure::from) {
            Ok(_) => {}
            // Everything is in the log already, and the log is on disk.
            Err(Failure::Full(reason)) => tracing::warn!(%reason, "the disk is full: the log is not copied back"),
            // The database file may miss pages that the system takes for written: nothing may drop them from the log.
            Err(Failure::Broken(reason)) => drop(self.break_with(format!("cannot copy the log back: {reason}"))),
        }
    }

    /// Runs a checkpoint and tells how many bytes of pages the log has.
    fn log(&self, pragma: &str) -> rusqlite::Result<i64> {
        let connection = self.ledger.connection();
        let page: i64 = connection.prepare_cached("PRAGMA page_size")?.query_row([], |row| row.get(0))?;
        let pages: i64 = connection.prepare_cached(pragma)?.query_row([], |row| row.get(1))?;
        Ok(pages * page)
    }
}

struct Abandon<'a>(&'a Queue<Request>);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{TestClock, append, at, create, path};
    use crate::port::{Append, Put};
    use crate::sqlite::open::{self, Pages};
    use protocol::time::UnixMs;

    fn writer(dir: &std::path::Path) -> Writer {
        let claim = open::claim(dir).expect("a directory");
        let connection = open::writer(dir, &claim.file, UnixMs(1), Pages::Small).expect("a database");
        let (intake, left) = open::intake(dir, &claim.file, &connection).expect("an intake");
        let ledger = Ledger::new(connection, intake, left, Arc::default()).expect("a ledger");
        Writer::new(ledger, Arc::new(TestClock::at(UnixMs(1))))
    }

    /// Serves batches as one group.
    fn group(writer: &mut Writer, batches: Vec<Batch>) -> Vec<Answer> {
        let (requests, replies): (Vec<_>, Vec<_>) = batches
            .into_iter()
            .map(|batch| {
                let (reply, answer) = oneshot::channel();
                (Request { work: Work::Commit(batch), reply }, answer)
            })
            .unzip();
        writer.serve(requests);
        replies.into_iter().map(|mut reply| reply.try_recv().expect("an answer")).collect()
    }

    #[test]
    fn a_conflict_does_not_disturb_its_group() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut writer = writer(dir.path());
        let log = path("log");
        let at_byte = |byte, text| Append { expected: Some(at(byte)), ..append(&log, &[text]) };
        let answers = group(
            &mut writer,
            vec![
                Batch::of(create(&log, "text/plain")).and(append(&log, &["a"])),
                Batch::of(append(&log, &["lost"])).and(Put::set("lost", "")).and(at_byte(0, "lost")),
                Batch::of(at_byte(1, "b")),
                Batch::of(at_byte(1, "late")),
            ],
        );
        assert_eq!(answers[2], Ok(vec![Done::Appended(at(2))]));
        assert!(matches!(answers[1], Err(CommitError::Conflict { index: 2, .. })));
        assert!(matches!(answers[3], Err(CommitError::Conflict { index: 0, .. })));
        let count = |sql| writer.ledger.connection().query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count");
        // The two that follow one another share a row.
        assert_eq!((count("SELECT count(*) FROM message"), count("SELECT count(*) FROM entry")), (1, 0));
    }

    #[test]
    fn no_room_fails_the_group_and_passes() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut writer = writer(dir.path());
        let log = path("log");
        group(&mut writer, vec![Batch::of(create(&log, "text/plain"))]).remove(0).expect("a stream");
        let connection = writer.ledger.connection();
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).expect("a count");
        // Answers with the new limit, so a plain update is refused.
        let limit = |writer: &Writer, pages: i64| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            writer.ledger.connection().query_row(&sql, [], |_| Ok(())).expect("a limit");
        };
        limit(&writer, pages + 4);
        let big = "x".repeat(100_000);
        // The entry has them go to the tables.
        let both = vec![Batch::of(append(&log, &["small"])).and(Put::set("key", "")), Batch::of(append(&log, &[&big]))];
        for answer in group(&mut writer, both.clone()) {
            assert!(matches!(answer, Err(CommitError::Full { .. })), "{answer:?}");
        }
        limit(&writer, 1_000_000);
        let answers = group(&mut writer, both);
        assert_eq!(answers, [Ok(vec![Done::Appended(at(5)), Done::Put(1)]), Ok(vec![Done::Appended(at(100_005))])]);
    }

    #[test]
    fn after_a_failure_nothing_is_acknowledged() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut writer = writer(dir.path());
        let log = path("log");
        group(&mut writer, vec![Batch::of(create(&log, "text/plain"))]).remove(0).expect("a stream");
        writer.ledger.connection().execute_batch("DROP TABLE message").expect("sabotage");
        let both =
            vec![Batch::of(Put::set("key", "")), Batch::of(append(&log, &["x"])), Batch::of(Put::set("other", ""))];
        for answer in group(&mut writer, both) {
            assert!(matches!(answer, Err(CommitError::Broken { .. })), "{answer:?}");
        }
        // This one would go well, if the disk could be trusted.
        let answer = group(&mut writer, vec![Batch::of(Put::set("key", ""))]).remove(0);
        assert!(matches!(answer, Err(CommitError::Broken { .. })), "{answer:?}");
    }

    #[test]
    fn what_was_taken_in_outlives_a_transaction_that_finds_no_room() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut writer = writer(dir.path());
        let log = path("log");
        group(&mut writer, vec![Batch::of(create(&log, "text/plain"))]).remove(0).expect("a stream");
        group(&mut writer, vec![Batch::of(append(&log, &["taken in"]))]).remove(0).expect("an append");
        let limit = |writer: &Writer, pages: i64| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            writer.ledger.connection().query_row(&sql, [], |_| Ok(())).expect("a limit");
        };
        limit(&writer, 1);
        let big = "x".repeat(1 << 20);
        let both = || vec![Batch::of(append(&log, &[&big])).and(Put::set("key", "")), Batch::of(append(&log, &["y"]))];
        for answer in group(&mut writer, both()) {
            assert!(matches!(answer, Err(CommitError::Full { .. })), "{answer:?}");
        }
        // The intake has room of its own.
        let answers = group(&mut writer, vec![Batch::of(append(&log, &["!"]))]);
        assert_eq!(answers, [Ok(vec![Done::Appended(at(9))])]);
        limit(&writer, 1_000_000);
        let answers = group(&mut writer, both());
        let end = 9 + (1 << 20);
        assert_eq!(answers, [Ok(vec![Done::Appended(at(end)), Done::Put(1)]), Ok(vec![Done::Appended(at(end + 1))])]);
    }

    #[test]
    fn the_log_is_copied_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut writer = writer(dir.path());
        let log = path("log");
        group(&mut writer, vec![Batch::of(create(&log, "text/plain"))]).remove(0).expect("a stream");
        let big = "x".repeat(1 << 20);
        for _ in 0..40 {
            group(&mut writer, vec![Batch::of(append(&log, &[&big]))]).remove(0).expect("an append");
            writer.checkpoint();
        }
        let wal = dir.path().join("store.sqlite3-wal").metadata().expect("a log").len();
        assert!(wal < 20 << 20, "40 MiB were written, the log has {wal} bytes");
    }

    #[test]
    fn what_is_much_goes_in_steps_and_others_write_between_them() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut writer = writer(dir.path());
        let (log, other) = (path("log"), path("other"));
        let both = Batch::of(create(&log, "text/plain")).and(create(&other, "text/plain"));
        group(&mut writer, vec![both]).remove(0).expect("streams");
        let rows = 600;
        for _ in 0..rows {
            // The entry has each go to the tables, in a row of its own.
            let batch = Batch::of(append(&log, &["x"])).and(Put::set("key", ""));
            group(&mut writer, vec![batch]).remove(0).expect("an append");
        }
        let count = |writer: &Writer, table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            writer.ledger.connection().query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("a count")
        };
        let made =
            Batch::of(Operation::Delete(log.clone())).and(create(&log, "text/plain")).and(append(&log, &["new"]));
        group(&mut writer, vec![made]).remove(0).expect("a new stream");
        let mut left = count(&writer, "message");
        assert_eq!(left, rows + 1, "nothing large is removed while others wait for it");
        let mut tail = 0;
        while writer.left == Left::Some {
            writer.clean();
            tail += 1;
            let answers = group(&mut writer, vec![Batch::of(append(&other, &["y"]))]);
            assert_eq!(answers, [Ok(vec![Done::Appended(at(tail))])]);
            let now = count(&writer, "message");
            assert!(left - now <= 256, "{left} {now}");
            left = now;
            if tail == 2 {
                // As whoever opens the store after a crash finds it.
                drop(writer);
                writer = self::writer(dir.path());
            }
        }
        assert!(tail > 3, "{tail}");
        assert_eq!((left, count(&writer, "leftover")), (1, 0), "what is new; the other is in the intake");
        group(&mut writer, vec![Batch::of(append(&log, &["er"])).and(Put::set("key", ""))])
            .remove(0)
            .expect("an append");
        assert_eq!(count(&writer, "message"), 3);
    }
}
