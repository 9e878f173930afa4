//! Enrolling this node at a hub: it keeps its id and its key, and proves that it has the key.

use std::time::Duration;

use client::{Api, Fingerprint};
use hub::SystemRandom;
use protocol::api::{ClaimStatus, ClaimStatusRequest, NodeClaimRequest, fingerprint};
use protocol::error::{ErrorCode, Problem};
use protocol::id::DeviceId;
use protocol::time::Clock;

use super::{Address, Folder, LinkFile};
use crate::clock::SystemClock;
use crate::data_dir::DataDir;
use crate::error::{CommandError, Kind};
use crate::node_key;

/// How long the hub is asked to wait before it answers that nothing has changed.
pub(crate) const WAIT_MS: u64 = 20_000;
/// Pause after an answer that did not come.
const AGAIN: Duration = Duration::from_secs(2);
/// Pauses before a hub is asked again whose a device is.
const ASK_WHOSE: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Where a node is to be enrolled, and as what.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) address: Address,
    /// A code that was made there.
    pub(crate) code: Option<String>,
    pub(crate) pin: Option<Fingerprint>,
    pub(crate) lan: bool,
    /// This node's own id.
    pub(crate) device: DeviceId,
    /// What it is called.
    pub(crate) name: String,
}

/// What a person has to be shown while it waits.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The code to type there; `None` when one of theirs was used.
    pub(crate) code: Option<String>,
    pub(crate) words: String,
    pub(crate) fingerprint: String,
}

/// Enrols this node and keeps the credential. `show` is called once, when there is something to compare or to type.
pub(crate) async fn enrol(dir: &DataDir, wish: &Wish, show: impl FnOnce(&Asked)) -> Result<LinkFile, CommandError> {
    let random = SystemRandom;
    let mut request = NodeClaimRequest {
        code: wish.code.clone().or_else(|| wish.address.secret.clone()),
        name: wish.name.clone(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        device: wish.device,
        public_key: node_key::public(dir, &random)?,
        signature: String::new(),
    };
    request.signature = node_key::sign(dir, &random, &request.signed())?;
    let api = Api::new(wish.address.remote.clone());
    let claim = api.claim_node(&request).await.map_err(|error| at(&wish.address, error))?;
    show(&Asked {
        code: claim.code.clone(),
        words: claim.words.clone(),
        fingerprint: fingerprint(&request.public_key),
    });
    let status = ClaimStatusRequest { pairing: claim.pairing, claim_token: claim.claim_token, wait_ms: WAIT_MS };
    let given = admitted(&api, &status, &wish.address).await?;
    keep_given(&Folder::of(dir), &wish.address, given, wish.pin, wish.lan).await
}

/// Keeps what a hub has given, and then asks it whose that is. A hub tells a credential once and the code is used up: nothing that may
/// fail comes before it is kept, and a hub that cannot be asked just now takes nothing of it away.
///
/// # Errors
/// When it cannot be written.
pub(crate) async fn keep_given(
    folder: &Folder,
    address: &Address,
    given: Given,
    pin: Option<Fingerprint>,
    lan: bool,
) -> Result<LinkFile, CommandError> {
    let link = LinkFile {
        url: address.url.clone(),
        fingerprint: pin.map(|pin| pin.to_string()),
        lan,
        account: None,
        device: given.device,
        credential: given.credential,
        added_at_ms: SystemClock.now(),
        bound: String::new(),
    };
    let link = folder.keep(&address.name, link)?;
    let api = Api::new(link.remote().map_err(|words| CommandError::say(Kind::Bug, words))?);
    let mut pauses = ASK_WHOSE.into_iter();
    loop {
        match api.me().await {
            Ok(me) => return folder.name_account(&address.name, link, me.account),
            // Whatever it was, and whoever said it: the credential stays, and shows itself what it is good for.
            Err(error) => {
                let Some(pause) = pauses.next() else {
                    tracing::warn!(%error, "the hub did not say whose this device is");
                    return Ok(link);
                };
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// What a hub gives to a device that was let in, once.
pub(crate) struct Given {
    device: DeviceId,
    credential: String,
}

/// Waits until somebody at the hub has said yes.
///
/// # Errors
/// When they said no, or nothing in time; what the hub says else.
pub(crate) async fn admitted(api: &Api, status: &ClaimStatusRequest, address: &Address) -> Result<Given, CommandError> {
    loop {
        match api.claim_status(status).await {
            Ok(ClaimStatus::Pending) => {}
            Ok(ClaimStatus::Approved { device, credential: Some(credential) }) => {
                return Ok(Given { device, credential });
            }
            Ok(ClaimStatus::Approved { credential: None, .. }) => {
                return Err(CommandError::say(
                    Kind::No,
                    "the hub has told the credential already, and not to this program",
                )
                .hint("Ask to be let in once more, with another code."));
            }
            Ok(ClaimStatus::Rejected) => return Err(Problem::new(ErrorCode::PairingRejected).into()),
            Ok(ClaimStatus::Expired) => {
                return Err(CommandError::say(Kind::No, "nobody let this machine in before the code expired")
                    .hint("Ask once more, and confirm it there within ten minutes."));
            }
            Err(error) if error.is_unreachable() => tokio::time::sleep(AGAIN).await,
            Err(error) => return Err(at(address, error)),
        }
    }
}

/// A failure of the hub, which is not this machine's.
pub(crate) fn at(address: &Address, error: client::ApiError) -> CommandError {
    if error.is_unreachable() {
        return CommandError::new(Kind::Unreachable, error)
            .hint(format!("See whether the hub runs, and whether {} leads there from here.", address.url));
    }
    CommandError::from(error)
}
