//! Whose a session is and of which session a turn is: asked for with every delta, so kept in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use protocol::id::{SessionId, TurnId};

use crate::failure::Failure;
use crate::hub::{Hub, lock};
use crate::keys;
use crate::rows::{SessionRow, TurnRow};

/// Most entries kept of either kind; beyond, all are forgotten and read anew, which is always right.
const MOST: usize = 16_384;

/// Sessions whose journal exists, and turns. A session never changes hands while the hub runs.
#[derive(Debug, Default)]
pub(crate) struct Known {
    // Held for one look, never over an await.
    sessions: Mutex<HashMap<SessionId, SessionRow>>,
    turns: Mutex<HashMap<TurnId, SessionId>>,
}

impl Known {
    pub(crate) fn session(&self, session: SessionId) -> Option<SessionRow> {
        lock(&self.sessions).get(&session).copied()
    }

    pub(crate) fn turn(&self, turn: TurnId) -> Option<SessionId> {
        lock(&self.turns).get(&turn).copied()
    }

    /// Remembers a session whose journal is durable.
    pub(crate) fn learn_session(&self, session: SessionId, row: SessionRow) {
        insert(&mut lock(&self.sessions), session, row);
    }

    /// Remembers a turn that is durable.
    pub(crate) fn learn_turn(&self, turn: TurnId, session: SessionId) {
        insert(&mut lock(&self.turns), turn, session);
    }

    pub(crate) fn forget_session(&self, session: SessionId) {
        lock(&self.sessions).remove(&session);
        lock(&self.turns).retain(|_, of| *of != session);
    }

    pub(crate) fn forget_turn(&self, turn: TurnId) {
        lock(&self.turns).remove(&turn);
    }
}

fn insert<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>, key: K, value: V) {
    if map.len() >= MOST {
        map.clear();
    }
    map.insert(key, value);
}

impl Hub {
    /// Whose a session is; `None` when there is none.
    pub(crate) async fn home(&self, session: SessionId) -> Result<Option<SessionRow>, Failure> {
        if let Some(row) = self.inner.known.session(session) {
            return Ok(Some(row));
        }
        let row = self.load::<SessionRow>(&keys::session(session)).await?.map(|row| row.value);
        if let Some(row) = row.filter(|row| row.live) {
            self.inner.known.learn_session(session, row);
        }
        Ok(row)
    }

    /// Of which session a turn is; `None` when there is none.
    pub(crate) async fn session_of(&self, turn: TurnId) -> Result<Option<SessionId>, Failure> {
        if let Some(session) = self.inner.known.turn(turn) {
            return Ok(Some(session));
        }
        let row = self.load::<TurnRow>(&keys::turn(turn)).await?.map(|row| row.value);
        if let Some(row) = row {
            self.inner.known.learn_turn(turn, row.session);
        }
        Ok(row.map(|row| row.session))
    }
}
