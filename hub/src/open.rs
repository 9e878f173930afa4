//! Opening a hub: the owner's account at the first start, and the check of the layout at every start.

use std::sync::Arc;

use bytes::Bytes;
use protocol::device::{DeviceKind, Right};
use protocol::error::Problem;
use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::host::{AwayReason, Host, HostContent, Presence, RemoteAccess};
use protocol::id::{AccountId, DeviceId};
use protocol::limits::DEFAULT_TURNS_AT_ONCE;
use protocol::path::StreamPath;
use protocol::time::Clock;
use store::{Batch, CommitError, Create, Expected, Put, ReadError};
use streams::Streams;

use crate::devices::NewDevice;
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, Parts};
use crate::keys;
use crate::options::Options;
use crate::random::Random;
use crate::rows::{self, AccountRow, HostRow, LinkRow, Owner, Row};

/// What messages of the product's own streams are.
pub(crate) const CONTENT_TYPE: &str = "application/json";

/// Hosts read at once.
const HOSTS_PAGE: usize = 1_000;

/// A hub cannot open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data was written by a newer Towline.
    #[error("the data has format {found}; this Towline reads format {known}")]
    Newer {
        /// The format of the data.
        found: u64,
        /// The newest format that this program reads.
        known: u64,
    },
    /// The marker of the format, or a row that must be there, is not readable.
    #[error("the data is not a hub's: {reason}")]
    Foreign {
        /// What is wrong.
        reason: String,
    },
    /// Reading failed.
    #[error("the data cannot be read")]
    Read(#[source] ReadError),
    /// Writing failed.
    #[error("the data cannot be written")]
    Commit(#[source] CommitError),
    /// The options make no sense.
    #[error("the node cannot be called that: {0}")]
    Options(#[source] Problem),
}

impl OpenError {
    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Newer { .. } => "Update Towline on this machine, or start it with another data directory.",
            Self::Foreign { .. } => "Start Towline with another data directory, or restore this one from a backup.",
            Self::Read(_) | Self::Commit(_) => "Look at the disk and its free space, then start Towline again.",
            Self::Options(_) => "Give the node a name of 1 to 120 characters.",
        }
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Commit(error) => Self::Commit(error),
            Failure::Read(error) => Self::Read(error),
            Failure::Row { .. } | Failure::Contended { .. } => Self::Foreign { reason: failure.to_string() },
        }
    }
}

impl Hub {
    /// Opens a hub over its data. At the first start it makes, in one batch, the owner's account, the node's device and the feed.
    ///
    /// It keeps a task for timed things, which ends with [`Hub::stop`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        streams: Streams,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        options: Options,
    ) -> Result<Self, OpenError> {
        crate::devices::check_name("node_name", &options.node_name).map_err(OpenError::Options)?;
        match streams.get(keys::FORMAT).await.map_err(OpenError::Read)? {
            Some(entry) => check_format(&entry.value)?,
            None => found(&streams, &*clock, &options).await?,
        }
        let foreign = |reason: &str| OpenError::Foreign { reason: reason.to_owned() };
        let owner = streams.get(keys::OWNER).await.map_err(OpenError::Read)?;
        let owner = owner.ok_or_else(|| foreign("it has no owner"))?;
        let Owner { account, node } = crate::hub::decode::<Owner>(&owner)?.value;
        let arrival = newest_arrival(&streams).await?;
        let hub = Self::assemble(Parts { streams, clock, random, options, account, node, arrival });
        hub.host_is_away().await?;
        hub.remember_links().await?;
        hub.remember_access().await?;
        hub.remember_participants().await?;
        // Feeds live for ever, so they have to stay as small as what they say.
        let keeper = hub.inner.keeper.clone();
        for account in hub.account_ids().await? {
            keeper.compact(StreamPath::feed(account));
        }
        let stop = hub.stopping();
        let timer = crate::timer::run(hub.clone());
        let leases = crate::link::watch_leases(hub.clone());
        hub.inner.tasks.spawn(async move { tokio::join!(timer, keeper.run(stop), leases) });
        Ok(hub)
    }

    /// Before the host has started, it is not online, whatever it was when the process ended; and it can be given commands.
    async fn host_is_away(&self) -> Result<(), OpenError> {
        let stored = self.load::<HostRow>(&keys::host(self.node())).await?;
        let (expected, operation, host) = match stored {
            Some(row) if row.value.host.presence == Presence::Offline => return Ok(()),
            Some(row) => {
                let host =
                    Host { presence: Presence::Offline, reason: Some(AwayReason::LeaseExpired), ..row.value.host };
                (Expected::Version(row.version), Operation::Update, host)
            }
            None if !self.inner.options.host => return Ok(()),
            None => {
                let options = &self.inner.options;
                let content = HostContent {
                    name: options.node_name.clone(),
                    platform: options.node_platform.clone(),
                    version: options.version.clone(),
                    agents: Vec::new(),
                    projects_root: None,
                };
                let host = Host {
                    v: FACT_VERSION,
                    presence: Presence::Offline,
                    reason: Some(AwayReason::NeverConnected),
                    generation: 0,
                    seen_at_ms: self.now(),
                    turns_at_once: u32::try_from(DEFAULT_TURNS_AT_ONCE).unwrap_or(u32::MAX),
                    remote_access: RemoteAccess::default(),
                    content,
                };
                (Expected::Absent, Operation::Insert, host)
            }
        };
        let mut batch = Batch::new();
        let row = HostRow { account: self.account(), host: host.clone() };
        batch.push(Put::set(keys::host(self.node()), row.encode()).expecting(expected));
        feed::tell(&mut batch, self.account(), &FeedFact::from((self.node(), operation, host)));
        self.commit(batch).await?;
        Ok(())
    }
}

fn check_format(value: &Bytes) -> Result<(), OpenError> {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
    match number {
        Some(rows::FORMAT) => Ok(()),
        Some(found) if found > rows::FORMAT => Err(OpenError::Newer { found, known: rows::FORMAT }),
        Some(_) | None => Err(OpenError::Foreign { reason: "its format is not a number that ever was".to_owned() }),
    }
}

/// The first start.
async fn found(streams: &Streams, clock: &dyn Clock, options: &Options) -> Result<(), OpenError> {
    let account = AccountId::from_uuid(clock.fresh());
    let device = DeviceId::from_uuid(clock.fresh());
    let new = NewDevice {
        account,
        kind: DeviceKind::Node,
        rights: Right::ALL.to_vec(),
        name: options.node_name.clone(),
        platform: options.node_platform.clone(),
        public_key: options.node_public_key.clone(),
    };
    let mut batch = Batch::new();
    batch.push(Put::set(keys::FORMAT, rows::FORMAT.to_string()).expecting(Expected::Absent));
    batch.push(Put::set(keys::OWNER, Owner { account, node: device }.encode()).expecting(Expected::Absent));
    create_account(&mut batch, account, &options.node_name, clock);
    let row = new.row_at(device, clock.now());
    batch.push(Put::set(keys::device(account, device), row.encode()).expecting(Expected::Absent));
    feed::tell(&mut batch, account, &FeedFact::from((device, Operation::Insert, row.about)));
    streams.commit(batch).await.map_err(OpenError::Commit)?;
    Ok(())
}

/// Adds an account with its feed to a batch; its first device is counted already.
pub(crate) fn create_account(batch: &mut Batch, account: AccountId, name: &str, clock: &dyn Clock) {
    let row = AccountRow { created_at_ms: clock.now(), devices: 1, name: name.to_owned(), closed_at_ms: None };
    batch.push(Put::set(keys::account(account), row.encode()).expecting(Expected::Absent));
    batch.push(json_stream(StreamPath::feed(account)));
}

/// A stream of facts.
pub(crate) fn json_stream(stream: StreamPath) -> Create {
    Create {
        stream,
        content_type: CONTENT_TYPE.to_owned(),
        config: Bytes::new(),
        messages: Vec::new(),
        close: false,
        or_same: false,
    }
}

/// The newest arrival number in use, of any host, so that what comes now stands behind what waits already; and behind all news that a
/// node has heard, since numbers of news only grow.
async fn newest_arrival(streams: &Streams) -> Result<u64, OpenError> {
    let (mut newest, mut after) = (0, None);
    loop {
        let (prefix, direction) = (keys::HOSTS.to_owned(), store::Direction::Forwards);
        let scan = store::Scan { prefix, after: after.take(), direction, limit: HOSTS_PAGE };
        let hosts = streams.scan(scan).await.map_err(OpenError::Read)?;
        for entry in &hosts {
            let Some(host) = entry.key.rsplit('/').next().and_then(|id| id.parse::<DeviceId>().ok()) else { continue };
            let numbered = [
                keys::all_waiting(host),
                keys::all_leased(host),
                keys::all_begun(host),
                keys::all_news(host),
                keys::all_urgent(host),
            ];
            for prefix in numbered {
                let scan = store::Scan { prefix, after: None, direction: store::Direction::Backwards, limit: 1 };
                let last = streams.scan(scan).await.map_err(OpenError::Read)?;
                let number = last.first().and_then(|entry| entry.key.rsplit('/').next()?.parse::<u64>().ok());
                newest = newest.max(number.unwrap_or(0));
            }
            if let Some(link) = streams.get(&keys::link(host)).await.map_err(OpenError::Read)? {
                newest = newest.max(crate::hub::decode::<LinkRow>(&link)?.value.heard);
            }
        }
        match hosts.last() {
            Some(last) if hosts.len() == HOSTS_PAGE => after = Some(last.key.clone()),
            _ => return Ok(newest),
        }
    }
}

#[cfg(test)]
mod tests {
    use store::{MemoryStore, Store};

    use super::*;
    use crate::SystemRandom;
    use crate::testing::{TestClock, World, options};

    #[tokio::test(start_paused = true)]
    async fn data_of_a_newer_or_foreign_format_is_left_alone() {
        for (format, newer) in [("2", true), ("0", false), ("x", false)] {
            let clock = TestClock::new();
            let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
            store.commit(Batch::of(Put::set(keys::FORMAT, format))).await.unwrap();
            let opened = Hub::open(Streams::new(store.clone()), clock, Arc::new(SystemRandom), options()).await;
            let error = opened.unwrap_err();
            assert_eq!(matches!(error, OpenError::Newer { .. }), newer, "{format}: {error}");
            assert!(error.hint().ends_with('.'));
            assert_eq!(store.get(keys::OWNER).await.unwrap(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_start_makes_the_owner_and_later_ones_find_it() {
        let world = World::new().await;
        let (account, node) = (world.hub.account(), world.hub.node());
        let world = world.again().await;
        assert_eq!((world.hub.account(), world.hub.node()), (account, node));
        let devices = world.hub.device_list(account).await.unwrap().devices;
        assert_eq!(devices.len(), 1);
        assert_eq!((devices[0].about.kind, devices[0].about.rights.as_slice()), (DeviceKind::Node, &Right::ALL[..]));
        let lists = world.hub.lists(account).await.unwrap();
        let kinds: Vec<bool> =
            ["\"host\"", "\"device\""].iter().map(|k| lists.facts.iter().any(|f| f.get().contains(k))).collect();
        assert_eq!(kinds, [true, true]);
    }
}
