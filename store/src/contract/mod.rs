//! What every store promises, as functions: one law each, to be run on a fresh store.
//!
//! [`contract!`](crate::contract!) makes a test of each law for a store that an expression opens.

mod batches;
mod clock;
mod closing;
mod forks;
mod map;
mod much;
mod producers;
mod reading;
mod streams;

pub use batches::*;
pub use clock::TestClock;
pub use closing::*;
pub use forks::*;
pub use map::*;
pub use much::*;
pub use producers::*;
pub use reading::*;
pub use streams::*;

use bytes::Bytes;
use protocol::offset::Offset;
use protocol::path::StreamPath;

use crate::port::{
    Append, Batch, CommitError, Conflict, Create, Direction, Done, Operation, Page, Producer, Read, ReadError, Store,
};

/// Runs a law to its end on a small runtime of its own.
///
/// # Panics
/// When the law does not hold.
pub fn run<T>(law: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(law)
}

/// Makes one test per law: `contract!(memory, MemoryStore::new(clock()))` makes a module `memory` of tests. The expression is
/// evaluated for each, in an async context, and must give a fresh store; a tuple `(store, guard)` keeps a guard alive.
#[macro_export]
macro_rules! contract {
    ($name:ident, $open:expr) => {
        mod $name {
            use super::*;
            $crate::contract!(@laws $open;
                a_batch_is_whole_or_nothing, later_operations_see_earlier_ones, results_stand_in_order,
                commits_are_serial, readers_see_whole_batches, what_is_acknowledged_is_seen, an_empty_batch_is_a_success,
                creation_fixes_type_and_config, creation_takes_first_messages, or_same_follows_the_matrix,
                a_missing_stream_takes_no_append, tails_count_bytes, empty_messages_leave_no_trace, expected_offsets_guard_appends,
                stream_seq_grows_byte_by_byte, deletion_begins_a_new_epoch, deletion_forgets_producers_and_seq,
                deletion_inside_a_batch, an_append_may_name_its_epoch,
                a_closed_stream_takes_nothing, closing_twice_is_a_success, closing_with_data_is_one_step, the_closing_producer_is_kept,
                a_producer_may_repeat_on_a_closed_stream,
                producers_begin_at_zero, producers_may_repeat, producers_leave_no_gap, producers_are_fenced_by_epoch,
                a_new_epoch_begins_at_zero, a_refused_append_moves_no_producer, a_repeat_comes_before_expectations,
                producers_are_apart,
                pages_go_forwards, pages_go_backwards, pages_hold_at_least_one_message, both_ends_are_empty_pages,
                any_byte_is_a_position_of_bytes, large_messages_are_read_as_small_ones,
                only_boundaries_are_positions_of_json, foreign_positions_are_refused,
                heads_tell_what_pages_tell, trimming_keeps_offsets, trimming_keeps_touched_messages, trimming_everything,
                forks_share_what_was_and_nothing_else, forks_of_forks_read_through, forks_are_judged, deletion_waits_for_forks,
                forks_inside_a_batch, a_fork_takes_an_epoch_that_is_new, holes_move_nothing,
                a_hole_at_the_tail_is_read_over, sources_and_forks_get_no_holes,
                much_is_deleted_at_once, much_is_deleted_inside_a_batch, much_is_cut_off_at_once, much_is_kept_for_forks,
                versions_grow_by_one, puts_demand_versions, scans_go_forwards, scans_go_backwards,
                scans_stay_in_their_prefix,
            );
        }
    };
    (@laws $open:expr; $($law:ident),* $(,)?) => {
        $(
            #[test]
            fn $law() {
                $crate::contract::run(async {
                    let (store, _guard) = $open;
                    $crate::contract::$law(&store).await;
                });
            }
        )*
    };
}

/// A path that a law made up.
pub(crate) fn path(text: &str) -> StreamPath {
    text.parse().expect("a path")
}

pub(crate) fn at(byte: u64) -> Offset {
    Offset::new(0, byte)
}

pub(crate) fn bodies(texts: &[&str]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect()
}

pub(crate) fn create(stream: &StreamPath, content_type: &str) -> Create {
    Create {
        stream: stream.clone(),
        content_type: content_type.to_owned(),
        config: Bytes::new(),
        messages: Vec::new(),
        close: false,
        or_same: false,
    }
}

pub(crate) fn append(stream: &StreamPath, texts: &[&str]) -> Append {
    Append::new(stream.clone(), bodies(texts))
}

pub(crate) fn close(stream: &StreamPath) -> Append {
    Append { close: true, ..append(stream, &[]) }
}

/// An append of one message by a producer.
pub(crate) fn produce(stream: &StreamPath, id: &str, epoch: u64, seq: u64, text: &str) -> Append {
    Append { producer: Some(Producer { id: id.to_owned(), epoch, seq }), ..append(stream, &[text]) }
}

/// Commits one operation that must succeed.
pub(crate) async fn done(store: &dyn Store, operation: impl Into<Operation>) -> Done {
    let done = store.commit(Batch::of(operation)).await.expect("a commit");
    assert_eq!(done.len(), 1, "one result per operation");
    done.into_iter().next().expect("a result")
}

/// Commits one operation that must conflict.
pub(crate) async fn conflict(store: &dyn Store, operation: impl Into<Operation>) -> Conflict {
    match store.commit(Batch::of(operation)).await {
        Err(CommitError::Conflict { index: 0, conflict }) => conflict,
        other => panic!("expected a conflict, not {other:?}"),
    }
}

/// A plain stream of text with these messages.
pub(crate) async fn stream_of(store: &dyn Store, name: &str, content_type: &str, texts: &[&str]) -> StreamPath {
    let path = path(name);
    let made = Create { messages: bodies(texts), ..create(&path, content_type) };
    done(store, made).await;
    path
}

pub(crate) fn whole(stream: &StreamPath, from: Option<Offset>, direction: Direction) -> Read {
    Read { stream: stream.clone(), from, walk: None, direction, max_bytes: usize::MAX, max_messages: usize::MAX }
}

pub(crate) async fn page(store: &dyn Store, read: Read) -> Page {
    store.read(read).await.expect("a page")
}

/// The bodies of a page, as text.
pub(crate) fn texts(page: &Page) -> Vec<&str> {
    page.messages.iter().map(|message| std::str::from_utf8(&message.body).expect("text")).collect()
}

/// Everything in a stream, as text.
pub(crate) async fn contents(store: &dyn Store, stream: &StreamPath) -> Vec<String> {
    let page = page(store, whole(stream, None, Direction::Forwards)).await;
    assert_eq!(page.next, page.head.tail, "an unbounded page reaches the tail");
    texts(&page).into_iter().map(str::to_owned).collect()
}

pub(crate) async fn refused(store: &dyn Store, read: Read) -> ReadError {
    store.read(read).await.expect_err("a refusal")
}
