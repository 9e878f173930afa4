//! Whether a linked host is there: a lease by this hub's clock (W-051…W-055).
//!
//! A lease lives in memory. It is renewed by whatever its connection says, which writes nothing; only what changes for people is written
//! and told. The end of a connection changes nothing: the lease runs on, and the next connection takes it over. After a restart every
//! host that was there has its whole time again.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::host::{AwayReason, Host, HostContent, Presence, RemoteAccess};
use protocol::id::DeviceId;
use protocol::limits::{DEFAULT_TURNS_AT_ONCE, LINK_STALE_MS, LINK_TTL_MS};
use protocol::time::UnixMs;
use store::{Batch, Expected, Put};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::mirror;
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Bell, Hub, TRIES, decode, lock};
use crate::keys::{self, Due};
use crate::rows::{DeviceRow, HostRow, LinkRow, Row};

const STALE: Duration = Duration::from_millis(LINK_STALE_MS);
const TTL: Duration = Duration::from_millis(LINK_TTL_MS);
/// Pause before a change that could not be written is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Hosts read at once.
const PAGE: usize = 1_000;

/// The leases of all linked hosts.
#[derive(Debug)]
pub(crate) struct Links {
    // Held for one look, never over an await.
    leases: Mutex<HashMap<DeviceId, Lease>>,
    /// Rings when a lease began or ended.
    changed: Bell,
}

impl Default for Links {
    fn default() -> Self {
        Self { leases: Mutex::default(), changed: Bell::new() }
    }
}

#[derive(Debug)]
struct Lease {
    /// The newest connection that was let in.
    seat: u64,
    standing: Standing,
    access: RemoteAccess,
    seen: UnixMs,
    /// What the lists say.
    shown: Option<(Presence, Option<AwayReason>)>,
    /// Ends the connection when a newer one is let in, or this lease was over.
    cut: CancellationToken,
    /// Rings when there is something for the node.
    bell: Bell,
}

#[derive(Debug, Clone, Copy)]
enum Standing {
    Linked { renewed: Instant },
    Away(AwayReason),
}

/// What is to be shown of a host.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    presence: Presence,
    reason: Option<AwayReason>,
    access: RemoteAccess,
    seen: UnixMs,
}

impl Lease {
    fn away(seat: u64, reason: AwayReason) -> Self {
        Self {
            seat,
            standing: Standing::Away(reason),
            access: RemoteAccess::Active,
            seen: UnixMs(0),
            shown: None,
            cut: CancellationToken::new(),
            bell: Bell::new(),
        }
    }

    fn verdict(&self, now: Instant) -> Verdict {
        let (presence, reason) = match self.standing {
            Standing::Away(reason) => (Presence::Offline, Some(reason)),
            Standing::Linked { renewed } if now >= renewed + TTL => (Presence::Offline, Some(AwayReason::LeaseExpired)),
            Standing::Linked { renewed } if now >= renewed + STALE => (Presence::Stale, None),
            Standing::Linked { .. } => of_access(self.access),
        };
        Verdict { presence, reason, access: self.access, seen: self.seen }
    }

    fn is_due(&self, now: Instant) -> bool {
        let verdict = self.verdict(now);
        self.shown != Some((verdict.presence, verdict.reason))
    }

    /// When the verdict changes by itself.
    fn edge(&self, now: Instant) -> Option<Instant> {
        let Standing::Linked { renewed } = self.standing else { return None };
        [renewed + STALE, renewed + TTL].into_iter().find(|at| *at > now)
    }
}

/// How a host that is there is shown.
pub(super) const fn of_access(access: RemoteAccess) -> (Presence, Option<AwayReason>) {
    match access {
        RemoteAccess::Active => (Presence::Online, None),
        RemoteAccess::Disabled => (Presence::Disabled, Some(AwayReason::RemoteAccessDisabled)),
    }
}

/// What a connection holds of the lease of its host.
#[derive(Debug)]
pub(super) struct Hold {
    /// Cancelled when a newer connection was let in, or the lease was over.
    pub(super) cut: CancellationToken,
    /// Changes when there is something for the node.
    pub(super) bell: watch::Receiver<()>,
}

impl Links {
    /// Gives a host its time before it is written that a connection was let in, so that the clock does not call it away meanwhile.
    pub(super) fn expect(&self, host: DeviceId, now: Instant) {
        if let Some(lease) = lock(&self.leases).get_mut(&host)
            && let Standing::Linked { renewed } = &mut lease.standing
        {
            *renewed = now;
        }
    }

    /// Hands the lease to a connection that was let in, and ends the one before; `None` when a newer one has it.
    pub(super) fn take(&self, host: DeviceId, seat: u64, access: RemoteAccess, seen: UnixMs) -> Option<Hold> {
        let mut leases = lock(&self.leases);
        if leases.get(&host).is_some_and(|lease| lease.seat >= seat) {
            return None;
        }
        let lease = Lease {
            seat,
            standing: Standing::Linked { renewed: Instant::now() },
            access,
            seen,
            shown: Some(of_access(access)),
            cut: CancellationToken::new(),
            bell: Bell::new(),
        };
        let hold = Hold { cut: lease.cut.clone(), bell: lease.bell.listen() };
        if let Some(before) = leases.insert(host, lease) {
            before.cut.cancel();
        }
        drop(leases);
        self.changed.ring();
        Some(hold)
    }

    /// Renews the lease for its newest connection; whether that changes what is shown.
    pub(super) fn renew(&self, host: DeviceId, seat: u64, access: Option<RemoteAccess>, seen: UnixMs) -> bool {
        let mut leases = lock(&self.leases);
        let Some(lease) = leases.get_mut(&host).filter(|lease| lease.seat == seat) else { return false };
        let now = Instant::now();
        lease.standing = Standing::Linked { renewed: now };
        lease.seen = seen;
        lease.access = access.unwrap_or(lease.access);
        lease.is_due(now)
    }

    /// Ends the lease at once, if it is this connection's.
    pub(super) fn leave(&self, host: DeviceId, seat: u64, reason: AwayReason, seen: UnixMs) {
        if let Some(lease) = lock(&self.leases).get_mut(&host).filter(|lease| lease.seat == seat) {
            lease.standing = Standing::Away(reason);
            lease.seen = seen;
        }
    }

    /// Takes note that a host was not let in; one that is there by another connection stays there.
    pub(super) fn refuse(&self, host: DeviceId, reason: AwayReason, seen: UnixMs) {
        let mut leases = lock(&self.leases);
        let lease = leases.entry(host).or_insert_with(|| Lease::away(0, reason));
        let now = Instant::now();
        if !matches!(lease.standing, Standing::Linked { renewed } if now < renewed + TTL) {
            lease.standing = Standing::Away(reason);
            lease.seen = seen;
        }
    }

    /// Whether the lease of a host runs.
    pub(super) fn runs(&self, host: DeviceId) -> bool {
        let now = Instant::now();
        let leases = lock(&self.leases);
        leases
            .get(&host)
            .is_some_and(|lease| matches!(lease.standing, Standing::Linked { renewed } if now < renewed + TTL))
    }

    /// Whether a host takes commands.
    pub(super) fn is_open(&self, host: DeviceId) -> bool {
        lock(&self.leases).get(&host).is_some_and(|lease| lease.access == RemoteAccess::Active)
    }

    /// Has the connection of a host look for what there is for it.
    pub(crate) fn rouse(&self, host: DeviceId) {
        if let Some(lease) = lock(&self.leases).get(&host) {
            lease.bell.ring();
        }
    }

    /// Whether a connection has the lease of a host.
    pub(super) fn sits(&self, host: DeviceId, seat: u64) -> bool {
        lock(&self.leases).get(&host).is_some_and(|lease| lease.seat == seat)
    }

    /// Ends the connection of a host whose lease was over: what was said to be lost meanwhile is known again only to the next `hello`.
    fn lapse(&self, host: DeviceId) {
        if let Some(lease) = lock(&self.leases).get(&host) {
            lease.cut.cancel();
        }
    }

    fn verdict(&self, host: DeviceId) -> Option<Verdict> {
        lock(&self.leases).get(&host).map(|lease| lease.verdict(Instant::now()))
    }

    fn shown(&self, host: DeviceId, verdict: Verdict) {
        if let Some(lease) = lock(&self.leases).get_mut(&host) {
            lease.shown = Some((verdict.presence, verdict.reason));
        }
    }

    fn forget(&self, host: DeviceId) {
        lock(&self.leases).remove(&host);
    }

    /// Who is to be shown otherwise now, and when to look again.
    fn look(&self) -> (Vec<DeviceId>, Option<Instant>) {
        let now = Instant::now();
        let leases = lock(&self.leases);
        let due = leases.iter().filter(|(_, lease)| lease.is_due(now)).map(|(host, _)| *host).collect();
        (due, leases.values().filter_map(|lease| lease.edge(now)).min())
    }
}

impl Hub {
    /// Gives every host that was there when the last life of this hub ended its time.
    pub(crate) async fn remember_links(&self) -> Result<(), Failure> {
        let mut after = None;
        loop {
            let page = self.scan(keys::HOSTS.to_owned(), after.take(), PAGE).await?;
            for entry in &page {
                let host = entry.key.rsplit('/').next().and_then(|id| id.parse::<DeviceId>().ok());
                let Some(host) = host.filter(|host| *host != self.node()) else { continue };
                let row = decode::<HostRow>(entry)?.value.host;
                if !matches!(row.presence, Presence::Online | Presence::Stale | Presence::Disabled) {
                    continue;
                }
                let standing = Standing::Linked { renewed: Instant::now() };
                let shown = Some((row.presence, row.reason));
                let (access, seen) = (row.remote_access, row.seen_at_ms);
                let lease = Lease { standing, access, seen, shown, ..Lease::away(0, AwayReason::LeaseExpired) };
                lock(&self.inner.links.leases).insert(host, lease);
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// Writes and tells whether a host is there, if that has changed; with it goes what nobody knows any more of what it had begun.
    pub(super) async fn settle_presence(&self, host: DeviceId) -> Result<(), Failure> {
        for _ in 0..TRIES {
            // In this order: whoever is let in between the two writes the row.
            let Some(row) = self.load::<HostRow>(&keys::host(host)).await? else {
                self.inner.links.forget(host);
                return Ok(());
            };
            let Some(verdict) = self.inner.links.verdict(host) else { return Ok(()) };
            let before = row.value.host;
            if before.presence == Presence::Revoked {
                self.inner.links.forget(host);
                return Ok(());
            }
            let Verdict { presence, reason, access, seen } = verdict;
            if (before.presence, before.reason, before.remote_access) == (presence, reason, access) {
                self.inner.links.shown(host, verdict);
                return Ok(());
            }
            let seen_at_ms = seen.max(before.seen_at_ms);
            let after = Host { presence, reason, remote_access: access, seen_at_ms, ..before };
            let mut batch = Batch::new();
            let stored = HostRow { account: row.value.account, host: after.clone() };
            batch.push(Put::set(keys::host(host), stored.encode()).expecting(Expected::Version(row.version)));
            feed::tell(&mut batch, row.value.account, &FeedFact::from((host, Operation::Update, after)));
            if presence == Presence::Offline {
                mirror::lose(self, &mut batch, host).await?;
            }
            match self.commit(batch).await {
                Ok(_) => {
                    self.inner.links.shown(host, verdict);
                    if reason == Some(AwayReason::LeaseExpired) {
                        self.inner.links.lapse(host);
                    }
                    self.inner.links.rouse(host);
                    return Ok(());
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Contended { tries: TRIES })
    }
}

/// Calls hosts stale and away when their time is over, for as long as the hub runs.
pub(crate) async fn watch_leases(hub: Hub) {
    let stop = hub.stopping();
    let mut bell = hub.inner.links.changed.listen();
    loop {
        let (due, mut next) = hub.inner.links.look();
        for host in due {
            if let Err(error) = hub.settle_presence(host).await {
                tracing::warn!(%error, %host, "whether a host is there cannot be written; it is tried again");
                next = Some(Instant::now() + AFTER_FAILURE);
            }
        }
        let wait = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            _ = bell.changed() => {}
            () = wait => {}
        }
    }
}

/// Adds to a batch that a device was revoked: its host, if it is one, may not come back.
pub(crate) async fn revoked(hub: &Hub, batch: &mut Batch, host: DeviceId) -> Result<(), Failure> {
    let Some(row) = hub.load::<HostRow>(&keys::host(host)).await? else { return Ok(()) };
    let account = row.value.account;
    let (presence, reason) = (Presence::Revoked, Some(AwayReason::Revoked));
    let after = Host { presence, reason, ..row.value.host };
    let stored = HostRow { account, host: after.clone() };
    batch.push(Put::set(keys::host(host), stored.encode()).expecting(Expected::Version(row.version)));
    feed::tell(batch, account, &FeedFact::from((host, Operation::Update, after)));
    if let Some(link) = hub.load::<LinkRow>(&keys::link(host)).await? {
        // What its connection has on its way is not stored any more.
        let out = LinkRow { seat: link.value.seat + 1, out: true, ..link.value };
        batch.push(Put::set(keys::link(host), out.encode()).expecting(Expected::Version(link.version)));
    }
    batch.push(Put::set(Due::Orphans(host).key(hub.now()), ""));
    mirror::lose(hub, batch, host).await
}

/// Adds to a batch that a node was enrolled: a host that has never come.
pub(crate) fn never_came(batch: &mut Batch, row: &DeviceRow, now: UnixMs) {
    let host = Host {
        v: FACT_VERSION,
        presence: Presence::Offline,
        reason: Some(AwayReason::NeverConnected),
        generation: 0,
        seen_at_ms: now,
        turns_at_once: u32::try_from(DEFAULT_TURNS_AT_ONCE).unwrap_or(u32::MAX),
        remote_access: RemoteAccess::default(),
        content: HostContent {
            name: row.about.content.name.clone(),
            platform: row.about.content.platform.clone(),
            version: String::new(),
            agents: Vec::new(),
            projects_root: None,
        },
    };
    let account = row.about.account;
    let stored = HostRow { account, host: host.clone() };
    batch.push(Put::set(keys::host(row.device), stored.encode()).expecting(Expected::Absent));
    feed::tell(batch, account, &FeedFact::from((row.device, Operation::Insert, host)));
}
