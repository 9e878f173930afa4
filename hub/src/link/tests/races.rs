//! What happens at the same moment as a revocation, or as the first link.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use store::{
    Batch, CommitError, Cut, Done, Entry, Head, Later, MemoryStore, Operation, Page, Read, ReadError, Scan, Store,
};
use tokio::sync::Notify;

use super::*;
use crate::Options;
use crate::testing::{TestClock, open_as, options};

/// A store in which a commit that writes a key waits, once, until the test lets it go on.
#[derive(Debug)]
struct Held {
    inner: MemoryStore,
    /// What the key begins with.
    prefix: &'static str,
    armed: AtomicBool,
    arrived: Notify,
    go: Notify,
}

impl Held {
    fn new(prefix: &'static str) -> (Arc<Self>, Arc<TestClock>) {
        let clock = TestClock::new();
        let inner = MemoryStore::new(clock.clone());
        let (armed, arrived, go) = (AtomicBool::new(false), Notify::new(), Notify::new());
        (Arc::new(Self { inner, prefix, armed, arrived, go }), clock)
    }

    fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    fn is_for(&self, batch: &Batch) -> bool {
        batch.operations.iter().any(|operation| match operation {
            Operation::Put(put) => put.key.starts_with(self.prefix),
            Operation::Create(create) => create.stream.to_string().starts_with(self.prefix),
            _ => false,
        })
    }
}

impl Store for Held {
    fn commit(&self, batch: Batch) -> Later<'_, Result<Vec<Done>, CommitError>> {
        Box::pin(async move {
            if self.is_for(&batch) && self.armed.swap(false, Ordering::SeqCst) {
                self.arrived.notify_one();
                self.go.notified().await;
            }
            self.inner.commit(batch).await
        })
    }

    fn read(&self, read: Read) -> Later<'_, Result<Page, ReadError>> {
        self.inner.read(read)
    }

    fn head<'a>(&'a self, stream: &'a StreamPath) -> Later<'a, Result<Option<Head>, ReadError>> {
        self.inner.head(stream)
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Entry>, ReadError>> {
        self.inner.get(key)
    }

    fn scan(&self, scan: Scan) -> Later<'_, Result<Vec<Entry>, ReadError>> {
        self.inner.scan(scan)
    }

    fn trim<'a>(&'a self, stream: &'a StreamPath, cut: Cut) -> Later<'a, Result<(), CommitError>> {
        self.inner.trim(stream, cut)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_when_its_device_is_revoked_or_its_account_closed_is_not_stored() {
    for closes in [false, true] {
        let (store, clock) = Held::new("hub/replica/");
        let hub = open_as(store.clone(), clock.clone(), Options { host: false, ..options() }).await;
        let owner = hub.node_identity();
        let yard = Yard::of(World { hub, clock, store: store.clone(), owner });
        let account = if closes { yard.world.stranger().await.0.account } else { yard.world.hub.account() };
        let machine = yard.machine_of(account).await;
        let mut node = yard.linked(&machine).await;
        let session = yard.world.session();
        let mut journal = Owned::journal(session);
        journal.messages.push("[1]".to_owned());
        store.arm();
        let (facts, pieces) = (Vec::new(), vec![journal.from(0)]);
        node.say(&NodeFrame::Push(Push { req: 1, facts, whole: None, cursor: None, pieces })).await;
        store.arrived.notified().await;
        let hub = &yard.world.hub;
        if closes {
            hub.close_account(&yard.world.owner, account).await.expect("it is closed");
            tokio::time::sleep(Duration::from_secs(5)).await;
        } else {
            hub.revoke(&yard.world.owner, machine.device).await.expect("it is revoked");
        }
        store.go.notify_one();
        assert_eq!(node.hear_end().await, Some(ErrorCode::Unauthenticated));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(yard.held(&journal.stream).await, Vec::<String>::new(), "closes: {closes}");
        let left = hub.every("hub/replica/".to_owned(), |_| Ok(true)).await.expect("a look");
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_is_not_let_in_while_it_is_revoked() {
    let (store, clock) = Held::new("hub/link/");
    let yard = Yard::of(World::over(store.clone(), clock).await);
    let machine = yard.machine().await;
    store.arm();
    let mut node = yard.dial(&machine).await.expect("a socket");
    node.say(&NodeFrame::Hello(Box::new(machine.hello(&[])))).await;
    store.arrived.notified().await;
    yard.world.hub.revoke(&yard.world.owner, machine.device).await.expect("it is revoked");
    store.go.notify_one();
    assert_eq!(node.hear_end().await, Some(ErrorCode::Unauthenticated));
    assert_eq!(yard.presence(&machine).await, (Presence::Revoked, Some(AwayReason::Revoked)));
}

/// The devices that a machine is told of once nothing more comes.
async fn told(node: &mut Node) -> Vec<DeviceId> {
    let mut devices = Vec::new();
    loop {
        let frames = node.renewed().await;
        if frames.is_empty() {
            return devices;
        }
        for frame in frames {
            let HubFrame::News { news } = frame else { panic!("{frame:?}") };
            node.say(&NodeFrame::Heard { number: news[news.len() - 1].0 }).await;
            devices.extend(news.iter().filter_map(|(_, news)| match news {
                LinkNews::Device { device, .. } => Some(*device),
                _ => None,
            }));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_enrolled_in_the_moment_of_a_first_link_is_told() {
    // The link is held up while the device is enrolled, and the other way round.
    for held in ["hub/link/", "hub/credential/"] {
        let (store, clock) = Held::new(held);
        let yard = Yard::of(World::over(store.clone(), clock).await);
        let machine = yard.machine().await;
        let account = yard.world.hub.account();
        let enrol = async || {
            let new = NewDevice {
                account,
                kind: DeviceKind::Program,
                rights: vec![Right::Read],
                name: "phone".to_owned(),
                platform: "test".to_owned(),
                public_key: None,
            };
            yard.world.hub.enrol(new).await.expect("a device").0
        };
        store.arm();
        let (phone, mut node) = if held == "hub/link/" {
            let mut node = yard.dial(&machine).await.expect("a socket");
            node.say(&NodeFrame::Hello(Box::new(machine.hello(&[])))).await;
            store.arrived.notified().await;
            let phone = enrol().await;
            store.go.notify_one();
            assert!(matches!(node.hear().await, HubFrame::Welcome { .. }));
            (phone, node)
        } else {
            let link = async {
                store.arrived.notified().await;
                let (node, _) = yard.link(&machine, &[]).await;
                store.go.notify_one();
                node
            };
            tokio::join!(enrol(), link)
        };
        let devices = told(&mut node).await;
        assert!(devices.contains(&phone), "{held}: {devices:?}");
    }
}
