//! The life of a host: it takes over, says what it is, and goes away.

use protocol::command::CommandState;
use protocol::error::ErrorCode;
use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::host::{AwayReason, Host, HostContent, Presence, RemoteAccess};
use protocol::id::CommandId;
use protocol::port::{PortError, Started};
use store::{Batch, Expected, Put};

use super::Port;
use crate::commands::{Step, release, take};
use crate::failure::Failure;
use crate::feed;
use crate::hub::TRIES;
use crate::keys;
use crate::rows::{CommandRow, HostRow, Row, Stored};

/// Most leased commands that one batch gives back; a host holds only a few.
const MOST_LEASED: usize = 1_000;

impl Port {
    pub(super) async fn generation(&self) -> Result<u64, Failure> {
        Ok(self.host_row().await?.map_or(0, |row| row.value.host.generation))
    }

    async fn host_row(&self) -> Result<Option<Stored<HostRow>>, Failure> {
        self.hub.load(&keys::host(self.host)).await
    }

    pub(super) async fn take_over(&self, about: HostContent, turns_at_once: u32) -> Result<Started, PortError> {
        for _ in 0..TRIES {
            let stored = self.host_row().await?;
            let (before, expected, operation) = match &stored {
                Some(row) => (row.value.host.generation, Expected::Version(row.version), Operation::Update),
                None => (0, Expected::Absent, Operation::Insert),
            };
            let host = Host {
                v: FACT_VERSION,
                presence: Presence::Online,
                reason: None,
                generation: before + 1,
                seen_at_ms: self.hub.now(),
                turns_at_once,
                // The owner's, whoever runs the host.
                remote_access: stored.as_ref().map_or_else(RemoteAccess::default, |row| row.value.host.remote_access),
                content: about.clone(),
            };
            let mut batch = Batch::of(Put::set(keys::fence(self.host, before), ""));
            self.write_host(&mut batch, host, expected, operation);
            self.give_back(&mut batch, true).await?;
            match self.hub.commit(batch).await {
                Ok(_) => {
                    // Whoever leases for an older generation has to find out, and what was given back waits again.
                    self.hub.inner.queue.ring();
                    return Ok(Started { generation: before + 1, host: self.host, account: self.hub.account() });
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    pub(super) async fn say_anew(&self, generation: u64, about: HostContent) -> Result<(), PortError> {
        self.change(generation, |host| Host { content: about.clone(), ..host }, false).await
    }

    pub(super) async fn go_away(&self, generation: u64) -> Result<(), PortError> {
        self.change(
            generation,
            |host| Host { presence: Presence::Offline, reason: Some(AwayReason::Stopped), ..host },
            true,
        )
        .await?;
        self.hub.inner.queue.ring();
        Ok(())
    }

    async fn change(
        &self,
        generation: u64,
        change: impl Fn(Host) -> Host + Send + Sync,
        give_back: bool,
    ) -> Result<(), PortError> {
        for _ in 0..TRIES {
            let row = self
                .host_row()
                .await?
                .ok_or_else(|| PortError::Refused { reason: "the host has not started".into() })?;
            let current = row.value.host.generation;
            if current != generation {
                return Err(PortError::Replaced { generation, current });
            }
            let mut host = change(row.value.host);
            host.seen_at_ms = self.hub.now();
            let mut batch = Batch::of(self.fence(generation));
            self.write_host(&mut batch, host, Expected::Version(row.version), Operation::Update);
            if give_back {
                self.give_back(&mut batch, false).await?;
            }
            match self.hub.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    fn write_host(&self, batch: &mut Batch, host: Host, expected: Expected, operation: Operation) {
        let account = self.hub.account();
        let row = HostRow { account, host: host.clone() };
        batch.push(Put::set(keys::host(self.host), row.encode()).expecting(expected));
        feed::tell(batch, account, &FeedFact::from((self.host, operation, host)));
    }

    /// Adds the way back to the queue of every command that is leased and has not started, in its old place (W-003, W-020e). When its host
    /// was `lost` that was a try, and the last one is its end: what ends the host each time must not do so for ever.
    async fn give_back(&self, batch: &mut Batch, lost: bool) -> Result<(), PortError> {
        for entry in self.hub.scan(keys::all_leased(self.host), None, MOST_LEASED).await? {
            let id = std::str::from_utf8(&entry.value).ok().and_then(|id| id.parse::<CommandId>().ok());
            let Some(id) = id else { continue };
            let stored = self.hub.load::<CommandRow>(&keys::command(id)).await?;
            if let Some(stored) = stored.filter(|row| row.value.command.state == CommandState::Leased) {
                let clock = &*self.hub.inner.clock;
                let step = if lost {
                    Step::not_begun(&stored.value, ErrorCode::LeaseLost, None, clock)
                } else {
                    Step::to(CommandState::Queued)
                };
                let row = take(batch, &stored, step, clock);
                release(&self.hub, batch, &row.value).await?;
            }
        }
        Ok(())
    }

    /// Gives back one lease that nobody has taken over.
    pub(super) async fn give_back_one(&self, id: CommandId, token: u64) -> Result<(), Failure> {
        for _ in 0..TRIES {
            let Some(stored) = self.hub.load::<CommandRow>(&keys::command(id)).await? else { return Ok(()) };
            if stored.value.command.state != CommandState::Leased || stored.value.token() != token {
                return Ok(());
            }
            let mut batch = Batch::new();
            take(&mut batch, &stored, Step::to(CommandState::Queued), &*self.hub.inner.clock);
            match self.hub.commit(batch).await {
                Ok(_) => {
                    self.hub.inner.queue.ring();
                    return Ok(());
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Contended { tries: TRIES })
    }
}
