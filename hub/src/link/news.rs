//! What people did here, for the node: durable, numbered, told again until it has said that it heard. It does not expire.

use std::collections::{BTreeSet, HashSet};

use protocol::device::Device;
use protocol::id::{AccountId, DeviceId, RuleId, SessionId};
use protocol::link::LinkNews;
use store::{Batch, Expected, Put};

use super::admission::Seat;
use super::push::Refusal;
use crate::failure::Failure;
use crate::hub::{Hub, TRIES, decode};
use crate::keys::{self, Due};
use crate::rows::{DeviceRow, EditRow, LinkRow, Row as _};

/// Most told, taken as heard, or read at once.
const MOST: usize = 256;

/// What news have to wait for: each lane has its own frames, one on its way at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Whatever takes something away from somebody ([`LinkNews::is_urgent`]): it waits for nothing but others of its kind.
    Urgent,
    /// Everything else.
    Rest,
}

impl Lane {
    /// Both, the first one first.
    pub(super) const ALL: [Self; 2] = [Self::Urgent, Self::Rest];

    fn prefix(self, host: DeviceId) -> String {
        match self {
            Self::Urgent => keys::all_urgent(host),
            Self::Rest => keys::all_news(host),
        }
    }

    fn key(self, host: DeviceId, number: u64) -> String {
        match self {
            Self::Urgent => keys::urgent(host, number),
            Self::Rest => keys::news(host, number),
        }
    }
}

/// Adds news for a linked host to a batch.
pub(super) fn tell(hub: &Hub, batch: &mut Batch, host: DeviceId, news: &LinkNews) {
    let lane = if news.is_urgent() { Lane::Urgent } else { Lane::Rest };
    batch.push(Put::set(lane.key(host, hub.arrival()), news.encode()));
}

/// The oldest news of a lane that a host has not heard.
async fn outstanding(hub: &Hub, host: DeviceId, lane: Lane) -> Result<Vec<(u64, LinkNews)>, Failure> {
    numbered(&lane.prefix(host), hub.scan(lane.prefix(host), None, MOST).await?)
}

/// The rules that were revoked and of which a host has not heard.
pub(super) async fn revoked_rules(hub: &Hub, host: DeviceId) -> Result<HashSet<RuleId>, Failure> {
    let prefix = keys::all_urgent(host);
    let news = numbered(&prefix, hub.every(prefix.clone(), |_| Ok(true)).await?)?;
    let rule = |(_, news)| match news {
        LinkNews::RuleRevoked { rule } => Some(rule),
        _ => None,
    };
    Ok(news.into_iter().filter_map(rule).collect())
}

fn numbered(prefix: &str, entries: Vec<store::Entry>) -> Result<Vec<(u64, LinkNews)>, Failure> {
    let mut found = Vec::with_capacity(entries.len());
    for entry in entries {
        let number = entry.key.strip_prefix(prefix).and_then(|number| number.parse().ok());
        let Some(number) = number else { continue };
        found.push((number, decode::<LinkNews>(&entry)?.value));
    }
    Ok(found)
}

impl Seat {
    /// The next news for the node of a lane; none while some of that lane are on their way.
    pub(super) async fn next_news(&mut self, lane: Lane) -> Result<Vec<(u64, LinkNews)>, Refusal> {
        if !self.told[lane as usize].is_empty() {
            return Ok(Vec::new());
        }
        let mut news = outstanding(&self.hub, self.host, lane).await?;
        for (_, news) in &mut news {
            // As it is now: what was said of it since may have gone by the other lane.
            if let LinkNews::Device { device, about } = news
                && let Some(row) = self.hub.load::<DeviceRow>(&keys::device(self.account, *device)).await?
            {
                **about = row.value.about;
            }
        }
        self.told[lane as usize] = news.iter().map(|(number, _)| *number).collect();
        Ok(news)
    }

    /// The node has done everything of the lane of a number up to it, as far as it was told on this connection. What was written
    /// meanwhile under a smaller one was not told, and is not taken for heard.
    pub(super) async fn hear(&mut self, heard: u64) -> Result<(), Refusal> {
        let Some(lane) = Lane::ALL.into_iter().find(|lane| self.told[*lane as usize].contains(&heard)) else {
            return Ok(());
        };
        let told = self.told[lane as usize].iter().copied();
        let done: Vec<u64> = told.filter(|number| *number <= heard).collect();
        let before = self.link.value.heard;
        self.link.value.heard = before.max(heard);
        let heard = self.note_heard(lane, &done).await;
        if heard.is_err() {
            self.link.value.heard = before;
        }
        heard
    }

    async fn note_heard(&mut self, lane: Lane, done: &[u64]) -> Result<(), Refusal> {
        for _ in 0..TRIES {
            let told = outstanding(&self.hub, self.host, lane).await?;
            let (now, later): (Vec<_>, Vec<_>) = told.into_iter().partition(|(number, _)| done.contains(number));
            let mut batch = Batch::new();
            self.hold(&mut batch);
            for (number, news) in &now {
                batch.push(Put::remove(lane.key(self.host, *number)));
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
                    self.told[lane as usize].retain(|number| !done.contains(number));
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
        // One that never came, or was revoked, is told of all of them when it comes.
        if hub.load::<LinkRow>(&keys::link(host)).await?.is_some_and(|link| !link.value.out) {
            let news = LinkNews::Device { device, about: Box::new(about.clone()) };
            tell(hub, batch, host, &news);
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
        tell(hub, batch, host, &news);
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
