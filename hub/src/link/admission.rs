//! Who comes in: one connection per host, fenced by a durable row.

use std::collections::HashSet;

use protocol::error::{ErrorCode, Problem};
use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::host::{AwayReason, Host, Presence};
use protocol::id::{AccountId, CommandId, DeviceId, SessionId};
use protocol::link::{COMPARES, LINK_MAX, LINK_MIN, NodeHello};
use store::{Batch, Expected, Put};
use tokio::time::Instant;

use super::facts::Named;
use super::mirror;
use super::presence::{Hold, of_access};
use crate::audit::{self, About as _};
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, TRIES};
use crate::identity::Identity;
use crate::keys;
use crate::rows::{DeviceRow, HostRow, LinkRow, Row, Stored};

/// Most capabilities of a node that are looked at.
const MAX_CAPABILITIES: usize = 64;
/// Longest text that names a start of a node.
const MAX_BOOT_CHARS: usize = 128;

/// A connection that was let in: the only one of its host that can store something.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) hub: Hub,
    pub(super) host: DeviceId,
    pub(super) account: AccountId,
    /// The link's row as this connection left it.
    pub(super) link: Stored<LinkRow>,
    /// The rows that a list of all rows has named so far.
    pub(super) named: Option<Named>,
    /// Deleted sessions that the node was told of on this connection although it was told before.
    pub(super) told_gone: HashSet<SessionId>,
    /// What is on its way to the node and was not answered.
    pub(super) handed: HashSet<CommandId>,
    /// Whether the node has shown that what it has fits what is here, or cannot be asked to.
    pub(super) proved: bool,
    /// Named things that the node can do.
    pub(super) capabilities: Vec<String>,
    /// Whether what was handed over before this connection and not taken has been handed over again.
    pub(super) handed_again: bool,
    /// The numbers of the news that were told on this connection and not heard, by their lanes.
    pub(super) told: [Vec<u64>; 2],
    /// Whether the last push said that a command has begun or ended.
    pub(super) advanced: bool,
}

/// Which version both sides speak.
///
/// # Errors
/// `upgrade_required`.
pub(super) fn version(hello: &NodeHello) -> Result<u32, Problem> {
    let protocol = hello.protocol_max.min(LINK_MAX);
    if protocol < hello.protocol_min.max(LINK_MIN) {
        let detail = format!("versions {LINK_MIN} to {LINK_MAX} of the link are spoken here");
        return Err(Problem::new(ErrorCode::UpgradeRequired).detail(detail));
    }
    Ok(protocol)
}

/// Lets a node in, or not.
///
/// # Errors
/// `upgrade_required`, `link_restored`, `link_cloned`, `link_replaced`, `unauthenticated` for a device that was revoked meanwhile;
/// failures of the store.
pub(super) async fn admit(hub: &Hub, who: &Identity, hello: &NodeHello) -> Result<(Seat, Hold), Problem> {
    let result = try_to_admit(hub, who, hello).await;
    if let Err(problem) = &result {
        let reason = match problem.code {
            ErrorCode::LinkRestored | ErrorCode::LinkCloned => AwayReason::Fenced,
            ErrorCode::UpgradeRequired => AwayReason::VersionIncompatible,
            _ => return result,
        };
        hub.record(hub.entry(Some(who), "link.open").on(who.device).failed(problem.code)).await;
        hub.inner.links.refuse(who.device, reason, hub.now());
        hub.settle_presence(who.device).await?;
    }
    result
}

async fn try_to_admit(hub: &Hub, who: &Identity, hello: &NodeHello) -> Result<(Seat, Hold), Problem> {
    version(hello)?;
    if hello.boot.is_empty() || hello.boot.chars().count() > MAX_BOOT_CHARS {
        return Err(Problem::new(ErrorCode::BadRequest).detail("`boot` names no start of a node"));
    }
    let (host, account) = (who.device, who.account);
    for _ in 0..TRIES {
        let device = hub.load::<DeviceRow>(&keys::device(account, host)).await?;
        let Some(device) = device.filter(|device| device.value.about.revoked_at_ms.is_none()) else {
            return Err(Problem::new(ErrorCode::Unauthenticated));
        };
        let stored = hub.load::<LinkRow>(&keys::link(host)).await?;
        let before = stored.as_ref().map(|stored| &stored.value);
        if let Some(before) = before {
            judge(before, hello)?;
        }
        let link = LinkRow {
            generation: hello.generation,
            boot: hello.boot.clone(),
            seat: before.map_or(0, |before| before.seat) + 1,
            host: hello.host,
            cursor: before.and_then(|before| before.cursor),
            fenced: None,
            heard: before.map_or(0, |before| before.heard),
            out: false,
        };
        let mut batch = Batch::new();
        // As it is read: whoever takes the device back, or closes its account, writes it.
        let put = Put::set(keys::device(account, host), device.value.encode());
        batch.push(put.expecting(Expected::Version(device.version)));
        let expected = stored.as_ref().map_or(Expected::Absent, |stored| Expected::Version(stored.version));
        batch.push(Put::set(keys::link(host), link.encode()).expecting(expected));
        write_host(hub, &mut batch, who, hello).await?;
        if before.is_none_or(|before| before.out) {
            // Before the devices are: whoever comes or goes meanwhile writes it, too, and tells only hosts that have a link.
            let counted = hub.account_row(account).await?;
            let put = Put::set(keys::account(account), counted.value.encode());
            batch.push(put.expecting(Expected::Version(counted.version)));
            super::news::tell_all_devices(hub, &mut batch, host, account).await?;
        }
        let holds = hello.holds.iter().copied().collect();
        mirror::meet(hub, &mut batch, host, &holds).await?;
        // Its starts are worth a line each, its network is not.
        if before.is_none_or(|before| before.generation != link.generation) {
            let entry = hub.entry(Some(who), "link.open").on(host);
            audit::push(&mut batch, hub.account(), &entry);
        }
        hub.inner.links.expect(host, Instant::now());
        match hub.commit(batch).await {
            Ok(_) => {
                let seat = link.seat;
                let taken = hub.inner.links.take(host, seat, hello.remote_access, hub.now());
                let Some(hold) = taken else { return Err(Problem::new(ErrorCode::LinkReplaced)) };
                // What somebody else has written by the lease as it was before is put right.
                hub.settle_presence(host).await?;
                let version = stored.map_or(0, |stored| stored.version) + 1;
                let seat = Seat {
                    hub: hub.clone(),
                    host,
                    account,
                    link: Stored { value: link, version },
                    named: None,
                    told_gone: HashSet::new(),
                    handed: HashSet::new(),
                    proved: !hello.capabilities.iter().any(|named| named == COMPARES),
                    capabilities: hello.capabilities.iter().take(MAX_CAPABILITIES).cloned().collect(),
                    handed_again: false,
                    told: [Vec::new(), Vec::new()],
                    advanced: false,
                };
                return Ok((seat, hold));
            }
            Err(failure) if failure.lost().is_some() => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Err(Failure::Contended { tries: TRIES }.into())
}

/// An older generation is an older state of the disk; the same generation started twice is a disk and its copy.
fn judge(before: &LinkRow, hello: &NodeHello) -> Result<(), Problem> {
    if hello.generation < before.generation {
        return Err(Problem::new(ErrorCode::LinkRestored));
    }
    if hello.generation > before.generation {
        return Ok(());
    }
    if hello.boot != before.boot {
        return Err(Problem::new(ErrorCode::LinkCloned));
    }
    match &before.fenced {
        Some(mismatch) => {
            let detail = format!("what it has of {} does not fit what the hub has", mismatch.stream);
            Err(Problem::new(ErrorCode::LinkRestored).detail(detail))
        }
        None => Ok(()),
    }
}

async fn write_host(hub: &Hub, batch: &mut Batch, who: &Identity, hello: &NodeHello) -> Result<(), Problem> {
    let (key, account) = (keys::host(who.device), who.account);
    let stored = hub.load::<HostRow>(&key).await?;
    let (presence, reason) = of_access(hello.remote_access);
    let host = Host {
        v: FACT_VERSION,
        presence,
        reason,
        generation: hello.generation,
        seen_at_ms: hub.now(),
        turns_at_once: hello.turns_at_once,
        remote_access: hello.remote_access,
        content: hello.about.clone(),
    };
    let (expected, operation) = match &stored {
        Some(row) if row.value.host.presence == Presence::Revoked => {
            return Err(Problem::new(ErrorCode::Unauthenticated));
        }
        // Coming back within its time is no news; the row is written all the same, so that others who write it see one another.
        Some(row) if (Host { seen_at_ms: host.seen_at_ms, ..row.value.host.clone() }) == host => {
            let put = Put::set(key, row.value.encode()).expecting(Expected::Version(row.version));
            batch.push(put);
            return Ok(());
        }
        Some(row) => (Expected::Version(row.version), Operation::Update),
        None => (Expected::Absent, Operation::Insert),
    };
    let row = HostRow { account, host: host.clone() };
    batch.push(Put::set(key, row.encode()).expecting(expected));
    feed::tell(batch, account, &FeedFact::from((who.device, operation, host)));
    Ok(())
}
