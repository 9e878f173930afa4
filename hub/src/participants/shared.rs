//! Who takes part in which session, in memory: asked for with every read, and with every commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use protocol::id::{AccountId, SessionId};
use protocol::participant::ParticipantRole;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::hub::{Hub, decode, lock};
use crate::keys;
use crate::rows::ParticipantRow;

/// What a participant may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leave {
    pub(crate) role: ParticipantRole,
    pub(crate) trusted: bool,
}

/// A session that somebody besides its owner sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Circle {
    pub(crate) owner: AccountId,
    /// Never empty.
    pub(crate) participants: BTreeMap<AccountId, Leave>,
}

/// Every shared session.
pub(crate) type Circles = HashMap<SessionId, Circle>;

/// The shared sessions as they are on disk, and what hangs on them.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    /// Every commit of a hub that is shared holds it for reading, until it is done; who comes in, goes, or is taken out holds it alone.
    /// So nothing falls between what somebody is told of a session at first and what is told from then on.
    gate: Arc<RwLock<()>>,
    // Each lock is held for one look, never over an await.
    circles: Mutex<Arc<Circles>>,
    /// What ends when an account loses a session: what it reads of that one, and its sockets, which read anything.
    leashes: Mutex<HashMap<(AccountId, Option<SessionId>), CancellationToken>>,
}

impl Sharing {
    pub(super) async fn among(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.gate).read_owned().await
    }

    pub(super) async fn alone(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    pub(super) fn circles(&self) -> Arc<Circles> {
        Arc::clone(&lock(&self.circles))
    }

    pub(super) fn set(&self, circles: Circles) {
        *lock(&self.circles) = Arc::new(circles);
    }

    /// What an account may do with a session of somebody else.
    pub(crate) fn leave(&self, account: AccountId, session: SessionId) -> Option<Leave> {
        lock(&self.circles).get(&session)?.participants.get(&account).copied()
    }

    /// What ends when an account loses a session; of none, when it loses any. It must be taken before it is asked whether the account
    /// takes part: a removal between the two is then seen in one of them.
    pub(crate) fn leash(&self, account: AccountId, session: Option<SessionId>) -> CancellationToken {
        lock(&self.leashes).entry((account, session)).or_default().clone()
    }

    /// Ends what an account has open of a session, once the account is out of it here.
    pub(super) fn cut(&self, account: AccountId, session: SessionId) {
        for of in [Some(session), None] {
            let leash = lock(&self.leashes).remove(&(account, of));
            if let Some(leash) = leash {
                leash.cancel();
            }
        }
    }
}

/// Adds somebody to the circles.
pub(super) fn add(circles: &mut Circles, row: &ParticipantRow) {
    let about = &row.about;
    let circle = circles.entry(about.session);
    let circle = circle.or_insert_with(|| Circle { owner: about.owner, participants: BTreeMap::new() });
    circle.participants.insert(about.account, Leave { role: about.role, trusted: about.trusted });
}

/// Takes somebody out of the circles.
pub(super) fn remove(circles: &mut Circles, session: SessionId, account: AccountId) {
    if let Some(circle) = circles.get_mut(&session) {
        circle.participants.remove(&account);
        if circle.participants.is_empty() {
            circles.remove(&session);
        }
    }
}

impl Hub {
    /// Whether an account shares a session, or takes part in one.
    pub(crate) fn takes_part(&self, account: AccountId) -> bool {
        let circles = self.inner.sharing.circles();
        circles.values().any(|circle| circle.owner == account || circle.participants.contains_key(&account))
    }

    /// Reads the shared sessions as the last life of this hub left them.
    pub(crate) async fn remember_participants(&self) -> Result<(), Failure> {
        let mut circles = Circles::new();
        for entry in self.every(keys::PARTICIPANTS.to_owned(), |_| Ok(true)).await? {
            add(&mut circles, &decode::<ParticipantRow>(&entry)?.value);
        }
        self.inner.sharing.set(circles);
        Ok(())
    }
}
