//! What was written, layered: flags before the environment, before the file, before what is usual.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;

use super::file::{self, Place};
use super::keys::{KEYS, Key};
use super::value::Value;
use crate::cli::SettingFlags;
use crate::env::Env;
use crate::error::{CommandError, Kind};

/// Where a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere: it is the usual one.
    Default,
    /// In the file, in that line.
    File(usize),
    /// In that environment variable.
    Variable(&'static str),
    /// In that flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(line) => write!(f, "file, line {line}"),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Every value that somebody wrote, the strongest of each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers {
    /// The file, whether it is there or not.
    pub(crate) place: Option<Place>,
    /// Whether it is there.
    pub(crate) has_file: bool,
    values: BTreeMap<String, (Value, Origin)>,
}

impl Layers {
    /// Reads all of them.
    ///
    /// # Errors
    /// [`Kind::Config`] for what the file or the environment should not say, [`Kind::Usage`] for flags.
    pub(crate) fn read(place: Option<Place>, flags: &SettingFlags, env: &Env) -> Result<Self, CommandError> {
        let text = place.as_ref().map(file::read).transpose()?.flatten();
        let mut layers = Self { has_file: text.is_some(), values: BTreeMap::new(), place };
        if let (Some(text), Some(place)) = (&text, &layers.place) {
            let said = file::parse(text).map_err(|mistakes| file::wrong(&place.path, &mistakes))?;
            layers.values.extend(said.into_iter().map(|(key, (value, line))| (key, (value, Origin::File(line)))));
        }
        for key in KEYS {
            let Some(variable) = key.variable else { continue };
            let Some(text) = env.get(variable).filter(|text| !text.is_empty()) else { continue };
            let value = text.to_str().ok_or_else(|| "it is not UTF-8".to_owned());
            let value = value.and_then(|text| Value::from_text(text, key.shape)).map_err(|why| {
                CommandError::say(Kind::Config, format!("{variable} is not understood: {why}"))
                    .hint(format!("Correct it, or remove it: unset {variable}"))
            })?;
            layers.values.insert(key.path(), (value, Origin::Variable(variable)));
        }
        for (path, value) in flags.said() {
            let Some(key) = KEYS.iter().find(|key| key.path() == path) else { continue };
            let flag = key.flag.unwrap_or_default();
            value.check(key.shape).map_err(|why| CommandError::say(Kind::Usage, format!("{flag}: {why}")))?;
            layers.values.insert(key.path(), (value, Origin::Flag(flag)));
        }
        Ok(layers)
    }

    /// A value and where it was written; `None` when nobody wrote it.
    pub(crate) fn get(&self, path: &str) -> Option<&(Value, Origin)> {
        self.values.get(path)
    }

    /// Each setting with its value, if somebody wrote one, and where.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static Key, Option<&Value>, Origin)> {
        KEYS.iter().map(|key| match self.values.get(&key.path()) {
            Some((value, origin)) => (key, Some(value), *origin),
            None => (key, None, Origin::Default),
        })
    }
}

/// A variable of ours that is no setting, with the one that it may have been meant to be.
pub(crate) fn strange_variables(env: &Env) -> Vec<String> {
    let known = || KEYS.iter().filter_map(|key| key.variable).chain([crate::env::CONFIG]);
    let ours = env.all.iter().filter_map(|(name, _)| OsStr::to_str(name).filter(|name| name.starts_with("TOWLINE_")));
    let strange = ours.filter(|name| known().all(|known| known != *name) && !crate::env::OTHERS.contains(name));
    strange
        .filter_map(|name| {
            Some(format!("{name} is no setting; did you mean {}?", crate::near::nearest(name, known())?))
        })
        .collect()
}
