//! What people did here, for the node: durable, numbered, told again until it has said that it heard. It does not expire.

use std::collections::BTreeSet;

use protocol::device::Device;
use protocol::id::{AccountId, DeviceId, SessionId};
use protocol::link::LinkNews;
use store::{Batch, Expected, Put};

use super::admission::Seat;
use super::push::Refusal;
use crate::failure::Failure;
use crate::hub::{Hub, TRIES, decode};
use crate::keys::{self, Due};
use crate::rows::{EditRow, Row as _};

/// Most told, taken as heard, or read at once.
const MOST: usize = 256;

/// The oldest news that a host has not heard.
pub(super) async fn outstanding(hub: &Hub, host: DeviceId) -> Result<Vec<(u64, LinkNews)>, Failure> {
    let prefix = keys::all_news(host);
    let mut found = Vec::new();
    for entry in hub.scan(prefix.clone(), None, MOST).await? {
        let number = entry.key.strip_prefix(&prefix).and_then(|number| number.parse().ok());
        let Some(number) = number else { continue };
        found.push((number, decode::<LinkNews>(&entry)?.value));
    }
    Ok(found)
}

impl Seat {
    /// The next news for the node; none while some are on their way.
    pub(super) async fn next_news(&mut self) -> Result<Vec<(u64, LinkNews)>, Refusal> {
        if !self.told.is_empty() {
            return Ok(Vec::new());
        }
        let news = outstanding(&self.hub, self.host).await?;
        self.told = news.iter().map(|(number, _)| *number).collect();
        Ok(news)
    }

    /// The node has done everything up to a number that it was told on this connection. What was written meanwhile under a smaller one
    /// was not told, and is not taken for heard.
    pub(super) async fn hear(&mut self, heard: u64) -> Result<(), Refusal> {
        let done: Vec<u64> = self.told.iter().copied().filter(|number| *number <= heard).collect();
        let Some(last) = done.iter().copied().max() else { return Ok(()) };
        let before = self.link.value.heard;
        self.link.value.heard = before.max(last);
        let heard = self.note_heard(&done).await;
        if heard.is_err() {
            self.link.value.heard = before;
        }
        heard
    }

    async fn note_heard(&mut self, done: &[u64]) -> Result<(), Refusal> {
        for _ in 0..TRIES {
            let (now, later): (Vec<_>, Vec<_>) =
                outstanding(&self.hub, self.host).await?.into_iter().partition(|(number, _)| done.contains(number));
            let mut batch = Batch::new();
            self.hold(&mut batch);
            for (number, news) in &now {
                batch.push(Put::remove(keys::news(self.host, *number)));
                if let LinkNews::Deleted { session } = news {
                    // What was on its way of it until now has come to its end.
                    batch.push(Put::set(Due::Sweep(*session).key(self.hub.now()), ""));
                }
            }
            let all = |of: &[(u64, LinkNews)]| of.iter().filter_map(|(_, news)| edited(news)).collect::<BTreeSet<_>>();
            for session in all(&now).difference(&all(&later)) {
                self.let_go(&mut batch, *session).await?;
            }
            match self.hub.commit(batch).await {
                Ok(_) => {
                    self.held();
                    self.told.retain(|number| !done.contains(number));
                    self.hub.inner.due.ring();
                    return Ok(());
                }
                Err(failure) if self.is_replaced(&failure) => return Err(Refusal::Replaced),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// Adds that what people have set by hand of a session is the node's from now on: it has heard of all of it, and what is set there
    /// later is to be seen here.
    async fn let_go(&self, batch: &mut Batch, session: SessionId) -> Result<(), Failure> {
        if let Some(edit) = self.hub.load::<EditRow>(&keys::edit(session)).await? {
            batch.push(Put::remove(keys::edit(session)).expecting(Expected::Version(edit.version)));
        }
        Ok(())
    }
}

/// The session that a piece of news is about when it changes what people see of it.
const fn edited(news: &LinkNews) -> Option<SessionId> {
    match news {
        LinkNews::Renamed { session, .. } | LinkNews::Archived { session, .. } => Some(*session),
        _ => None,
    }
}

/// Adds to a batch what every linked host of an account has to hear of a device.
pub(crate) async fn tell_device(
    hub: &Hub,
    batch: &mut Batch,
    account: AccountId,
    device: DeviceId,
    about: &Device,
) -> Result<(), Failure> {
    for host in hub.hosts_of(account).await? {
        if host == hub.node() || host == device {
            continue;
        }
        // One that never came is told of all of them when it does.
        if hub.inner.streams.get(&keys::link(host)).await?.is_some() {
            let news = LinkNews::Device { device, about: Box::new(about.clone()) };
            batch.push(Put::set(keys::news(host, hub.arrival()), news.encode()));
        }
    }
    Ok(())
}

/// Adds every device of an account to the news of a host that comes for the first time.
pub(super) async fn tell_all_devices(
    hub: &Hub,
    batch: &mut Batch,
    host: DeviceId,
    account: AccountId,
) -> Result<(), Failure> {
    for row in hub.device_rows(account).await? {
        let news = LinkNews::Device { device: row.device, about: Box::new(row.about) };
        batch.push(Put::set(keys::news(host, hub.arrival()), news.encode()));
    }
    Ok(())
}

impl Hub {
    /// Has the connections of an account's hosts look for news. One that is not reached looks by itself with its next renewal.
    pub(crate) async fn rouse_hosts(&self, account: AccountId) {
        for host in self.hosts_of(account).await.unwrap_or_default() {
            self.inner.links.rouse(host);
        }
    }

    async fn hosts_of(&self, account: AccountId) -> Result<Vec<DeviceId>, Failure> {
        let (mut hosts, mut after) = (Vec::new(), None);
        loop {
            let page = self.scan(keys::rows(account, "host"), after.take(), MOST).await?;
            hosts.extend(page.iter().filter_map(|entry| entry.key.rsplit('/').next()?.parse::<DeviceId>().ok()));
            match page.last() {
                Some(last) if page.len() == MOST => after = Some(last.key.clone()),
                _ => return Ok(hosts),
            }
        }
    }
}
