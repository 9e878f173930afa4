//! Making a code.

use protocol::api::{NewPairing, PairingOffer};
use protocol::device::Right;
use protocol::error::{ErrorCode, Problem};
use protocol::id::PairingId;
use protocol::limits::PAIRING_TTL_MS;
use store::{Batch, Expected, Put};

use super::code;
use crate::audit::{self, About};
use crate::credentials::hash;
use crate::failure::Failure;
use crate::hub::{Hub, decode};
use crate::identity::Identity;
use crate::keys::{self, Due};
use crate::random;
use crate::rows::{PairingRow, Row, Stored, Verdict};

/// Most enrolments of one account at once: a wrong try looks at each of them.
const MAX_OPEN: usize = 16;
/// Most enrolments of one account that are known, those included that are over and not forgotten yet.
const MAX_KNOWN: usize = MAX_OPEN * 4;
/// Most enrolments of all accounts that are known.
const MAX_ALL: usize = MAX_KNOWN * 16;
/// How long an enrolment is known after its end, so that its device can be told what became of it.
pub(crate) const KNOWN_AFTER_MS: u64 = 60 * 1000;

impl Hub {
    /// Makes a pairing code. Its secrets are told here and nowhere else.
    ///
    /// # Errors
    /// `forbidden` without the right to manage; `queue_full` when too many are open; failures of the store.
    pub async fn offer_pairing(&self, who: &Identity, new: NewPairing) -> Result<PairingOffer, Problem> {
        self.offer(who, new, false).await
    }

    /// Makes a pairing code for the terminal that this node was started at. It shows one at a time: those before it that nobody has used,
    /// also of earlier starts, are taken back.
    ///
    /// # Errors
    /// As [`Hub::offer_pairing`].
    pub async fn offer_at_terminal(&self, new: NewPairing) -> Result<PairingOffer, Problem> {
        self.offer(&self.node_identity(), new, true).await
    }

    async fn offer(&self, who: &Identity, new: NewPairing, terminal: bool) -> Result<PairingOffer, Problem> {
        who.need(Right::Manage)?;
        let rows = self.pairing_rows().await?;
        let is_over = |row: &PairingRow| terminal && row.terminal && row.claim.is_none();
        let (over, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| is_over(&row.value));
        let own = || rows.iter().filter(|row| row.value.account == who.account);
        let open = own().filter(|row| row.value.verdict == Verdict::Open).count();
        if open >= MAX_OPEN || own().count() >= MAX_KNOWN || rows.len() >= MAX_ALL {
            let title = "Too many pairing codes are open".to_owned();
            let problem = Problem { title, ..Problem::new(ErrorCode::QueueFull) };
            return Err(problem.hint("Use one of the codes that are open, or wait until they expire."));
        }
        let now = self.now();
        let code = code::fresh(&*self.inner.random);
        let secret = random::secret(&*self.inner.random);
        let row = PairingRow {
            pairing: PairingId::from_uuid(self.inner.clock.fresh()),
            account: who.account,
            code: Some(hash(&code)),
            half: Some(hash(code::half(&code))),
            terminal,
            secret: hash(&secret),
            once: new.once,
            setup: false,
            created_at_ms: now,
            expires_at_ms: now.plus_ms(PAIRING_TTL_MS),
            tries: 0,
            claim: None,
            verdict: Verdict::Open,
        };
        let mut batch = Batch::new();
        for old in over {
            // One that is being used in this moment stays.
            self.take_back_offer(old).await?;
        }
        batch.push(Put::set(keys::pairing(row.pairing), row.encode()).expecting(Expected::Absent));
        batch.push(Put::set(Due::Pairing(row.pairing).key(row.expires_at_ms.plus_ms(KNOWN_AFTER_MS)), ""));
        audit::push(&mut batch, who.account, &self.entry(Some(who), "pairing.create").about(row.pairing));
        self.commit(batch).await?;
        self.inner.due.ring();
        Ok(PairingOffer { pairing: row.pairing, code: code::shown(&code), secret, expires_at_ms: row.expires_at_ms })
    }

    async fn take_back_offer(&self, old: Stored<PairingRow>) -> Result<(), Failure> {
        let gone = Put::remove(keys::pairing(old.value.pairing)).expecting(Expected::Version(old.version));
        match self.commit(Batch::of(gone)).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.lost().is_some() => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Every enrolment that is not forgotten yet, oldest first.
    pub(super) async fn pairing_rows(&self) -> Result<Vec<Stored<PairingRow>>, Failure> {
        // Offers are limited before they are made, so this is all of them; races may add a few.
        self.scan(keys::PAIRINGS.to_owned(), None, MAX_ALL * 2).await?.iter().map(decode).collect()
    }
}
