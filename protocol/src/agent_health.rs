//! What is known of an agent on its host beside what it offers: where it is, whether Towline is tested with it, and how it is logged in.

use serde::{Deserialize, Serialize};

use crate::agent_limits::AgentLimits;

/// Where an agent's program is, whether it is one that Towline is tested with, and how it is logged in. What to do next stands in
/// [`crate::host::AgentEntry::hint`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct AgentHealth {
    /// Its program, as shown to people: `~` stands for the home directory.
    pub program: Option<String>,
    /// The versions that Towline is tested with; absent for an agent of which it knows none.
    pub tested: Option<TestedVersions>,
    /// How it is logged in, as the vendor's own program says; absent where it does not say.
    pub login: Option<Login>,
    /// How much of its vendor's limits it has used, as it last said; absent while it has said nothing.
    #[serde(default)]
    pub limits: Option<AgentLimits>,
}

/// The versions of an agent that Towline is tested with. What an agent can do is asked of it, so that others mostly work too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct TestedVersions {
    /// The oldest.
    pub oldest: String,
    /// The newest.
    pub newest: String,
    /// Where the one that was found stands.
    pub standing: VersionStanding,
}

/// Where a version stands to those that are tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum VersionStanding {
    /// Between the oldest and the newest, or one of them.
    Tested,
    /// Older than all of them.
    Older,
    /// Newer than all of them.
    Newer,
    /// It cannot be told.
    #[serde(other)]
    Unknown,
}

/// How an agent is logged in. Never an account's name or address, and never a credential (W-074).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// What kind of login it is.
    pub kind: LoginKind,
    /// More about it in the vendor's words, such as the name of a plan.
    pub plan: Option<String>,
}

/// What kind of login an agent has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum LoginKind {
    /// A plan of the vendor's, by signing in.
    Subscription,
    /// A key, paid by use.
    ApiKey,
    /// The credential of a cloud that serves the vendor's models.
    Cloud,
    /// None.
    None,
    /// One that is not known here.
    #[serde(other)]
    Other,
}

impl TestedVersions {
    /// Compares a version with the oldest and the newest that are tested, by its numbers; what follows them (`-beta.1`) does not count.
    pub fn of(version: Option<&str>, oldest: &str, newest: &str) -> Self {
        let standing = match (version.and_then(numbers), numbers(oldest), numbers(newest)) {
            (Some(found), Some(least), _) if found < least => VersionStanding::Older,
            (Some(found), _, Some(most)) if found > most => VersionStanding::Newer,
            (Some(_), Some(_), Some(_)) => VersionStanding::Tested,
            _ => VersionStanding::Unknown,
        };
        Self { oldest: oldest.to_owned(), newest: newest.to_owned(), standing }
    }
}

/// The numbers of a version; `None` when it does not begin with one.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let version = version.trim().trim_start_matches('v');
    let end = version.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(version.len());
    let mut parts = version[..end].split('.').map(str::parse::<u64>);
    let first = parts.next()?.ok()?;
    let mut next = || parts.next().and_then(Result::ok).unwrap_or(0);
    Some([first, next(), next()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_older_newer_or_tested() {
        let check = |version: Option<&str>, expected: VersionStanding| {
            assert_eq!(TestedVersions::of(version, "2.1.197", "2.10.0").standing, expected, "{version:?}");
        };
        check(Some("2.1.197"), VersionStanding::Tested);
        check(Some("2.9.4"), VersionStanding::Tested);
        check(Some("v2.10.0-beta.1"), VersionStanding::Tested);
        check(Some("2.1"), VersionStanding::Older);
        check(Some("1.99.99 (Claude Code)"), VersionStanding::Older);
        check(Some("2.10.1"), VersionStanding::Newer);
        check(Some("10"), VersionStanding::Newer);
        check(Some("nightly"), VersionStanding::Unknown);
        check(Some("99999999999999999999999.1"), VersionStanding::Unknown);
        check(None, VersionStanding::Unknown);
    }
}
