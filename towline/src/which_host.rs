//! Which machine a person means, where there are several.

use protocol::host::{AwayReason, Host, Presence};
use protocol::id::{DeviceId, SessionId};

use crate::error::{CommandError, Kind};
use crate::near::did_you_mean;
use crate::node::Known;

/// Fewest characters of an id that name a machine: what comes before them is its time, which machines of one day share.
const FEWEST: usize = 8;

impl Known {
    /// The machine that a person means: its name, its id, or the beginning of either that no other begins with.
    ///
    /// # Errors
    /// When there is none, with the nearest name; when there are several, with all of them.
    pub(crate) fn host(&self, text: &str) -> Result<DeviceId, CommandError> {
        let wanted = text.trim().to_lowercase();
        let fitting = |fits: &dyn Fn(&DeviceId, &Host) -> bool| -> Vec<DeviceId> {
            self.hosts.iter().filter(|(id, host)| fits(id, host)).map(|(id, _)| *id).collect()
        };
        let named = |host: &Host| host.content.name.to_lowercase();
        let mut found = fitting(&|id, _| id.to_string() == wanted);
        if found.is_empty() {
            found = fitting(&|_, host| named(host) == wanted);
        }
        if found.is_empty() && !wanted.is_empty() {
            let is_id = wanted.starts_with("dev_") && wanted.len() >= FEWEST;
            found =
                fitting(&|id, host| named(host).starts_with(&wanted) || (is_id && id.to_string().starts_with(&wanted)));
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => {
                let all = self.hosts.values().map(|host| host.content.name.as_str());
                let error = CommandError::say(Kind::Usage, format!("there is no machine called `{text}`"));
                let error = did_you_mean(text, all).into_iter().fold(error, CommandError::hint);
                Err(error.hint("`towline hosts` lists them."))
            }
            several => {
                let error = CommandError::say(Kind::Usage, format!("several machines are called `{text}`"));
                Err(self.listed(several).fold(error, CommandError::hint).hint("Say which by its id."))
            }
        }
    }

    /// The machine for what is new: the one that was named, or that of the node itself, or the only one.
    ///
    /// # Errors
    /// As [`host`](Self::host); when there is none, or several and none was named.
    pub(crate) fn target(&self, named: Option<&str>, own: Option<DeviceId>) -> Result<DeviceId, CommandError> {
        if let Some(named) = named {
            return self.host(named);
        }
        if let Some(own) = own {
            return Ok(own);
        }
        let all: Vec<DeviceId> = self.hosts.keys().copied().collect();
        match all.as_slice() {
            [one] => Ok(*one),
            [] => Err(CommandError::say(Kind::No, "no machine is linked to this hub yet")
                .hint("On the machine with your code: towline up --link URL")),
            several => {
                let error = CommandError::say(Kind::Usage, "there are several machines, and none was named");
                Err(self.listed(several).fold(error, CommandError::hint).hint("Say which: --host NAME."))
            }
        }
    }

    /// The machine that owns a session; the node's own for one that the lists do not have.
    ///
    /// # Errors
    /// When neither is known.
    pub(crate) fn owner(&self, session: SessionId, own: Option<DeviceId>) -> Result<DeviceId, CommandError> {
        let owner = self.sessions.get(&session).map(|session| session.host).or(own);
        owner.ok_or_else(|| {
            CommandError::say(Kind::No, format!("there is no session {session}")).hint("`towline sessions` lists them.")
        })
    }

    /// What a machine is called: its name, with the end of its id where others have the same.
    pub(crate) fn called(&self, id: DeviceId) -> String {
        let Some(host) = self.hosts.get(&id) else { return id.to_string() };
        let name = &host.content.name;
        let is_alone = self.hosts.values().filter(|other| other.content.name == *name).count() == 1;
        if is_alone { name.clone() } else { format!("{name} ({})", end(id)) }
    }

    fn listed<'a>(&'a self, ids: &'a [DeviceId]) -> impl Iterator<Item = String> + 'a {
        ids.iter().map(|id| {
            let host = self.hosts.get(id);
            let name = host.map(|host| host.content.name.as_str()).unwrap_or_default();
            format!("{id}  {name}  {}", host.map(|host| standing(host).0).unwrap_or_default())
        })
    }
}

/// The last letters of an id, which tell two apart.
fn end(id: DeviceId) -> String {
    let text = id.to_string();
    text.get(text.len().saturating_sub(4)..).unwrap_or_default().to_owned()
}

/// How a machine stands in a word, and what to do about it (W-065); nothing to do for one that is there.
pub(crate) fn standing(host: &Host) -> (&'static str, &'static str) {
    const WAITS: &str = "it is off, asleep or without a network; what you send waits for it";
    match (host.presence, host.reason) {
        (Presence::Revoked, _) | (_, Some(AwayReason::Revoked)) => {
            ("revoked", "its access was taken back; link it anew to use it again")
        }
        (_, Some(AwayReason::Fenced)) => (
            "disk restored",
            "its disk was restored or copied, so it stopped telling the hub anything; see `towline link ls` there",
        ),
        (_, Some(AwayReason::VersionIncompatible)) => {
            ("needs update", "its version of Towline and the hub's do not fit; update the older one")
        }
        (Presence::Online, _) => ("online", ""),
        (Presence::Disabled, _) | (_, Some(AwayReason::RemoteAccessDisabled)) => {
            ("access off", "remote access is switched off there; `towline access on` on the machine switches it on")
        }
        (_, Some(AwayReason::NeverConnected)) => ("never connected", "start Towline there"),
        (Presence::Stale, _) => ("not heard from", WAITS),
        (Presence::Offline, Some(AwayReason::Stopped)) => {
            ("offline", "Towline was stopped there; `towline up` starts it, and what you send waits for it")
        }
        (Presence::Offline, _) if host.generation == 0 => ("never connected", "start Towline there"),
        (Presence::Offline, _) => ("offline", WAITS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::host::{HostContent, RemoteAccess};
    use protocol::time::UnixMs;

    fn id(number: u8) -> DeviceId {
        DeviceId::from_uuid(uuid::Builder::from_unix_timestamp_millis(7, &[number; 10]).into_uuid())
    }

    fn host(name: &str, presence: Presence, reason: Option<AwayReason>) -> Host {
        let content = HostContent { name: name.to_owned(), ..HostContent::default() };
        let remote_access = RemoteAccess::Active;
        Host { v: 1, presence, reason, generation: 2, seen_at_ms: UnixMs(5), turns_at_once: 5, remote_access, content }
    }

    fn known(names: &[&str]) -> Known {
        let mut known = Known::default();
        for (number, name) in (1..).zip(names) {
            known.hosts.insert(id(number), host(name, Presence::Online, None));
        }
        known
    }

    #[test]
    fn a_machine_is_found_by_name_id_and_beginning() {
        let known = known(&["Desk", "Desktop", "Laptop"]);
        let found = |text: &str| known.host(text).map_err(|error| error.hints);
        assert_eq!(found("desk"), Ok(id(1)), "the whole name goes before the beginning of another");
        assert_eq!(found("deskt"), Ok(id(2)));
        assert_eq!(found("LAP"), Ok(id(3)));
        assert_eq!(found(&id(2).to_string()), Ok(id(2)));
        assert_eq!(found("Labtop").unwrap_err()[0], "Did you mean `Laptop`?");
        assert_eq!(found("de").unwrap_err().len(), 3, "two rows and what to do");
        assert!(found("").is_err() && found("dev_").is_err());
    }

    #[test]
    fn equal_names_coexist_and_are_told_apart() {
        let known = known(&["box", "box"]);
        let error = known.host("box").unwrap_err();
        assert!(error.hints[0].starts_with(&id(1).to_string()) && error.hints[1].starts_with(&id(2).to_string()));
        assert_ne!(known.called(id(1)), known.called(id(2)));
        assert_eq!(known.host(&id(1).to_string()).map_err(|error| error.hints), Ok(id(1)));
    }

    #[test]
    fn what_is_new_goes_to_the_named_one_or_the_own_or_the_only_one() {
        let (one, two) = (known(&["a"]), known(&["a", "b"]));
        assert_eq!(two.target(Some("b"), Some(id(1))).unwrap(), id(2));
        assert_eq!(two.target(None, Some(id(1))).unwrap(), id(1));
        assert_eq!(one.target(None, None).unwrap(), id(1));
        assert_eq!(two.target(None, None).unwrap_err().hints.len(), 3);
        assert_eq!(Known::default().target(None, None).unwrap_err().kind, Kind::No);
    }

    #[test]
    fn every_reason_has_a_word_and_what_to_do() {
        let reasons = [
            AwayReason::NeverConnected,
            AwayReason::Stopped,
            AwayReason::LeaseExpired,
            AwayReason::RemoteAccessDisabled,
            AwayReason::Revoked,
            AwayReason::VersionIncompatible,
            AwayReason::Fenced,
        ];
        for reason in reasons {
            let (word, next) = standing(&host("a", Presence::Offline, Some(reason)));
            assert!(!word.is_empty() && !next.is_empty(), "{reason:?}");
        }
        assert_eq!(standing(&host("a", Presence::Online, None)), ("online", ""));
        assert_eq!(standing(&host("a", Presence::Online, Some(AwayReason::Fenced))).0, "disk restored");
    }
}
