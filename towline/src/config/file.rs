//! The configuration file: which one, what it says, and everything that is wrong with it at once.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::keys::{self, KEYS, Key, SECTIONS};
use super::value::Value;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::near::nearest;

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Where the file is, and whether somebody named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub(crate) path: PathBuf,
    /// What named it: then it must be there.
    pub(crate) named_by: Option<&'static str>,
}

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is wrong. It holds keys of the file, never values.
    pub(crate) what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// What a file says, with the line of each.
pub(crate) type Said = BTreeMap<String, (Value, usize)>;

/// Which file: the flag, the environment, or the custom of this system; `None` without a home directory.
pub(crate) fn place(flag: Option<PathBuf>, env: &Env) -> Option<Place> {
    let absolute = |path: PathBuf| match (&env.current_dir, path.is_relative()) {
        (Some(current), true) => current.join(path),
        _ => path,
    };
    let named = |path, by| Place { path: absolute(path), named_by: Some(by) };
    let flag = flag.map(|path| named(path, "--config"));
    let variable = || env.config_file().map(|path| named(path, crate::env::CONFIG));
    let usual = || env.config_home.as_ref().map(|home| home.join("towline").join("config.toml"));
    flag.or_else(variable).or_else(|| usual().map(|path| Place { path, named_by: None }))
}

/// Reads a file; `None` when there is none and nobody named it.
pub(crate) fn read(place: &Place) -> Result<Option<String>, CommandError> {
    let path = &place.path;
    let bad = |error: io::Error| {
        CommandError::new(Kind::Config, error)
            .during(format!("cannot read the configuration {}", path.display()))
            .hint("It is one file of TOML that you may read; `towline config path` says where, `towline config edit` makes one.")
    };
    let found = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(by) = place.named_by else { return Ok(None) };
            return Err(CommandError::say(Kind::Config, format!("there is no configuration {}", path.display()))
                .hint(format!("{by} names it; make it with `towline config edit`, or leave {by} out.")));
        }
        found => found.map_err(bad)?,
    };
    if found.len() > MAX_BYTES {
        return Err(bad(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 1 MiB")));
    }
    std::fs::read_to_string(path).map(Some).map_err(bad)
}

/// What the text of a file says.
///
/// # Errors
/// Every mistake in it, by line.
pub(crate) fn parse(text: &str) -> Result<Said, Vec<Mistake>> {
    let line = |at: usize| text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(1, |span| line(span.start));
        vec![Mistake { line: at, what: format!("this is not TOML: {}", error.message().replace('\n', "; ")) }]
    })?;
    let mut said = Said::new();
    let mut mistakes = Vec::new();
    for (section, value) in table.get_ref() {
        let (name, at) = (section.get_ref().as_ref(), line(section.span().start));
        if !SECTIONS.iter().any(|(known, _)| *known == name) {
            mistakes.push(Mistake { line: at, what: unknown_section(name) });
            continue;
        }
        let Some(entries) = value.get_ref().as_table() else {
            mistakes.push(Mistake { line: at, what: format!("`{name}` is a table: write [{name}]") });
            continue;
        };
        for (key, value) in entries {
            let (key, at) = (key.get_ref().as_ref(), line(key.span().start));
            let read = match keys::find(name, key) {
                None => Err(unknown_key(name, key)),
                Some(known) => match Value::from_toml(value.get_ref(), known.shape) {
                    Ok(value) => {
                        said.insert(known.path(), (value, at));
                        Ok(())
                    }
                    Err(why) => Err(format!("`{}`: {why}", known.path())),
                },
            };
            mistakes.extend(read.err().map(|what| Mistake { line: at, what }));
        }
    }
    mistakes.sort_by_key(|mistake| mistake.line);
    if mistakes.is_empty() { Ok(said) } else { Err(mistakes) }
}

/// What is said of a file with mistakes.
pub(crate) fn wrong(path: &Path, mistakes: &[Mistake]) -> CommandError {
    let lines: Vec<String> = mistakes.iter().map(|mistake| format!("  {mistake}")).collect();
    let words = format!("the configuration {} is not right\n{}", path.display(), lines.join("\n"));
    CommandError::say(Kind::Config, words)
        .hint("Correct it with `towline config edit`; `towline config show` lists every setting there is.")
}

fn unknown_section(name: &str) -> String {
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return format!("`{name}` belongs into a table: [{}]", key.section);
    }
    let all: Vec<&str> = SECTIONS.iter().map(|(known, _)| *known).collect();
    let known = || format!("there are {}", all.join(", "));
    let near = nearest(name, all.iter().copied()).map(|near| format!("did you mean [{near}]?"));
    format!("there is no table [{name}]; {}", near.unwrap_or_else(known))
}

fn unknown_key(section: &str, name: &str) -> String {
    let here = || KEYS.iter().filter(|key| key.section == section);
    if let Some(near) = nearest(name, here().map(|key| key.name)) {
        return format!("there is no `{section}.{name}`; did you mean `{near}`?");
    }
    let elsewhere = |key: &&Key| key.name == name || nearest(name, [key.name]).is_some();
    if let Some(other) = KEYS.iter().find(|key| key.name == name).or_else(|| KEYS.iter().find(elsewhere)) {
        return format!("there is no `{section}.{name}`; did you mean `{}` in [{}]?", other.name, other.section);
    }
    let all: Vec<&str> = here().map(|key| key.name).collect();
    format!("there is no `{section}.{name}`; in [{section}] there are {}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        parse(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        let text = "[listen]\nlan = 1\nadress = \"x\"\n\n[hots]\nname = \"a\"\n[host]\nlan = true\nbanana = 1\n";
        assert_eq!(
            mistakes(text),
            [
                "line 2: `listen.lan`: expected `true` or `false`",
                "line 3: there is no `listen.adress`; did you mean `address`?",
                "line 5: there is no table [hots]; did you mean [host]?",
                "line 8: there is no `host.lan`; did you mean `lan` in [listen]?",
                "line 9: there is no `host.banana`; in [host] there are name, projects, projects_root, turns_at_once, agent_idle, bypass_modes_allowed, participants, policy_file, approval_expiry, quiet_after, silence_limit",
            ]
        );
        assert_eq!(mistakes("lan = true"), ["line 1: `lan` belongs into a table: [listen]"]);
        assert_eq!(mistakes("listen = 1"), ["line 1: `listen` is a table: write [listen]"]);
        assert!(mistakes("[listen]\nlan = \n")[0].starts_with("line 2: this is not TOML: "));
        assert!(mistakes("[host]\nname = \"a\"\nname = \"b\"\n")[0].starts_with("line 3: this is not TOML: "));
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_repeated() {
        let text =
            "[listen]\ntls_key = \"-----BEGIN PRIVATE KEY-----twl_canary\"\ntls_key_file = \"\"\"a\ntwl_canary\"\"\"\n";
        let said = mistakes(text).join("\n");
        assert!(said.contains("did you mean `tls_key_file`?") && !said.contains("twl_canary"), "{said}");
    }

    #[test]
    fn what_is_right_is_taken() {
        let said = parse("[listen]\nlan = true\n[agents.acp]\ngemini = [\"gemini\", \"--acp\"]\n").unwrap();
        assert_eq!(said["listen.lan"], (Value::Switch(true), 2));
        assert!(matches!(&said["agents.acp"].0, Value::Commands(all) if all["gemini"] == ["gemini", "--acp"]));
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn fuzz_configuration() {
        let good = crate::config::reference::example();
        let live: String = good
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|l| l.contains(" = ")).unwrap_or(line))
            .fold(String::new(), |text, line| text + line + "\n");
        let corpus = fuzz::words(&[
            good.as_str(),
            live.as_str(),
            "[host]\nname = \"desk\"\nturns_at_once = 3\nprojects = [\"~/a\", \"b\"]\n",
            "[listen]\nlan = true\naddress = \"127.0.0.1:0\"\n",
        ]);
        fuzz::target("configuration", &corpus, |input| {
            let Ok(text) = std::str::from_utf8(input) else { return false };
            match parse(text) {
                Ok(_) => true,
                Err(mistakes) => {
                    let lines = text.matches('\n').count() + 1;
                    assert!(!mistakes.is_empty() && mistakes.iter().all(|mistake| (1..=lines).contains(&mistake.line)));
                    false
                }
            }
        });
    }
}
