//! The pieces of a push: journals and turn streams, byte for byte, with the same indexes as what a host in this process reports.

use bytes::Bytes;
use protocol::fact::SessionFact;
use protocol::id::{SessionId, TurnId};
use protocol::limits::TURN_STREAM_MS;
use protocol::link::Piece;
use protocol::path::{Owned, StreamPath};
use store::{Expected, Operation, Put};
use streams::{Extended, Extension};

use super::push::{Draft, Home, Refusal, refuse};
use crate::keys::{self, Due};
use crate::rows::{Row as _, SessionRow, TurnRow};
use crate::uploads;

impl Draft<'_> {
    pub(super) async fn piece(&mut self, piece: &Piece) -> Result<(), Refusal> {
        let owned = piece.stream.owned();
        if !matches!(owned, Some(Owned::Journal(session)) if session == piece.session)
            && !matches!(owned, Some(Owned::Turn(_)))
        {
            return refuse(format!("{} is no stream of that session", piece.stream));
        }
        if self.session(piece.session).await?.is_none() {
            return Ok(());
        }
        match owned {
            Some(Owned::Turn(turn)) => self.turn(turn, piece).await,
            _ => self.journal(piece).await,
        }
    }

    async fn extend(&mut self, piece: &Piece) -> Result<Extended, Refusal> {
        let body = |message: &serde_json::value::RawValue| Bytes::copy_from_slice(message.get().as_bytes());
        let extension = Extension {
            stream: piece.stream.clone(),
            at: piece.at,
            before: piece.before,
            messages: piece.messages.iter().map(|message| body(message)).collect(),
            close: piece.close,
        };
        let extended = self.replicas.append_at(&mut self.batch, extension).await?;
        if extended == Extended::Made {
            self.batch.push(Put::set(keys::replica(self.host, &piece.stream), ""));
        }
        Ok(extended)
    }

    async fn journal(&mut self, piece: &Piece) -> Result<(), Refusal> {
        let extended = self.extend(piece).await?;
        if extended == Extended::Same {
            return Ok(());
        }
        if extended == Extended::Made {
            self.make_live(piece.session);
        }
        for message in &piece.messages {
            // What is not understood stands in the journal all the same.
            let Ok(fact) = SessionFact::parse(message.get().as_bytes()) else { continue };
            if matches!(fact, SessionFact::Turn { .. } | SessionFact::Approval { .. }) {
                self.index.learn(piece.session, &fact).await?;
                self.index.index(&mut self.batch, piece.session, &fact).await?;
            }
            if let SessionFact::Turn { id, value: Some(turn), .. } = fact
                && turn.state.is_final()
            {
                // Its stream may have ended while the link was broken for longer than the node keeps it.
                self.ends(id);
            }
        }
        Ok(())
    }

    async fn turn(&mut self, turn: TurnId, piece: &Piece) -> Result<(), Refusal> {
        // Its time was over here: it was closed, and deleted.
        if self.spent.contains(&turn) {
            return Ok(());
        }
        let known = match self.index.turns.get(&turn) {
            Some(session) => Some(*session),
            None => self.hub.session_of(turn).await?,
        };
        match known {
            Some(session) if session != piece.session => return refuse(format!("{turn} is a turn of another session")),
            Some(_) => {}
            // It is on its way: its stream may come before the fact that names it.
            None => {
                self.index.turns.insert(turn, piece.session);
                self.batch.push(Put::set(keys::turn(turn), TurnRow { session: piece.session }.encode()));
            }
        }
        if self.extend(piece).await? != Extended::Same && piece.close {
            self.ends(turn);
        }
        Ok(())
    }

    /// Adds the end of what is kept of a turn beside its session's journal.
    fn ends(&mut self, turn: TurnId) {
        let at = self.hub.now().plus_ms(TURN_STREAM_MS);
        self.batch.push(Put::set(Due::Turn(turn).key(at), ""));
        self.due = true;
    }

    /// The session's row; `None` for a session that was deleted here, of which nothing is taken. One that nobody knows is this host's.
    pub(super) async fn session(&mut self, session: SessionId) -> Result<Option<SessionRow>, Refusal> {
        if let Some(home) = self.homes.get(&session) {
            return Ok(home.row);
        }
        let home = match self.hub.inner.known.session(session) {
            Some(row) => Home { row: Some(row), expected: Expected::Anything, changed: false },
            None => self.look_up(session).await?,
        };
        let row = home.row;
        if row.is_some_and(|row| row.host != self.host || row.account != self.account) {
            return refuse(format!("{session} is a session of another host"));
        }
        self.homes.insert(session, home);
        Ok(row)
    }

    async fn look_up(&mut self, session: SessionId) -> Result<Home, Refusal> {
        if let Some(stored) = self.hub.load::<SessionRow>(&keys::session(session)).await? {
            let expected = Expected::Version(stored.version);
            return Ok(Home { row: Some(stored.value), expected, changed: false });
        }
        let gone = self.hub.inner.streams.get(&keys::gone(session)).await.map_err(crate::failure::Failure::from)?;
        if gone.is_some() {
            self.gone.insert(session);
            return Ok(Home { row: None, expected: Expected::Anything, changed: false });
        }
        let row = SessionRow { account: self.account, host: self.host, command: None, live: false };
        Ok(Home { row: Some(row), expected: Expected::Absent, changed: true })
    }

    /// The session has its journal from now on.
    fn make_live(&mut self, session: SessionId) {
        if let Some(Home { row: Some(row), changed, .. }) = self.homes.get_mut(&session)
            && !row.live
        {
            row.live = true;
            *changed = true;
        }
    }

    /// Whether this push gives the session its journal.
    pub(super) fn makes(&self, session: SessionId) -> bool {
        self.homes.get(&session).is_some_and(|home| home.changed && home.row.is_some_and(|row| row.live))
    }

    /// Adds the rows of sessions that were made or changed.
    pub(super) fn write_homes(&mut self) {
        for (session, home) in &self.homes {
            let Home { row: Some(row), expected, changed: true } = home else { continue };
            self.batch.push(Put::set(keys::session(*session), row.encode()).expecting(*expected));
            self.batch.push(Put::remove(keys::gone(*session)).expecting(Expected::Absent));
        }
    }

    /// Adds the end of a session that was deleted at its node; what is left of it is swept up after.
    pub(super) async fn bury(&mut self, session: SessionId) -> Result<(), Refusal> {
        let stored = self.hub.load::<SessionRow>(&keys::session(session)).await?;
        match &stored {
            Some(stored) if stored.value.host != self.host || stored.value.account != self.account => {
                return refuse(format!("{session} is a session of another host"));
            }
            // Made and deleted since the last push.
            None if !self.homes.get(&session).is_some_and(|home| home.changed) => return Ok(()),
            Some(_) | None => {}
        }
        let gone = Put::set(keys::gone(session), self.account.to_string());
        self.batch.push(gone.expecting(Expected::Absent));
        let expected = stored.map_or(Expected::Absent, |stored| Expected::Version(stored.version));
        self.batch.push(Put::remove(keys::session(session)).expecting(expected));
        self.batch.push(Put::remove(keys::edit(session)));
        self.batch.push(Operation::Delete(StreamPath::journal(session)));
        self.batch.push(Put::set(Due::Sweep(session).key(self.hub.now()), ""));
        self.homes.insert(session, Home { row: None, expected: Expected::Anything, changed: false });
        self.due = true;
        Ok(())
    }

    /// Adds that a session uses a file of this hub from now on.
    pub(super) async fn retain(&mut self, session: SessionId, blob: protocol::blob::BlobId) -> Result<(), Refusal> {
        if self.retained.contains(&blob) {
            self.batch.push(Put::set(keys::file(session, blob), ""));
            self.batch.push(Put::set(keys::user(self.account, blob, session), ""));
        } else if uploads::retain(self.hub, &mut self.batch, self.account, session, blob).await?.is_some() {
            self.retained.insert(blob);
        }
        Ok(())
    }
}
