//! Using a code.

use protocol::api::{ClaimRequest, ClaimResponse};
use protocol::device::DeviceKind;
use protocol::error::{ErrorCode, Problem};
use protocol::id::DeviceId;
use protocol::limits::{PAIRING_MAX_TRIES, PAIRING_TTL_MS};
use store::{Batch, Expected, Put};
use subtle::{Choice, ConstantTimeEq};

use super::tries::{Guess, Noted};
use super::{KNOWN_AFTER_MS, code, words};
use crate::audit::{self, About};
use crate::credentials::hash;
use crate::devices::check_name;
use crate::failure::Failure;
use crate::hub::{Hub, TRIES, lock};
use crate::keys::{self, Due};
use crate::random;
use crate::rows::{Claim, InvitationRow, PairingRow, Row, Stored, Verdict};

/// A claim was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The source has tried too often; it may try again later.
    #[error("too many wrong codes from this address")]
    Limited {
        /// How long it must wait, in milliseconds.
        retry_after_ms: u64,
    },
    /// `bad_request`, `pairing_invalid`, or a failure of the store.
    #[error(transparent)]
    Refused(#[from] Problem),
}

impl From<Failure> for ClaimError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure.into())
    }
}

impl Hub {
    /// Uses a code, typed or from a QR code. Wrong codes are counted per code and per source and in all, across connections. A wrong code is
    /// a try at those that begin with the same half, and at no other: after [`PAIRING_MAX_TRIES`] of them that code is void, and nobody
    /// voids the codes of others. An alarm stands in the audit trail.
    ///
    /// Goes on to its end when the caller leaves.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub async fn claim_pairing(&self, source: &str, request: ClaimRequest) -> Result<ClaimResponse, ClaimError> {
        check(&request)?;
        self.claim_as(source, request, None).await
    }

    /// Uses a code; `device` is the id that a node has proved to be its own.
    pub(super) async fn claim_as(
        &self,
        source: &str,
        request: ClaimRequest,
        device: Option<DeviceId>,
    ) -> Result<ClaimResponse, ClaimError> {
        // Before anything is waited for, so that a source cannot try more often by trying at the same time.
        let typed = if code::normal(&request.code).is_some() { Guess::Typed } else { Guess::None };
        let begun = lock(&self.inner.tries).begin(source, typed, self.now());
        let noted = begun.map_err(|retry_after_ms| ClaimError::Limited { retry_after_ms })?;
        let (hub, source) = (self.clone(), source.to_owned());
        self.whole(async move {
            let claimed = hub.claim(&source, noted, request, device).await;
            let wrong =
                matches!(&claimed, Err(ClaimError::Refused(problem)) if problem.code == ErrorCode::PairingInvalid);
            if !wrong {
                lock(&hub.inner.tries).forgive(&source, typed);
            }
            claimed
        })
        .await
    }

    async fn claim(
        &self,
        source: &str,
        noted: Noted,
        request: ClaimRequest,
        device: Option<DeviceId>,
    ) -> Result<ClaimResponse, ClaimError> {
        // One after the other: each guess is judged against what the guesses before it have left open, so that no code is
        // compared with more of them than it may be.
        let _turn = self.inner.claiming.lock().await;
        for _ in 0..TRIES {
            let now = self.now();
            let rows = self.pairing_rows().await?;
            // By the links that let people in no machine comes in.
            let fits = |row: &PairingRow| is_open(row) && (device.is_none() || !row.setup);
            let open = rows.iter().filter(|row| fits(&row.value) && now < row.value.expires_at_ms);
            let found = find(open, &request.code);
            let invitations = if device.is_none() { self.invitation_rows().await? } else { Vec::new() };
            let invited = invitation(invitations.iter().filter(|row| now < row.value.expires_at_ms), &request.code);
            let is_void = match found {
                Some(found) => found.value.setup && self.owner_is_in().await?,
                None => invited.is_none(),
            };
            if is_void {
                self.wrong_try(source, noted, &request.code).await?;
                return Err(Problem::new(ErrorCode::PairingInvalid).into());
            }
            let token = random::secret(&*self.inner.random);
            let words = words::of(&token);
            let claim = Claim {
                name: request.name.trim().to_owned(),
                platform: request.platform.trim().to_owned(),
                kind: request.kind,
                public_key: request.public_key.clone(),
                device,
                source: source.to_owned(),
                words: words.clone(),
                token: hash(&token),
                claimed_at_ms: now,
            };
            let mut batch = Batch::new();
            let (row, approved) = match (found, invited) {
                (Some(found), _) => {
                    let mut row = found.value.clone();
                    row.code = None;
                    row.claim = Some(claim);
                    let mut entry = self.entry(None, "pairing.claim").about(row.pairing);
                    entry.source = Some(source.to_owned());
                    audit::push(&mut batch, row.account, &entry);
                    let approved = match (row.setup, row.once) {
                        (true, _) => self.approve_owner(&mut batch, &mut row).await?,
                        (false, true) if device.is_none() => self.approve_alone(&mut batch, &mut row).await?,
                        (false, _) => false,
                    };
                    if row.setup {
                        // It is the only way in, and a device that does not come for its credential must not keep it shut for a day.
                        row.expires_at_ms = now.plus_ms(PAIRING_TTL_MS).min(row.expires_at_ms);
                        let over = row.expires_at_ms.plus_ms(KNOWN_AFTER_MS);
                        batch.push(Put::set(Due::Pairing(row.pairing).key(over), ""));
                    }
                    let put = Put::set(keys::pairing(row.pairing), row.encode());
                    batch.push(put.expecting(Expected::Version(found.version)));
                    (row, approved)
                }
                (None, Some(invited)) => (self.join(&mut batch, invited, claim), true),
                (None, None) => return Err(Problem::new(ErrorCode::PairingInvalid).into()),
            };
            match self.commit(batch).await {
                Ok(_) => {
                    if found.is_none() {
                        self.joined(row.account);
                    }
                    self.inner.due.ring();
                    tracing::info!(pairing = %row.pairing, source, approved, "a device asks to be enrolled");
                    self.inner.pairings.ring();
                    let pairing = row.pairing;
                    return Ok(ClaimResponse { pairing, claim_token: token, words, expires_at_ms: row.expires_at_ms });
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// Counts a wrong try, and voids the code that it is one at, at the last one that is allowed.
    async fn wrong_try(&self, source: &str, noted: Noted, given: &str) -> Result<(), Failure> {
        if noted.storm {
            self.alarm(source, "pairing.alarm", "many codes are guessed").await;
        }
        if noted.alarm {
            self.alarm(source, "pairing.limited", "one address has used up its tries").await;
        }
        if noted.audited {
            let mut entry = self.entry(None, "pairing.claim").failed(ErrorCode::PairingInvalid);
            entry.source = Some(source.to_owned());
            self.record(entry).await;
        }
        let half = code::normal(given).map(|code| hash(code::half(&code)));
        for _ in 0..TRIES {
            let rows = self.pairing_rows().await?;
            let mut batch = Batch::new();
            let mut voided = false;
            let at =
                |row: &&Stored<PairingRow>| row.value.code.is_some() && is_try(row.value.half.as_ref(), half.as_ref());
            for row in rows.iter().filter(at) {
                let mut tried = row.value.clone();
                tried.tries += 1;
                if tried.tries >= PAIRING_MAX_TRIES {
                    tried.code = None;
                    voided = true;
                }
                let put = Put::set(keys::pairing(tried.pairing), tried.encode());
                batch.push(put.expecting(Expected::Version(row.version)));
            }
            if batch.operations.is_empty() {
                return Ok(());
            }
            match self.commit(batch).await {
                Ok(_) if voided => {
                    self.alarm(source, "pairing.alarm", "a typed code is void").await;
                    return Ok(());
                }
                Ok(_) => return Ok(()),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Contended { tries: TRIES })
    }

    pub(super) async fn alarm(&self, source: &str, action: &'static str, why: &'static str) {
        tracing::warn!(source, why, "somebody guesses pairing codes");
        let mut entry = self.entry(None, action).failed(ErrorCode::PairingInvalid);
        entry.source = Some(source.to_owned());
        self.record(entry).await;
    }
}

/// Whether a wrong code is a try at the code with a first half; one without, of an older program, is tried by all.
pub(super) fn is_try(of: Option<&String>, given: Option<&String>) -> bool {
    of.is_none_or(|of| given.is_some_and(|given| bool::from(same(of, given))))
}

fn is_open(row: &PairingRow) -> bool {
    row.claim.is_none() && row.verdict == Verdict::Open
}

/// The enrolment that a code belongs to. Looks at every one of them, in a time that says nothing about which.
fn find<'a>(rows: impl Iterator<Item = &'a Stored<PairingRow>>, given: &str) -> Option<&'a Stored<PairingRow>> {
    let typed = code::normal(given).map(|code| hash(&code));
    let scanned = hash(given.trim());
    let mut found = None;
    for row in rows {
        let by_secret = same(&row.value.secret, &scanned);
        let by_code = match (&row.value.code, &typed) {
            (Some(code), Some(typed)) => same(code, typed),
            _ => Choice::from(0),
        };
        if bool::from(by_secret | by_code) {
            found = Some(row);
        }
    }
    found
}

/// The invitation that a link belongs to; like [`find`].
fn invitation<'a>(
    rows: impl Iterator<Item = &'a Stored<InvitationRow>>,
    given: &str,
) -> Option<&'a Stored<InvitationRow>> {
    let scanned = hash(given.trim());
    let mut found = None;
    for row in rows {
        if bool::from(same(&row.value.secret, &scanned)) {
            found = Some(row);
        }
    }
    found
}

pub(super) fn same(left: &str, right: &str) -> Choice {
    left.as_bytes().ct_eq(right.as_bytes())
}

fn check(request: &ClaimRequest) -> Result<(), Problem> {
    check_name("name", request.name.trim())?;
    check_name("platform", request.platform.trim())?;
    let bad = |detail: &str| Err(Problem::new(ErrorCode::BadRequest).detail(detail));
    if request.kind == DeviceKind::Node {
        return bad("`kind` must be `browser` or `program`");
    }
    if let Some(key) = &request.public_key {
        use base64::Engine;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(key);
        if bytes.is_err() || bytes.is_ok_and(|bytes| bytes.len() != 32) {
            return bad("`publicKey` must be 32 bytes in base64url without padding");
        }
    }
    Ok(())
}
