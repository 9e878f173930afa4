//! Clocks that are wrong: a process that sees another time of day than the rest of the machine. Debian's `faketime` is what tells it so;
//! where that is not installed, every clock is right, and the run says so.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// How wrong the clock of a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Clock {
    Right,
    HourAhead,
    HourBehind,
    DayAhead,
}

impl Clock {
    pub(crate) const ALL: [Self; 4] = [Self::Right, Self::HourAhead, Self::HourBehind, Self::DayAhead];

    /// What a process with this clock gets in its environment. The clock that only counts on is left alone, as when a person, or the
    /// network, sets the time of day.
    pub(crate) fn environment(self) -> Vec<(&'static str, String)> {
        let offset = match self {
            Self::Right => return Vec::new(),
            Self::HourAhead => "+1h",
            Self::HourBehind => "-1h",
            Self::DayAhead => "+1d",
        };
        let Some(library) = library() else { return Vec::new() };
        vec![
            ("LD_PRELOAD", library.to_str().unwrap().to_owned()),
            ("FAKETIME", offset.to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    /// What such a clock shows now, in Unix milliseconds.
    pub(crate) fn shows(self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let hours = match self {
            _ if library().is_none() => 0,
            Self::Right => 0,
            Self::HourAhead => 1,
            Self::HourBehind => -1,
            Self::DayAhead => 24,
        };
        u64::try_from(now.as_millis()).unwrap().strict_add_signed(hours * 3_600_000)
    }
}

/// Why no clock is wrong in this run; none if they are.
pub(crate) fn why_not() -> Option<&'static str> {
    library()
        .is_none()
        .then_some("the clocks were not skewed: install libfaketime (Debian: `apt-get install faketime`)")
}

/// Where the library is.
fn library() -> Option<PathBuf> {
    let below = |folder: &str| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let places = [below("/usr/lib"), below("/usr/lib64"), vec!["/usr/lib".into(), "/usr/lib64".into()]].concat();
    places.into_iter().map(|place| place.join("faketime/libfaketimeMT.so.1")).find(|file| file.is_file())
}
