//! Which streams grew, for whoever carries them elsewhere: a hint, never longer than a limit (rule 9).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use protocol::path::StreamPath;

use crate::subscription::hints::{Hints, Look};

/// What happened since the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grown {
    /// Something was appended to these, or they were made, closed or deleted.
    These(BTreeSet<StreamPath>),
    /// More than is noted: any stream may have grown.
    Any,
}

impl From<Look<StreamPath>> for Grown {
    fn from(look: Look<StreamPath>) -> Self {
        match look {
            Look::At(streams) => Self::These(streams),
            Look::Everywhere => Self::Any,
        }
    }
}

/// Notes every stream that grows from its making on; one task waits for it.
#[derive(Debug)]
pub struct Watch {
    hints: Arc<Hints<StreamPath>>,
}

impl Watch {
    /// Waits until something grew, and takes the names. Cancellation safe.
    pub async fn next(&self) -> Grown {
        self.hints.next().await.into()
    }

    /// Takes the names of what grew already; `None` when nothing did.
    pub fn try_next(&self) -> Option<Grown> {
        self.hints.try_next().map(Grown::from)
    }
}

/// Everybody who watches.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    // Held for one look, never over an await.
    all: Mutex<Vec<Weak<Hints<StreamPath>>>>,
    /// How many there are, so that a commit that nobody watches takes no lock.
    count: AtomicUsize,
}

impl Watches {
    pub(crate) fn add(&self) -> Watch {
        let hints = Arc::new(Hints::default());
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|watch| watch.strong_count() > 0);
        all.push(Arc::downgrade(&hints));
        self.count.store(all.len(), Ordering::SeqCst);
        Watch { hints }
    }

    pub(crate) fn are_some(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn tell(&self, stream: &StreamPath) {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).for_each(|hints| hints.add(stream.clone()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use store::{Append, Batch, Create, MemoryStore, Operation, Put};

    use super::*;
    use crate::Streams;

    #[derive(Debug)]
    struct Still;

    impl protocol::time::Clock for Still {
        fn now(&self) -> protocol::time::UnixMs {
            protocol::time::UnixMs(1)
        }

        fn fresh(&self) -> uuid::Uuid {
            uuid::Uuid::nil()
        }
    }

    #[tokio::test]
    async fn whoever_watches_hears_of_each_stream_that_grows_and_of_no_other() {
        let streams = Streams::new(Arc::new(MemoryStore::new(Arc::new(Still))));
        let path = |text: &str| text.parse::<StreamPath>().unwrap();
        let create = |text: &str| Create {
            stream: path(text),
            content_type: "text/plain".to_owned(),
            config: Bytes::new(),
            messages: Vec::new(),
            close: false,
            or_same: false,
        };
        streams.commit(Batch::of(create("before"))).await.unwrap();
        let (one, two) = (streams.watch(), streams.watch());
        streams.commit(Batch::of(create("a")).and(create("b")).and(Put::set("k", "v"))).await.unwrap();
        streams.commit(Batch::of(Append::new(path("a"), vec!["x".into()]))).await.unwrap();
        drop(two);
        streams.commit(Batch::of(Operation::Delete(path("before")))).await.unwrap();
        let expected = BTreeSet::from(["a", "b", "before"].map(path));
        assert_eq!(one.next().await, Grown::These(expected));
    }
}
