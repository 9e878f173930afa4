//! Links to other hubs: what the data directory keeps of each, how a node is enrolled there, and what runs with `up`.
//!
//! | file in `links/` | what |
//! |---|---|
//! | `{name}.json` | the address, and the credential there; readable by nobody else |
//! | `{name}.state` | what the running node last saw of it |

mod address;
mod enrol;
mod keep;

use std::fs;
use std::io;
use std::path::PathBuf;

use client::{Dialer, Fingerprint, Remote};
use link::LinkState;
use protocol::id::{AccountId, DeviceId};
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data_dir::{self, DataDir};
use crate::error::{CommandError, Kind};

pub(crate) use address::Address;
pub(crate) use enrol::{Asked, WAIT_MS as CLAIM_WAIT_MS, Wish, admitted, at, enrol, keep_given};
pub(crate) use keep::{Keeper, shown as asked_shown};

/// What is kept of a link.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkFile {
    /// The address of the hub.
    pub(crate) url: String,
    /// The certificate that the hub must have, where one was named.
    pub(crate) fingerprint: Option<String>,
    /// Whether plain HTTP on a private network was asked for.
    pub(crate) lan: bool,
    /// Whose the node is there; `None` where the hub has not said so since.
    #[serde(default)]
    pub(crate) account: Option<AccountId>,
    /// Which device it is there.
    pub(crate) device: DeviceId,
    /// The credential there.
    pub(crate) credential: String,
    /// When it was linked.
    pub(crate) added_at_ms: UnixMs,
    /// Binds the credential to the address and the certificate: a file in which one of them was changed is refused (W-088).
    pub(crate) bound: String,
}

impl std::fmt::Debug for LinkFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the credential.
        f.debug_struct("LinkFile").field("url", &self.url).finish_non_exhaustive()
    }
}

impl LinkFile {
    fn binding(&self) -> String {
        let mut hash = Sha256::new();
        for field in [&self.url, self.fingerprint.as_ref().unwrap_or(&String::new()), &self.credential] {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        hex(&hash.finalize())
    }

    /// Whether another one leads to the same hub, as the same device with the same credential.
    fn is_same_way(&self, other: &Self) -> bool {
        (&self.bound, self.device) == (&other.bound, other.device)
    }

    /// The way to the hub, with the credential.
    pub(crate) fn remote(&self) -> Result<Remote, String> {
        if self.bound != self.binding() {
            let words = "the address of this link was changed, and its credential is for the old one: remove the link and add it anew";
            return Err(words.to_owned());
        }
        let pin = self.fingerprint.as_deref().map(str::parse::<Fingerprint>).transpose();
        let pin = pin.map_err(|error| error.to_string())?;
        let remote = Remote::new(&self.url, Some(self.credential.clone()), Dialer::tcp());
        Ok(remote.map_err(|error| error.to_string())?.pinned(pin))
    }
}

/// Bytes as lower-case hex digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

/// The links of a data directory.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn of(dir: &DataDir) -> Self {
        Self { path: dir.path().join("links") }
    }

    /// The hubs that the command line of this machine is paired with: kept alike, without a machine behind them.
    pub(crate) fn hubs(dir: &DataDir) -> Self {
        Self { path: dir.path().join("hubs") }
    }

    /// Every link, by name. A file that cannot be read is said, and left alone.
    pub(crate) fn all(&self) -> Vec<(String, LinkFile)> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().filter_map(Result::ok);
        let names = entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json").map(str::to_owned));
        let mut all: Vec<_> = names
            .filter_map(|name| match self.read(&name) {
                Ok(link) => Some((name, link?)),
                Err(error) => {
                    tracing::warn!(name, %error, "a link cannot be read");
                    None
                }
            })
            .collect();
        all.sort_by(|(left, _), (right, _)| left.cmp(right));
        all
    }

    /// A link; `None` when there is none of that name.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<LinkFile>> {
        match fs::read(self.path.join(format!("{name}.json"))) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds whose a link is to it, if it is still there as it was kept; returns it.
    fn name_account(&self, name: &str, link: LinkFile, account: AccountId) -> Result<LinkFile, CommandError> {
        let link = LinkFile { account: Some(account), ..link };
        match self.read(name) {
            Ok(Some(kept)) if kept.is_same_way(&link) => self.keep(name, link),
            // Somebody has removed it meanwhile, or made it anew.
            Ok(_) | Err(_) => Ok(link),
        }
    }

    /// Keeps a link, bound to its address; returns it as it is kept.
    pub(crate) fn keep(&self, name: &str, mut link: LinkFile) -> Result<LinkFile, CommandError> {
        link.bound = link.binding();
        let bad = |error: io::Error| {
            CommandError::new(Kind::Config, error)
                .during(format!("cannot write the link into {}", self.path.display()))
                .hint("Look at the disk, and at who owns the data directory.")
        };
        data_dir::make_private(&self.path).map_err(bad)?;
        let text = serde_json::to_vec(&link).map_err(|error| CommandError::new(Kind::Bug, error))?;
        data_dir::replace(&self.path.join(format!("{name}.json")), &text).map_err(bad)?;
        Ok(link)
    }

    /// Removes a link with its credential.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(format!("{name}.json")))
    }

    /// What the running node last saw of a link.
    pub(crate) fn state(&self, name: &str) -> Option<LinkState> {
        serde_json::from_slice(&fs::read(self.path.join(format!("{name}.state"))).ok()?).ok()
    }

    /// Says what the running node sees of a link, or no more with `None`. What cannot be said is logged.
    fn show(&self, name: &str, state: Option<&LinkState>) {
        let path = self.path.join(format!("{name}.state"));
        let shown = match state.map(serde_json::to_vec) {
            Some(Ok(text)) => data_dir::replace(&path, &text),
            Some(Err(error)) => Err(io::Error::other(error)),
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                done => done,
            },
        };
        if let Err(error) = shown {
            tracing::warn!(name, %error, "the state of a link cannot be shown");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_kept_for_nobody_else_and_its_credential_goes_to_its_address_only() {
        let world = tempfile::tempdir().unwrap();
        let folder = Folder { path: world.path().join("links") };
        let id = uuid::Builder::from_unix_timestamp_millis(1, &[0; 10]).into_uuid();
        let link = LinkFile {
            url: "https://hub.test".to_owned(),
            fingerprint: None,
            lan: false,
            account: Some(AccountId::from_uuid(id)),
            device: DeviceId::from_uuid(id),
            credential: "twl_dev_hush".to_owned(),
            added_at_ms: UnixMs(1),
            bound: String::new(),
        };
        folder.keep("hub.test", link).unwrap();
        let kept = folder.read("hub.test").unwrap().unwrap();
        assert!(kept.remote().is_ok() && !format!("{kept:?}").contains("hush"));
        assert_eq!(folder.all().len(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(folder.path.join("hub.test.json")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let moved = LinkFile { url: "https://evil.test".to_owned(), ..kept.clone() };
        assert!(moved.remote().is_err());
        let loosened = LinkFile { fingerprint: Some("ab".repeat(32)), ..kept };
        assert!(loosened.remote().is_err());
        folder.remove("hub.test").unwrap();
        assert_eq!(folder.read("hub.test").unwrap(), None);
    }
}
