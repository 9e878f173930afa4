//! Other hubs that the command line of this machine can talk to: one file for each in `hubs/`, with the credential of a device of its own
//! there. A hub that this machine is linked to can be read by the credential of the link.

use client::{Api, Fingerprint};
use protocol::api::{ClaimRequest, ClaimStatusRequest};
use protocol::device::DeviceKind;

use crate::data_dir::DataDir;
use crate::error::{CommandError, Kind};
use crate::links::{Address, CLAIM_WAIT_MS, Folder, LinkFile, admitted, at, keep_given};
use crate::near::did_you_mean;

/// A hub that can be talked to.
#[derive(Debug, Clone)]
pub(crate) struct OtherHub {
    /// What it is called: its host and port, as they can stand in the name of a file.
    pub(crate) name: String,
    pub(crate) file: LinkFile,
    /// Whether there is only the credential of the machine's link, which may read and nothing else.
    pub(crate) reads_only: bool,
}

/// A command line that is to come in at a hub.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) address: Address,
    /// A code that was made there.
    pub(crate) code: String,
    pub(crate) pin: Option<Fingerprint>,
    pub(crate) lan: bool,
    /// What the device will be called there.
    pub(crate) name: String,
}

fn folder(dir: &DataDir) -> Folder {
    Folder::hubs(dir)
}

/// Every hub that can be talked to, by name; one that the command line is paired with goes before the link to the same one.
pub(crate) fn all(dir: &DataDir) -> Vec<OtherHub> {
    let paired = folder(dir).all();
    let linked = Folder::of(dir).all().into_iter().filter(|(name, _)| paired.iter().all(|(other, _)| other != name));
    let linked: Vec<_> = linked.collect();
    let hub = |reads_only: bool| move |(name, file): (String, LinkFile)| OtherHub { name, file, reads_only };
    let mut all: Vec<_> = paired.into_iter().map(hub(false)).chain(linked.into_iter().map(hub(true))).collect();
    all.sort_by(|left, right| left.name.cmp(&right.name));
    all
}

/// The hub that a person means: its name, its address, or the beginning of a name that no other begins with.
///
/// # Errors
/// When there is none, or several.
pub(crate) fn find(dir: &DataDir, wanted: &str) -> Result<OtherHub, CommandError> {
    choose(all(dir), wanted)
}

fn choose(all: Vec<OtherHub>, wanted: &str) -> Result<OtherHub, CommandError> {
    let plain = wanted.trim().trim_end_matches('/').to_lowercase();
    if let Some(exact) = all.iter().find(|hub| hub.name == plain || hub.file.url.to_lowercase() == plain) {
        return Ok(exact.clone());
    }
    let names: Vec<String> = all.iter().map(|hub| hub.name.clone()).collect();
    let mut begin = all.into_iter().filter(|hub| !plain.is_empty() && hub.name.starts_with(&plain));
    match (begin.next(), begin.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(CommandError::say(Kind::Usage, format!("several hubs begin with `{wanted}`"))
            .hint(format!("Say which: one of {}.", names.join(", ")))),
        (None, _) => {
            let error = CommandError::say(Kind::Usage, format!("this command line knows no hub `{wanted}`"));
            let near = did_you_mean(&plain, names.iter().map(String::as_str));
            let error = near.into_iter().fold(error, CommandError::hint);
            let error = match names.as_slice() {
                [] => error,
                known => error.hint(format!("It knows: {}.", known.join(", "))),
            };
            Err(error
                .hint("Pair it with that one: towline pair with URL --code CODE, with a code that was made there."))
        }
    }
}

/// What to do about a failure of another hub, which is not this machine's.
pub(crate) fn explain(hub: &OtherHub, mut error: CommandError) -> CommandError {
    let url = &hub.file.url;
    match error.kind {
        Kind::Unreachable => {
            error.hints = vec![format!("See whether the hub runs, and whether {url} leads there from here.")];
            error
        }
        Kind::Denied if hub.reads_only => {
            error.hints = vec![format!(
                "This machine is linked to {url} and may only read there; to do more: towline pair with {url} --code CODE"
            )];
            error
        }
        Kind::Denied => error.hint(format!("If its access was taken back: towline pair with {url} --code CODE")),
        _ => error,
    }
}

/// Pairs this command line with a hub and keeps the credential. `show` is called once, with the words to compare.
///
/// # Errors
/// What the hub says; nothing is kept then. A hub that lets this in and then cannot be asked is no failure.
pub(crate) async fn pair(dir: &DataDir, wish: Wish, show: impl FnOnce(&str)) -> Result<OtherHub, CommandError> {
    let Wish { address, code, pin, lan, name } = wish;
    let api = Api::new(address.remote.clone());
    let platform = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let request = ClaimRequest { code, name, platform, kind: DeviceKind::Program, public_key: None };
    let claim = api.claim(&request).await.map_err(|error| at(&address, error))?;
    show(&claim.words);
    let status = ClaimStatusRequest { pairing: claim.pairing, claim_token: claim.claim_token, wait_ms: CLAIM_WAIT_MS };
    let given = admitted(&api, &status, &address).await?;
    let file = keep_given(&folder(dir), &address, given, pin, lan).await?;
    Ok(OtherHub { name: address.name, file, reads_only: false })
}

/// Forgets a hub that this command line is paired with; whether the hub has forgotten it, too.
///
/// # Errors
/// For a hub that it is not paired with, or a file that cannot be removed.
pub(crate) async fn leave(dir: &DataDir, wanted: &str) -> Result<(OtherHub, Result<(), String>), CommandError> {
    let hub = find(dir, wanted)?;
    if hub.reads_only {
        return Err(CommandError::say(
            Kind::Usage,
            format!("this machine is linked to {}, not paired with it", hub.name),
        )
        .hint(format!("To remove the link: towline link remove {}", hub.name)));
    }
    folder(dir)
        .remove(&hub.name)
        .map_err(|error| CommandError::new(Kind::Config, error).during("cannot remove the credential of the hub"))?;
    let told = match hub.file.remote() {
        Ok(remote) => Api::new(remote).logout().await.map_err(|error| error.to_string()),
        Err(words) => Err(words),
    };
    Ok((hub, told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::id::{AccountId, DeviceId};
    use protocol::time::UnixMs;

    fn hub(name: &str, reads_only: bool) -> OtherHub {
        let id = uuid::Builder::from_unix_timestamp_millis(1, &[0; 10]).into_uuid();
        let file = LinkFile {
            url: format!("https://{name}"),
            fingerprint: None,
            lan: false,
            account: Some(AccountId::from_uuid(id)),
            device: DeviceId::from_uuid(id),
            credential: "twl_dev_hush".to_owned(),
            added_at_ms: UnixMs(1),
            bound: String::new(),
        };
        OtherHub { name: name.to_owned(), file, reads_only }
    }

    #[test]
    fn a_hub_is_found_by_name_address_and_beginning_and_else_the_next_step_is_said() {
        let all = || vec![hub("home.test", true), hub("work.test", false), hub("work.test_8443", false)];
        let found = |text: &str| choose(all(), text).map(|hub| hub.name).map_err(|error| error.hints);
        assert_eq!(
            found("work.test"),
            Ok("work.test".to_owned()),
            "the whole name goes before the beginning of another"
        );
        assert_eq!(found("https://Home.test/"), Ok("home.test".to_owned()));
        assert_eq!(found("ho"), Ok("home.test".to_owned()));
        assert_eq!(found("work").unwrap_err().len(), 1);
        let unknown = found("hime.test").unwrap_err();
        assert_eq!((unknown.len(), unknown[0].as_str()), (3, "Did you mean `home.test`?"), "{unknown:?}");
        assert_eq!(choose(Vec::new(), "x").unwrap_err().hints.len(), 1);
        assert!(found("").is_err());
    }

    #[test]
    fn what_another_hub_refuses_is_explained_by_how_it_is_known() {
        let said = |kind, reads_only| {
            explain(&hub("home.test", reads_only), CommandError::say(kind, "x").hint("towline up")).hints
        };
        assert!(said(Kind::Unreachable, false)[0].contains("https://home.test leads there"));
        assert_eq!(said(Kind::Unreachable, false).len(), 1, "what is said of this machine is not said of that one");
        assert!(said(Kind::Denied, true)[0].contains("may only read there"));
        assert_eq!(said(Kind::No, true), ["towline up"]);
    }
}
