//! Letting nodes in, which keep the id and the key that they have: with a code that was made here, or by one that the node shows and
//! somebody here types.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use protocol::api::{ClaimRequest, ClaimStatusRequest, NodeClaimRequest, NodeClaimResponse, PairingClaim, fingerprint};
use protocol::device::{DeviceKind, Right};
use protocol::error::{ErrorCode, Problem};
use protocol::fact::{FeedFact, Operation};
use protocol::host::{AwayReason, Host, Presence};
use protocol::id::{AccountId, DeviceId, PairingId};
use protocol::limits::{PAIRING_MAX_TRIES, PAIRING_TTL_MS};
use store::{Batch, Expected, Put};

use super::claim::{ClaimError, is_try, same};
use super::offer::KNOWN_AFTER_MS;
use super::tries::Guess;
use super::{code, words};
use crate::audit::{self, About};
use crate::credentials::{hash, matches};
use crate::devices::{NewDevice, admit, check_name};
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, TRIES, decode, lock};
use crate::identity::Identity;
use crate::keys::{self, Due};
use crate::random;
use crate::rows::{AccountRow, AskedRow, Claim, DeviceRow, HostRow, PairingRow, Row, Stored, Verdict};

/// Most nodes that ask at once, of all accounts: a wrong code is compared with each of them.
const MAX_ASKED: usize = 32;
/// Devices looked at at once.
const PAGE: usize = 1_000;
/// What a node may do with its own credential beyond its link: read the files that go with its commands.
const RIGHTS: [Right; 1] = [Right::Read];

impl Hub {
    /// A node claims a code, or asks for one to show. Its signature proves that it has its key; with another key its id is not taken.
    ///
    /// Goes on to its end when the caller leaves.
    ///
    /// # Errors
    /// As [`Hub::claim_pairing`]; `forbidden` when the id is another's; `queue_full` when too many ask.
    pub async fn claim_node(&self, source: &str, request: NodeClaimRequest) -> Result<NodeClaimResponse, ClaimError> {
        check_name("name", request.name.trim())?;
        check_name("platform", request.platform.trim())?;
        if !is_signed(&request) {
            let detail = "the signature is not one of these words by this key";
            return Err(Problem::new(ErrorCode::BadRequest).detail(detail).into());
        }
        if request.device == self.node() {
            return Err(Problem::new(ErrorCode::Forbidden).detail("a node is not linked to itself").into());
        }
        let Some(code) = request.code.clone() else { return self.ask(source, request).await };
        let device = request.device;
        let request = ClaimRequest {
            code,
            name: request.name,
            platform: request.platform,
            kind: DeviceKind::Node,
            public_key: Some(request.public_key),
        };
        let claimed = self.claim_as(source, request, Some(device)).await?;
        Ok(NodeClaimResponse {
            pairing: claimed.pairing,
            claim_token: claimed.claim_token,
            words: claimed.words,
            code: None,
            expires_at_ms: claimed.expires_at_ms,
        })
    }

    /// Notes a node that shows a code. Each counts as a try of its source, so that nobody fills the list.
    async fn ask(&self, source: &str, request: NodeClaimRequest) -> Result<NodeClaimResponse, ClaimError> {
        let begun = lock(&self.inner.tries).begin(source, Guess::None, self.now());
        begun.map_err(|retry_after_ms| ClaimError::Limited { retry_after_ms })?;
        let (hub, source) = (self.clone(), source.to_owned());
        self.whole(async move {
            let _turn = hub.inner.claiming.lock().await;
            if hub.asked_rows().await?.len() >= MAX_ASKED {
                let title = "Too many machines ask to be linked".to_owned();
                let problem = Problem { title, ..Problem::new(ErrorCode::QueueFull) };
                return Err(problem.hint("Make a code here, and link the machine with that one.").into());
            }
            let now = hub.now();
            let (code, token) = (code::fresh(&*hub.inner.random), random::secret(&*hub.inner.random));
            let row = AskedRow {
                pairing: PairingId::from_uuid(hub.inner.clock.fresh()),
                code: Some(hash(&code)),
                half: Some(hash(code::half(&code))),
                created_at_ms: now,
                expires_at_ms: now.plus_ms(PAIRING_TTL_MS),
                tries: 0,
                claim: Claim {
                    name: request.name.trim().to_owned(),
                    platform: request.platform.trim().to_owned(),
                    kind: DeviceKind::Node,
                    public_key: Some(request.public_key),
                    device: Some(request.device),
                    words: words::of(&token),
                    source,
                    token: hash(&token),
                    claimed_at_ms: now,
                },
            };
            let mut batch = Batch::of(Put::set(keys::asked(row.pairing), row.encode()).expecting(Expected::Absent));
            batch.push(Put::set(Due::Pairing(row.pairing).key(row.expires_at_ms.plus_ms(KNOWN_AFTER_MS)), ""));
            let mut entry = hub.entry(None, "pairing.ask").about(row.pairing);
            entry.source = Some(row.claim.source.clone());
            audit::push(&mut batch, hub.account(), &entry);
            hub.commit(batch).await?;
            hub.inner.due.ring();
            Ok(NodeClaimResponse {
                pairing: row.pairing,
                claim_token: token,
                words: row.claim.words,
                code: Some(code::shown(&code)),
                expires_at_ms: row.expires_at_ms,
            })
        })
        .await
    }

    /// Finds the node that shows a code, for somebody who typed it: from then on it waits for an answer in their account. Wrong codes
    /// are counted as those of claims are.
    ///
    /// # Errors
    /// [`ClaimError`]; `forbidden` without the right to manage.
    pub async fn accept_node(&self, who: &Identity, given: &str) -> Result<PairingClaim, ClaimError> {
        who.need(Right::Manage)?;
        let begun = lock(&self.inner.tries).begin(&who.source, Guess::None, self.now());
        begun.map_err(|retry_after_ms| ClaimError::Limited { retry_after_ms })?;
        let (hub, who, given) = (self.clone(), who.clone(), given.to_owned());
        self.whole(async move {
            let accepted = hub.adopt(&who, &given).await;
            let wrong =
                matches!(&accepted, Err(ClaimError::Refused(problem)) if problem.code == ErrorCode::PairingInvalid);
            if !wrong {
                lock(&hub.inner.tries).forgive(&who.source, Guess::None);
            }
            accepted
        })
        .await
    }

    async fn adopt(&self, who: &Identity, given: &str) -> Result<PairingClaim, ClaimError> {
        let _turn = self.inner.claiming.lock().await;
        for _ in 0..TRIES {
            let now = self.now();
            let asked = self.asked_rows().await?;
            let typed = code::normal(given).map(|code| hash(&code)).unwrap_or_default();
            let open = asked.iter().filter(|row| now < row.value.expires_at_ms);
            let fits =
                |row: &&Stored<AskedRow>| row.value.code.as_ref().is_some_and(|code| bool::from(same(code, &typed)));
            // Looks at every one of them, in a time that says nothing about which.
            let found: Vec<_> = open.filter(fits).collect();
            let Some(found) = found.first() else {
                self.wrong_code(&who.source, given, &asked).await?;
                return Err(Problem::new(ErrorCode::PairingInvalid).into());
            };
            let AskedRow { pairing, expires_at_ms, created_at_ms, claim, .. } = found.value.clone();
            let row = PairingRow {
                pairing,
                account: who.account,
                code: None,
                half: None,
                terminal: false,
                secret: hash(&random::secret(&*self.inner.random)),
                once: false,
                setup: false,
                created_at_ms,
                expires_at_ms,
                tries: 0,
                claim: Some(claim.clone()),
                verdict: Verdict::Open,
            };
            let gone = Put::remove(keys::asked(pairing)).expecting(Expected::Version(found.version));
            let mut batch = Batch::of(gone);
            batch.push(Put::set(keys::pairing(pairing), row.encode()).expecting(Expected::Absent));
            audit::push(&mut batch, who.account, &self.entry(Some(who), "pairing.accept").about(pairing));
            match self.commit(batch).await {
                Ok(_) => {
                    self.inner.pairings.ring();
                    return Ok(PairingClaim {
                        pairing,
                        name: claim.name,
                        platform: claim.platform,
                        kind: claim.kind,
                        fingerprint: claim.public_key.as_deref().map(fingerprint),
                        source: claim.source,
                        words: claim.words,
                        expires_at_ms,
                    });
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    /// Counts a wrong code against those that it is a try at, and voids those that were tried too often.
    async fn wrong_code(&self, source: &str, given: &str, asked: &[Stored<AskedRow>]) -> Result<(), Failure> {
        let mut batch = Batch::new();
        let mut voided = false;
        let half = code::normal(given).map(|code| hash(code::half(&code)));
        let at = |row: &&Stored<AskedRow>| row.value.code.is_some() && is_try(row.value.half.as_ref(), half.as_ref());
        for row in asked.iter().filter(at) {
            let mut tried = row.value.clone();
            tried.tries += 1;
            if tried.tries >= PAIRING_MAX_TRIES {
                (tried.code, voided) = (None, true);
            }
            batch.push(Put::set(keys::asked(tried.pairing), tried.encode()).expecting(Expected::Version(row.version)));
        }
        if !batch.operations.is_empty() {
            self.commit(batch).await?;
        }
        if voided {
            self.alarm(source, "pairing.alarm", "the codes that machines show are void").await;
        }
        Ok(())
    }

    async fn asked_rows(&self) -> Result<Vec<Stored<AskedRow>>, Failure> {
        self.scan(keys::ASKED.to_owned(), None, MAX_ASKED * 2).await?.iter().map(decode).collect()
    }

    /// Whether somebody who asks for the state of a claim is a node that still shows its code.
    pub(super) async fn is_asking(&self, request: &ClaimStatusRequest) -> Result<bool, Failure> {
        let row = self.load::<AskedRow>(&keys::asked(request.pairing)).await?;
        Ok(row.is_some_and(|row| {
            matches(&request.claim_token, &row.value.claim.token) && self.now() < row.value.expires_at_ms
        }))
    }

    /// Adds a node's device to a batch, under the id and with the key that it has. One that was revoked, or has lost its credential,
    /// comes back by that.
    pub(super) async fn approve_node(
        &self,
        batch: &mut Batch,
        account: AccountId,
        device: DeviceId,
        claim: &Claim,
    ) -> Result<(), Problem> {
        let taken = || Problem::new(ErrorCode::Forbidden).detail("this id belongs to another machine");
        let host = self.load::<HostRow>(&keys::host(device)).await?;
        let elsewhere = host.as_ref().is_some_and(|host| host.value.account != account);
        if elsewhere || device == self.node() || self.is_of_another(account, device).await? {
            return Err(taken());
        }
        let counted = self.account_row(account).await?;
        let key = keys::device(account, device);
        let Some(stored) = self.load::<DeviceRow>(&key).await? else {
            let new = NewDevice {
                account,
                kind: DeviceKind::Node,
                rights: RIGHTS.to_vec(),
                name: claim.name.clone(),
                platform: claim.platform.clone(),
                public_key: claim.public_key.clone(),
            };
            let row = new.row_at(device, self.now());
            admit(batch, &counted, &row)?;
            crate::link::tell_device(self, batch, account, device, &row.about).await?;
            return Ok(());
        };
        if stored.value.about.public_key != claim.public_key || stored.value.about.kind != DeviceKind::Node {
            return Err(taken());
        }
        let mut row = stored.value;
        for old in row.credentials.drain(..) {
            batch.push(Put::remove(keys::credential(&old)));
        }
        let back = u32::from(row.about.revoked_at_ms.take().is_some());
        row.about.content.name.clone_from(&claim.name);
        row.about.content.platform.clone_from(&claim.platform);
        let more = AccountRow { devices: counted.value.devices + back, ..counted.value };
        let put = Put::set(keys::account(account), more.encode());
        batch.push(put.expecting(Expected::Version(counted.version)));
        batch.push(Put::set(key, row.encode()).expecting(Expected::Version(stored.version)));
        crate::link::tell_device(self, batch, account, device, &row.about).await?;
        feed::tell(batch, account, &FeedFact::from((device, Operation::Update, row.about)));
        if let Some(host) = host.filter(|host| host.value.host.presence == Presence::Revoked) {
            let (presence, reason) = (Presence::Offline, Some(AwayReason::NeverConnected));
            let away = Host { presence, reason, ..host.value.host };
            let put = Put::set(keys::host(device), HostRow { account, host: away.clone() }.encode());
            batch.push(put.expecting(Expected::Version(host.version)));
            feed::tell(batch, account, &FeedFact::from((device, Operation::Update, away)));
        }
        Ok(())
    }
}

impl Hub {
    /// Whether a device of another account has an id: ids mean the same everywhere.
    async fn is_of_another(&self, account: AccountId, device: DeviceId) -> Result<bool, Failure> {
        let (own, id) = (keys::device(account, device), format!("/{device}"));
        let mut after = None;
        loop {
            let page = self.scan(keys::DEVICES.to_owned(), after.take(), PAGE).await?;
            if page.iter().any(|entry| entry.key.ends_with(&id) && entry.key != own) {
                return Ok(true);
            }
            after = page.last().filter(|_| page.len() == PAGE).map(|entry| entry.key.clone());
            if after.is_none() {
                return Ok(false);
            }
        }
    }
}

/// Whether a node has the key that it says.
fn is_signed(request: &NodeClaimRequest) -> bool {
    let key = URL_SAFE_NO_PAD.decode(&request.public_key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let signature = URL_SAFE_NO_PAD.decode(&request.signature).ok().and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    let (Some(key), Some(signature)) = (key, signature) else { return false };
    let Ok(key) = VerifyingKey::from_bytes(&key) else { return false };
    key.verify_strict(&request.signed(), &Signature::from_bytes(&signature)).is_ok()
}
