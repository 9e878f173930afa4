//! The hub itself: what all its rooms share, and the few ways in which they touch the store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::error::{ErrorCode, Problem};
use protocol::id::{AccountId, DeviceId, SessionId};
use protocol::time::{Clock, UnixMs};
use store::{Batch, Direction, Done, Entry, Scan};
use streams::{Keeper, Keeping, Streams};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Gatehouse;
use crate::failure::Failure;
use crate::health::Checkup;
use crate::link::{Desks, Links};
use crate::options::Options;
use crate::pairing::Tries;
use crate::participants::{self, Sharing};
use crate::port::Known;
use crate::random::Random;
use crate::rate::Rates;
use crate::rows::{Row, Stored};
use crate::sockets::Sockets;
use crate::uplink::Incoming;

/// How often a batch is built anew when others changed the same rows; each time one of them got on.
pub(crate) const TRIES: u32 = 100;
/// How often a lease may lose to changes of what waits before they have to wait for it.
pub(crate) const PATIENCE: u32 = 8;
/// Rows read at once.
const PAGE: usize = 1_000;

/// The server: accounts, devices, rights, commands. Cheap to clone; all clones are the same hub.
#[derive(Debug, Clone)]
pub struct Hub {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) streams: Streams,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) options: Options,
    pub(crate) account: AccountId,
    pub(crate) node: DeviceId,
    /// Work that goes on when whoever asked for it has left.
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    /// Rings when a command was queued or a host took a new generation.
    pub(crate) queue: Bell,
    /// Rings when there is something for a host to hear.
    pub(crate) news: Bell,
    /// Rings when an enrolment changed.
    pub(crate) pairings: Bell,
    /// Rings when something became due earlier than before.
    pub(crate) due: Bell,
    // Each lock is held for the length of one look, never over an await.
    leashes: Mutex<HashMap<DeviceId, CancellationToken>>,
    pub(crate) access: Gatehouse,
    pub(crate) submits: Mutex<HashMap<DeviceId, usize>>,
    pub(crate) tries: Mutex<Tries>,
    pub(crate) rates: Mutex<Rates>,
    /// What participants send to each session.
    pub(crate) paces: Mutex<Rates<(SessionId, AccountId)>>,
    /// Held while one pairing code is judged; whoever waits for it is one of the few tries of a source.
    pub(crate) claiming: tokio::sync::Mutex<()>,
    /// Held while one queued command is changed or moved: a move writes much of a line, and two at once would only be in each other's
    /// way. A host that has lost to such changes several times takes it, too, so that people who type never keep it from its work.
    pub(crate) ordering: tokio::sync::Mutex<()>,
    /// Held while something that another hub handed over is taken or taken back; whoever waits for it waits for the disk.
    pub(crate) incoming: Arc<tokio::sync::Mutex<Incoming>>,
    pub(crate) sockets: Sockets,
    pub(crate) links: Links,
    /// Links that go by requests of their own.
    pub(crate) desks: Desks,
    pub(crate) known: Known,
    pub(crate) sharing: Sharing,
    pub(crate) checkup: Checkup,
    /// Keeps every account's feed as small as what it says.
    pub(crate) keeper: Keeper,
    arrivals: AtomicU64,
}

/// What a hub is made of when it opens.
pub(crate) struct Parts {
    pub(crate) streams: Streams,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) options: Options,
    pub(crate) account: AccountId,
    pub(crate) node: DeviceId,
    /// The newest arrival number that is in use.
    pub(crate) arrival: u64,
}

/// Something that rings; whoever listens hears at least the newest ring after it began.
#[derive(Debug)]
pub(crate) struct Bell(watch::Sender<()>);

impl Bell {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    pub(crate) fn ring(&self) {
        self.0.send_replace(());
    }

    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

/// Locks a mutex whose holder never leaves it half-changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(crate) fn assemble(parts: Parts) -> Self {
        let Parts { streams, clock, random, options, account, node, arrival } = parts;
        let keeper = Keeper::new(streams.clone(), Arc::clone(&clock), Keeping::default());
        let inner = Inner {
            streams,
            clock,
            random,
            options,
            account,
            node,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            queue: Bell::new(),
            news: Bell::new(),
            pairings: Bell::new(),
            due: Bell::new(),
            leashes: Mutex::default(),
            access: Gatehouse::default(),
            submits: Mutex::default(),
            tries: Mutex::default(),
            rates: Mutex::default(),
            paces: Mutex::default(),
            claiming: tokio::sync::Mutex::default(),
            ordering: tokio::sync::Mutex::default(),
            incoming: Arc::default(),
            sockets: Sockets::default(),
            links: Links::default(),
            desks: Desks::default(),
            known: Known::default(),
            sharing: Sharing::default(),
            checkup: Checkup::default(),
            keeper,
            arrivals: AtomicU64::new(arrival),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The owner's account.
    pub fn account(&self) -> AccountId {
        self.inner.account
    }

    /// The node's own device: the host, and the command line beside it.
    pub fn node(&self) -> DeviceId {
        self.inner.node
    }

    /// The host in this node, for the account that it belongs to; `None` for a hub without one, and for everybody else.
    pub fn host(&self, account: AccountId) -> Option<DeviceId> {
        (self.inner.options.host && account == self.inner.account).then_some(self.inner.node)
    }

    /// The version of Towline.
    pub fn version(&self) -> &str {
        &self.inner.options.version
    }

    /// The streams below; to be read and followed only.
    pub fn streams(&self) -> &Streams {
        &self.inner.streams
    }

    /// The hub's clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// The time by the hub's clock.
    pub fn now(&self) -> UnixMs {
        self.inner.clock.now()
    }

    /// Cancelled when the hub begins to stop: everything that lives long ends then.
    pub fn stopping(&self) -> CancellationToken {
        self.inner.stop.clone()
    }

    /// Tracks tasks that the hub waits for when it stops; they must end soon after [`Hub::stopping`] is cancelled.
    pub fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    /// Stops: ends whatever lives long, takes nothing more, and waits until what is under way is on disk.
    pub async fn stop(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.streams.drained().await;
    }

    /// Whether the hub can do its work: the store takes commits and nobody stops it.
    ///
    /// # Errors
    /// `shutting_down`, `store_broken`, `disk_full`.
    pub async fn ready(&self) -> Result<(), Problem> {
        if self.inner.stop.is_cancelled() {
            return Err(Problem::new(ErrorCode::ShuttingDown));
        }
        // Goes through the writer and changes nothing, so that nobody can wear the disk out by asking.
        self.commit(Batch::of(store::Put::remove(crate::keys::PROBE))).await?;
        Ok(())
    }

    /// A number above all that were given out before.
    pub(crate) fn arrival(&self) -> u64 {
        self.inner.arrivals.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What ends when a device is revoked.
    ///
    /// It must be taken before the device's row is read: a revocation between the two is then seen in one of them.
    pub(crate) fn leash(&self, device: DeviceId) -> CancellationToken {
        lock(&self.inner.leashes).entry(device).or_default().clone()
    }

    /// Ends whatever a revoked device has open.
    pub(crate) fn cut(&self, device: DeviceId) {
        let leash = lock(&self.inner.leashes).remove(&device);
        if let Some(leash) = leash {
            leash.cancel();
        }
    }

    pub(crate) async fn load<T: Row>(&self, key: &str) -> Result<Option<Stored<T>>, Failure> {
        self.inner.streams.get(key).await?.map(|entry| decode(&entry)).transpose()
    }

    pub(crate) async fn scan(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Entry>, Failure> {
        Ok(self.inner.streams.scan(Scan { prefix, after, direction: Direction::Forwards, limit }).await?)
    }

    /// Every row below a prefix that is wanted, however many there are.
    pub(crate) async fn every(
        &self,
        prefix: String,
        wanted: impl Fn(&Entry) -> Result<bool, Failure>,
    ) -> Result<Vec<Entry>, Failure> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.scan(prefix.clone(), after.take(), PAGE).await?;
            let next = page.last().filter(|_| page.len() == PAGE).map(|entry| entry.key.clone());
            for entry in page {
                if wanted(&entry)? {
                    found.push(entry);
                }
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// The one way to write. Where several people share the hub, it tells participants what owners are told.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<Vec<Done>, Failure> {
        if self.is_shared() {
            return participants::commit(self, batch).await;
        }
        Ok(self.inner.streams.commit(batch).await?)
    }

    /// Runs something to its end even when whoever asked leaves, so that what follows a commit is never left out.
    pub(crate) async fn whole<T, E>(&self, work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Problem> + Send + 'static,
    {
        match self.inner.tasks.spawn(work).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "a task of the hub ended in the middle");
                Err(Problem::new(ErrorCode::Internal).into())
            }
        }
    }
}

/// Reads a row.
pub(crate) fn decode<T: Row>(entry: &Entry) -> Result<Stored<T>, Failure> {
    // The reason names a place in the row, never what stands there.
    let bad = |e: serde_json::Error| Failure::Row {
        key: entry.key.clone(),
        reason: format!("{:?} at column {}", e.classify(), e.column()),
    };
    let value = serde_json::from_slice(&entry.value).map_err(bad)?;
    Ok(Stored { value, version: entry.version })
}
