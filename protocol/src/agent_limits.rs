//! How much of a vendor's limits an agent's login has used: what the agent last said, and nothing that is reckoned from it.

use serde::{Deserialize, Serialize};

use crate::time::UnixMs;

/// What an agent last said of the limits of its login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct AgentLimits {
    /// When it said so.
    pub told_at_ms: UnixMs,
    /// The windows that it named, the shortest first; never empty.
    pub windows: Vec<LimitWindow>,
}

/// A span of time in which only so much may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct LimitWindow {
    /// How long it is, in minutes; null where the agent does not say.
    pub span_minutes: Option<u32>,
    /// What it is for when it is not for everything, in the agent's words: a model's name.
    pub about: Option<String>,
    /// How much of it is used, in percent; more than 100 when the vendor lets one go beyond. Null where the agent does not say.
    pub used_percent: Option<u32>,
    /// When it begins anew; null where the agent does not say.
    pub resets_at_ms: Option<UnixMs>,
    /// Where it stands.
    pub standing: LimitStanding,
}

/// Where a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum LimitStanding {
    /// Far enough away.
    Open,
    /// Near: the agent warns of it, or has used 80 % where it leaves that to us.
    Near,
    /// Reached.
    Reached,
    /// A standing that this program does not know.
    #[serde(other)]
    Unknown,
}

impl AgentLimits {
    /// What still holds at a moment: a window that has begun anew since is not what was said of it any more.
    pub fn at(&self, now: UnixMs) -> impl Iterator<Item = &LimitWindow> {
        self.windows.iter().filter(move |window| window.resets_at_ms.is_none_or(|reset| reset > now))
    }
}

impl LimitWindow {
    /// Its name as people read it: `5 h limit`, `7 d limit (opus)`.
    pub fn name(&self) -> String {
        let span = match self.span_minutes {
            Some(minutes) if minutes >= 1440 => format!("{} d limit", minutes / 1440),
            Some(minutes) if minutes >= 60 => format!("{} h limit", minutes / 60),
            Some(minutes) => format!("{minutes} min limit"),
            None => "limit".to_owned(),
        };
        self.about.as_ref().map_or(span.clone(), |about| format!("{span} ({about})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_has_begun_anew_is_told_no_more() {
        let window = |resets: Option<u64>| LimitWindow {
            span_minutes: Some(300),
            about: None,
            used_percent: Some(85),
            resets_at_ms: resets.map(UnixMs),
            standing: LimitStanding::Near,
        };
        let limits = AgentLimits { told_at_ms: UnixMs(10), windows: vec![window(Some(20)), window(None)] };
        assert_eq!(limits.at(UnixMs(19)).count(), 2);
        assert_eq!(limits.at(UnixMs(20)).count(), 1);
    }

    #[test]
    fn a_window_is_named_by_its_span() {
        let name = |span: Option<u32>, about: Option<&str>| {
            let (about, used_percent, resets_at_ms) = (about.map(str::to_owned), None, None);
            LimitWindow { span_minutes: span, about, used_percent, resets_at_ms, standing: LimitStanding::Open }.name()
        };
        assert_eq!(name(Some(300), None), "5 h limit");
        assert_eq!(name(Some(10_080), Some("opus")), "7 d limit (opus)");
        assert_eq!(name(Some(15), None), "15 min limit");
        assert_eq!(name(None, None), "limit");
    }
}
