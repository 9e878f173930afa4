//! Credentials: 256 random bits, told once, kept as SHA-256 only (W-071).

use std::fmt::Write as _;

use protocol::api::CREDENTIAL_PREFIX;
use protocol::error::{ErrorCode, Problem};
use sha2::{Digest, Sha256};
use store::{Batch, Expected, Put};
use subtle::ConstantTimeEq;

use crate::failure::Failure;
use crate::hub::{Hub, TRIES};
use crate::identity::{Identity, Via};
use crate::keys;
use crate::random;
use crate::rows::{CredentialRow, DeviceRow, Row, Stored};

/// Characters behind the prefix: 256 bits in base64url without padding.
const SECRET_CHARS: usize = 43;

/// The SHA-256 of a secret, in hex.
pub(crate) fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

/// Whether a secret has this hash, in a time that says nothing about where they differ.
pub(crate) fn matches(secret: &str, expected: &str) -> bool {
    hash(secret).as_bytes().ct_eq(expected.as_bytes()).into()
}

impl Hub {
    /// A fresh credential; nothing is stored yet.
    pub(crate) fn mint(&self) -> String {
        format!("{CREDENTIAL_PREFIX}{}", random::secret(&*self.inner.random))
    }

    /// Finds the device behind a credential.
    ///
    /// # Errors
    /// `unauthenticated`; failures of the store.
    pub async fn authenticate(&self, credential: &str, via: Via, source: &str) -> Result<Identity, Problem> {
        let unknown = || Problem::new(ErrorCode::Unauthenticated);
        if credential.strip_prefix(CREDENTIAL_PREFIX).is_none_or(|secret| secret.len() != SECRET_CHARS) {
            return Err(unknown());
        }
        let hash = hash(credential);
        let found = self.load::<CredentialRow>(&keys::credential(&hash)).await?.ok_or_else(unknown)?.value;
        // In this order: a revocation that comes between the two is seen in the row or cuts the leash.
        let leash = self.leash(found.device);
        let row = self.load::<DeviceRow>(&keys::device(found.account, found.device)).await?.ok_or_else(unknown)?.value;
        if row.about.revoked_at_ms.is_some() || !row.credentials.contains(&hash) {
            return Err(unknown());
        }
        Ok(Identity {
            account: found.account,
            device: found.device,
            kind: row.about.kind,
            rights: row.about.rights,
            via,
            source: source.to_owned(),
            far: false,
            leash,
        })
    }

    /// The node itself as somebody who acts, for the terminal that it runs in.
    pub fn node_identity(&self) -> Identity {
        Identity {
            account: self.account(),
            device: self.node(),
            kind: protocol::device::DeviceKind::Node,
            rights: protocol::device::Right::ALL.to_vec(),
            via: Via::Process,
            source: "local".to_owned(),
            far: false,
            leash: self.leash(self.node()),
        }
    }

    /// Makes the credential of the command line on this machine; the one made before ends. To be kept in a file that other users
    /// cannot read.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn node_credential(&self) -> Result<String, Problem> {
        let key = keys::device(self.account(), self.node());
        for _ in 0..TRIES {
            let stored: Stored<DeviceRow> = self
                .load(&key)
                .await?
                .ok_or_else(|| Problem::new(ErrorCode::Internal).detail("the node has no device"))?;
            let credential = self.mint();
            let mut batch = Batch::new();
            for old in &stored.value.credentials {
                batch.push(Put::remove(keys::credential(old)));
            }
            let row = DeviceRow { credentials: Vec::new(), ..stored.value };
            give(&mut batch, &Stored { value: row, version: stored.version }, self.account(), &credential);
            match self.commit(batch).await {
                Ok(_) => return Ok(credential),
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }
}

/// Adds a credential to a device, in a batch that fails when the device was changed meanwhile.
pub(crate) fn give(batch: &mut Batch, device: &Stored<DeviceRow>, account: protocol::id::AccountId, credential: &str) {
    let hash = hash(credential);
    let found = CredentialRow { account, device: device.value.device };
    batch.push(Put::set(keys::credential(&hash), found.encode()).expecting(Expected::Absent));
    let mut row = device.value.clone();
    row.credentials.push(hash);
    let put = Put::set(keys::device(account, row.device), row.encode());
    batch.push(put.expecting(Expected::Version(device.version)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_hex_and_matches_its_secret_only() {
        let hash = hash("abc");
        assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(matches("abc", &hash));
        assert!(!matches("abd", &hash));
        assert!(!matches("abc", &hash[1..]));
    }
}
