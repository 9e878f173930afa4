//! The hub port: what a host in this process may ask. One host, the node's own device; whatever it says of other hosts, sessions
//! or accounts is refused (W-078, W-081).

mod known;
mod lease;
mod news;
mod report;
mod start;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use protocol::blob::{Blob, BlobId};
use protocol::host::HostContent;
use protocol::id::{DeviceId, SessionId};
use protocol::offset::Offset;
use protocol::path::{Owned, StreamPath};
use protocol::port::{HubPort, Later, Leased, Note, PortError, Report, Reported, SessionNews, Started, StreamPage};
use store::{Batch, Expected, Put};

use crate::failure::Failure;
use crate::hub::Hub;
use crate::keys;
use crate::rows::BlobRow;

pub(crate) use known::Known;
pub(crate) use steps::Draft;

/// Longest key of a private note, in bytes.
const MAX_NOTE_KEY_BYTES: usize = 512;

/// What the host in this node talks to.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    hub: Hub,
    host: DeviceId,
}

impl Hub {
    /// The port for the host in this node; `None` for a hub without one.
    pub fn host_port(&self) -> Option<Arc<dyn HubPort>> {
        let host = self.host(self.account())?;
        Some(Arc::new(Port { hub: self.clone(), host }))
    }
}

impl Port {
    /// Demands that no newer generation has started: a step that changes nothing and conflicts if one has.
    fn fence(&self, generation: u64) -> Put {
        Put::remove(keys::fence(self.host, generation)).expecting(Expected::Absent)
    }

    /// The failure of a batch that held the fence of this generation.
    async fn refused(&self, generation: u64, failure: Failure) -> PortError {
        if failure.lost() == Some(keys::fence(self.host, generation).as_str()) {
            let current = self.generation().await.unwrap_or(generation);
            return PortError::Replaced { generation, current };
        }
        failure.into()
    }

    async fn list_notes(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Note>, PortError> {
        let root = keys::note(self.host, "");
        let after = after.map(|key| keys::note(self.host, key));
        let found = self.hub.scan(keys::note(self.host, prefix), after, limit).await?;
        let note =
            |entry: store::Entry| Some(Note { key: entry.key.strip_prefix(&root)?.to_owned(), value: entry.value });
        Ok(found.into_iter().filter_map(note).collect())
    }

    async fn read_page(
        &self,
        stream: StreamPath,
        from: Option<Offset>,
        max_bytes: usize,
    ) -> Result<StreamPage, PortError> {
        let session = match stream.owned() {
            Some(Owned::Journal(session)) => Some(session),
            Some(Owned::Turn(turn)) => self.hub.session_of(turn).await?,
            Some(Owned::Feed(_)) | None => None,
        };
        let home = match session {
            Some(session) => self.hub.home(session).await?,
            None => None,
        };
        if home.is_none_or(|home| home.host != self.host) {
            return Err(PortError::NoStream { stream });
        }
        let most = protocol::limits::MAX_PAGE_MESSAGES;
        let page = self.hub.inner.streams.read(&stream, from, max_bytes, most).await.map_err(Failure::from)?;
        let up_to_date = page.next == page.head.tail;
        let messages: Vec<Bytes> = page.messages.into_iter().map(|message| message.body).collect();
        Ok(StreamPage { messages, next: page.next, up_to_date })
    }
}

impl Port {
    async fn read_file(&self, blob: BlobId) -> Result<Option<Bytes>, PortError> {
        let Some(row) = self.hub.load::<BlobRow>(&keys::blob(self.hub.account(), blob)).await? else { return Ok(None) };
        let size = usize::try_from(row.value.blob.size_bytes).unwrap_or_default();
        let mut bytes = Vec::with_capacity(size);
        let mut pages = std::pin::pin!(self.hub.blob_bytes(row.value.upload));
        while let Some(page) = pages.try_next().await? {
            bytes.extend_from_slice(&page);
        }
        Ok(Some(bytes.into()))
    }

    /// Adds the files that sessions use from now on to a report's batch.
    async fn write_files(
        &self,
        batch: &mut Batch,
        draft: &Draft<'_>,
        files: &[(SessionId, BlobId)],
    ) -> Result<(), PortError> {
        let mut here = HashSet::new();
        for (session, blob) in files {
            let account = draft.own(*session).await?.account;
            if here.insert(*blob) && crate::uploads::retain(&self.hub, batch, account, *session, *blob).await?.is_none()
            {
                return Err(PortError::Refused { reason: format!("there is no file {blob}") });
            }
        }
        Ok(())
    }
}

/// Adds the private notes of a report to its batch.
fn write_notes(batch: &mut Batch, host: DeviceId, notes: &[(String, Option<Bytes>)]) -> Result<(), PortError> {
    for (key, value) in notes {
        if key.is_empty() || key.len() > MAX_NOTE_KEY_BYTES {
            let reason = format!("a note's key has {} bytes; 1 to {MAX_NOTE_KEY_BYTES} are taken", key.len());
            return Err(PortError::Refused { reason });
        }
        let key = keys::note(host, key);
        batch.push(match value {
            Some(value) => Put::set(key, value.clone()),
            None => Put::remove(key),
        });
    }
    Ok(())
}

impl HubPort for Port {
    fn start(&self, about: HostContent, turns_at_once: u32) -> Later<'_, Result<Started, PortError>> {
        Box::pin(self.take_over(about, turns_at_once))
    }

    fn update(&self, generation: u64, about: HostContent) -> Later<'_, Result<(), PortError>> {
        Box::pin(self.say_anew(generation, about))
    }

    fn lease(&self, generation: u64, most: usize) -> Later<'_, Result<Vec<Leased>, PortError>> {
        Box::pin(self.wait_for_work(generation, most))
    }

    fn report(&self, report: Report) -> Later<'_, Result<Reported, PortError>> {
        Box::pin(self.take_report(report))
    }

    fn notes(&self, prefix: &str, after: Option<&str>, limit: usize) -> Later<'_, Result<Vec<Note>, PortError>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        Box::pin(async move { self.list_notes(&prefix, after.as_deref(), limit).await })
    }

    fn read(
        &self,
        stream: StreamPath,
        from: Option<Offset>,
        max_bytes: usize,
    ) -> Later<'_, Result<StreamPage, PortError>> {
        Box::pin(self.read_page(stream, from, max_bytes))
    }

    fn known_file(&self, blob: BlobId) -> Later<'_, Result<Option<Blob>, PortError>> {
        Box::pin(async move {
            let row = self.hub.load::<BlobRow>(&keys::blob(self.hub.account(), blob)).await?;
            Ok(row.map(|row| row.value.blob))
        })
    }

    fn file(&self, blob: BlobId) -> Later<'_, Result<Option<Bytes>, PortError>> {
        Box::pin(self.read_file(blob))
    }

    fn news(
        &self,
        generation: u64,
        heard: Option<u64>,
        wait: bool,
    ) -> Later<'_, Result<Vec<(u64, SessionNews)>, PortError>> {
        Box::pin(self.tell_news(generation, heard, wait))
    }

    fn stop(&self, generation: u64) -> Later<'_, Result<(), PortError>> {
        Box::pin(self.go_away(generation))
    }
}
