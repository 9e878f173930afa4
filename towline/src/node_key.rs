//! The node's own key pair: Ed25519, made at the first start and kept in the data directory, readable by nobody else.
//!
//! It says who this node is to other hubs and seals content between devices; only its public half leaves this machine.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use hub::Random;
use sha2::{Digest, Sha256};

use crate::data_dir::DataDir;
use crate::error::{CommandError, Kind};

/// The public half, base64url without padding. Makes the pair if there is none yet.
pub(crate) fn public(dir: &DataDir, random: &dyn Random) -> Result<String, CommandError> {
    Ok(URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&seed(dir, random)?).verifying_key().as_bytes()))
}

/// Signs, as this node, by which another hub knows that it has the key; base64url without padding.
pub(crate) fn sign(dir: &DataDir, random: &dyn Random, message: &[u8]) -> Result<String, CommandError> {
    Ok(URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&seed(dir, random)?).sign(message).to_bytes()))
}

/// The seed of the key pair that signs wake-ups of subscriptions; it follows from the node's and does not give it away.
pub(crate) fn for_webhooks(dir: &DataDir, random: &dyn Random) -> Result<[u8; 32], CommandError> {
    Ok(Sha256::new().chain_update(b"towline webhooks").chain_update(seed(dir, random)?).finalize().into())
}

fn seed(dir: &DataDir, random: &dyn Random) -> Result<[u8; 32], CommandError> {
    let seed = match dir.node_key() {
        Ok(text) => read(&text).ok_or_else(|| {
            CommandError::say(Kind::Config, format!("{} is not a key", dir.path().join("node.key").display()))
                .hint("Restore it from a backup. Removing it makes a new key, by which nobody knows this node.")
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut seed = [0; 32];
            random.fill(&mut seed);
            dir.keep_node_key(&URL_SAFE_NO_PAD.encode(seed))?;
            seed
        }
        Err(error) => {
            let path = dir.path().join("node.key");
            return Err(CommandError::new(Kind::Config, error)
                .during(format!("cannot read the node's key {}", path.display()))
                .hint("See who owns it, or restore it from a backup."));
        }
    };
    Ok(seed)
}

fn read(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_is_made_once_and_a_damaged_one_is_not_replaced() {
        let world = tempfile::tempdir().unwrap();
        let dir = DataDir::at(world.path());
        let first = public(&dir, &hub::SystemRandom).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(&first).unwrap().len(), 32);
        assert_eq!(public(&dir, &hub::SystemRandom).unwrap(), first);
        std::fs::write(world.path().join("node.key"), "half").unwrap();
        assert!(public(&dir, &hub::SystemRandom).is_err());
    }
}
