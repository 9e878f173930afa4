//! What people did to the host's sessions: kept until the host says that it has heard.

use std::time::Duration;

use protocol::port::{PortError, SessionNews};
use store::{Batch, Put};

use super::Port;
use crate::failure::Failure;
use crate::hub::decode;
use crate::keys::{self, Due};

/// How often a waiting host looks although nothing rang (rule 9).
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// Most told, or taken as heard, at once: what is urgent waits for these.
const MOST: usize = 32;

impl Port {
    /// Cancellation safe: what was not said to be heard is told again.
    pub(super) async fn tell_news(
        &self,
        generation: u64,
        heard: Option<u64>,
        wait: bool,
    ) -> Result<Vec<(u64, SessionNews)>, PortError> {
        if let Some(heard) = heard {
            self.heard(generation, heard).await?;
        }
        let stop = self.hub.stopping();
        loop {
            // Before looking, so that what comes in between is heard.
            let mut bell = self.hub.inner.news.listen();
            if stop.is_cancelled() {
                return Err(PortError::Broken { reason: "the hub is shutting down".to_owned() });
            }
            let current = self.generation().await?;
            if current != generation {
                return Err(PortError::Replaced { generation, current });
            }
            let found = self.outstanding().await?;
            if !found.is_empty() || !wait {
                return Ok(found);
            }
            tokio::select! {
                _ = bell.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// The oldest news that the host has not heard: what takes something away from somebody alone, if there is any.
    async fn outstanding(&self) -> Result<Vec<(u64, SessionNews)>, PortError> {
        let urgent = self.told(keys::all_urgent(self.host)).await?;
        if urgent.is_empty() { self.told(keys::all_news(self.host)).await } else { Ok(urgent) }
    }

    async fn told(&self, prefix: String) -> Result<Vec<(u64, SessionNews)>, PortError> {
        let mut found = Vec::new();
        for entry in self.hub.scan(prefix.clone(), None, MOST).await? {
            let number = entry.key.strip_prefix(&prefix).and_then(|number| number.parse().ok());
            let Some(number) = number else { continue };
            found.push((number, decode::<SessionNews>(&entry)?.value));
        }
        Ok(found)
    }

    async fn heard(&self, generation: u64, heard: u64) -> Result<(), PortError> {
        let mut batch = Batch::of(self.fence(generation));
        // Numbers mean something among those that were told together only.
        let urgent = keys::urgent(self.host, heard);
        let urgent = self.hub.streams().get(&urgent).await.map_err(Failure::from)?.is_some();
        let prefix = if urgent { keys::all_urgent(self.host) } else { keys::all_news(self.host) };
        let told = self.told(prefix).await?;
        let known = told.iter().any(|(number, _)| *number == heard);
        for (number, news) in told {
            if number > heard || !known {
                break;
            }
            let key = if urgent { keys::urgent(self.host, number) } else { keys::news(self.host, number) };
            batch.push(Put::remove(key));
            if let SessionNews::Deleted { session } = news {
                // What the host held of it until now has come to its end.
                batch.push(Put::set(Due::Sweep(session).key(self.hub.now()), ""));
            }
        }
        if let Err(failure) = self.hub.commit(batch).await {
            return Err(self.refused(generation, failure).await);
        }
        self.hub.inner.due.ring();
        Ok(())
    }
}
