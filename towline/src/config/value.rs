//! Values of settings, wherever they were written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use toml::de::DeValue;
use tracing_subscriber::EnvFilter;

use super::keys::Shape;
use crate::cli::AcpCommand;

/// A value that fits its shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Value {
    /// A switch.
    Switch(bool),
    /// A number.
    Count(u64),
    /// Text: a name, a path, an address, a time.
    Text(String),
    /// Several texts.
    List(Vec<String>),
    /// Programs with their arguments, by name.
    Commands(BTreeMap<String, Vec<String>>),
}

impl Value {
    /// The value as it would stand in the file.
    pub(crate) fn toml(&self) -> String {
        match self {
            Self::Switch(is) => is.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Text(text) => quoted(text),
            Self::List(list) => listed(list),
            Self::Commands(commands) if commands.is_empty() => "{}".to_owned(),
            Self::Commands(commands) => {
                let each = commands.iter().map(|(name, command)| format!("{name} = {}", listed(command)));
                format!("{{ {} }}", each.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Reads what an environment variable says: lists are separated by commas, paths as `PATH` separates them.
    pub(crate) fn from_text(text: &str, shape: Shape) -> Result<Self, String> {
        let list = |separator: char| {
            let parts = text.split(separator).map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect::<Vec<_>>()
        };
        let value = match shape {
            Shape::Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Self::Switch(true),
                "false" | "0" | "no" | "off" => Self::Switch(false),
                _ => return Err("expected `true` or `false`".to_owned()),
            },
            Shape::Count(..) => Self::Count(text.parse().map_err(|_| expected(shape))?),
            Shape::Paths => Self::List(list(if cfg!(windows) { ';' } else { ':' })),
            Shape::HostNames | Shape::Variables | Shape::Networks | Shape::Hubs => Self::List(list(',')),
            Shape::Command | Shape::Commands => return Err("it can stand in the file only".to_owned()),
            Shape::Time(..)
            | Shape::Address
            | Shape::Name(_)
            | Shape::Word(_)
            | Shape::Filter
            | Shape::Path
            | Shape::Origin => Self::Text(text.to_owned()),
        };
        value.check(shape)?;
        Ok(value)
    }

    /// Reads what the file says.
    pub(crate) fn from_toml(value: &DeValue<'_>, shape: Shape) -> Result<Self, String> {
        let bad = || expected(shape);
        let texts = |value: &DeValue<'_>| -> Result<Vec<String>, String> {
            let list = value.as_array().ok_or_else(bad)?;
            list.iter().map(|one| one.get_ref().as_str().map(str::to_owned).ok_or_else(bad)).collect()
        };
        let read = match shape {
            Shape::Switch => Self::Switch(value.as_bool().ok_or_else(bad)?),
            Shape::Count(..) => {
                let digits = value.as_integer().ok_or_else(bad)?;
                Self::Count(u64::from_str_radix(digits.as_str(), digits.radix()).map_err(|_| bad())?)
            }
            Shape::Paths | Shape::HostNames | Shape::Variables | Shape::Networks | Shape::Command | Shape::Hubs => {
                Self::List(texts(value)?)
            }
            Shape::Commands => {
                let table = value.as_table().ok_or_else(bad)?;
                let one = |(name, command): (&toml::Spanned<toml::de::DeString<'_>>, &toml::Spanned<DeValue<'_>>)| {
                    Ok::<_, String>((name.get_ref().to_string(), texts(command.get_ref())?))
                };
                Self::Commands(table.iter().map(one).collect::<Result<_, _>>()?)
            }
            Shape::Time(..)
            | Shape::Address
            | Shape::Name(_)
            | Shape::Word(_)
            | Shape::Filter
            | Shape::Path
            | Shape::Origin => Self::Text(value.as_str().ok_or_else(bad)?.to_owned()),
        };
        read.check(shape)?;
        Ok(read)
    }

    /// Whether the value is what its shape allows; what is said never repeats the value, which may be a secret in the wrong place.
    pub(crate) fn check(&self, shape: Shape) -> Result<(), String> {
        let bad = || expected(shape);
        let fits = match (shape, self) {
            (Shape::Switch, Self::Switch(_)) => true,
            (Shape::Count(first, last), Self::Count(count)) => (first..=last).contains(count),
            (Shape::Time(first, last), Self::Text(text)) => {
                let time = time(text).ok_or_else(bad)?;
                (u128::from(first)..=u128::from(last)).contains(&time.as_millis())
            }
            (Shape::Address, Self::Text(text)) => text.parse::<SocketAddr>().is_ok(),
            (Shape::Name(most), Self::Text(text)) => {
                !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
            }
            (Shape::Word(words), Self::Text(text)) => words.contains(&text.as_str()),
            (Shape::Filter, Self::Text(text)) => EnvFilter::try_new(text).is_ok(),
            (Shape::Path, Self::Text(text)) => is_path(text),
            (Shape::Paths, Self::List(list)) => list.iter().all(|text| is_path(text)),
            (Shape::HostNames, Self::List(list)) => list.iter().all(|text| is_host_name(text)),
            (Shape::Hubs, Self::List(list)) => list.iter().all(|text| origin_host(text).is_some()),
            (Shape::Origin, Self::Text(text)) => origin_host(text).is_some(),
            (Shape::Networks, Self::List(list)) => list.iter().all(|text| text.parse::<hub::Network>().is_ok()),
            (Shape::Variables, Self::List(list)) => list.iter().all(|text| is_variable(text)),
            (Shape::Command, Self::List(list)) => {
                list.first().is_none_or(|program| is_path(program)) && list.iter().all(|text| !text.contains('\0'))
            }
            (Shape::Commands, Self::Commands(commands)) => {
                for (name, command) in commands {
                    AcpCommand::check(name, command).map_err(|why| format!("`{name}`: {why}"))?;
                }
                true
            }
            _ => false,
        };
        if fits { Ok(()) } else { Err(bad()) }
    }
}

/// A time as `90s`, `10m` or `1h 30m`.
pub(crate) fn time(text: &str) -> Option<Duration> {
    Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok()
}

/// What a value should have been.
pub(super) fn expected(shape: Shape) -> String {
    match shape {
        Shape::Switch => "expected `true` or `false`".to_owned(),
        Shape::Count(first, last) => format!("expected a whole number from {first} to {last}"),
        Shape::Time(first, last) => {
            format!("expected a time like \"90s\" or \"10m\", from {} s to {} s", first / 1000, last / 1000)
        }
        Shape::Address => "expected \"ADDRESS:PORT\", such as \"127.0.0.1:4437\" or \"[::1]:4437\"".to_owned(),
        Shape::Name(most) => format!("expected a name of 1 to {most} characters"),
        Shape::Word(words) => {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            format!("expected {}", words.join(" or "))
        }
        Shape::Filter => "expected a level such as \"warn\", or a filter such as \"hub=debug,warn\"".to_owned(),
        Shape::Path => "expected a path".to_owned(),
        Shape::Paths => "expected a list of paths, such as [\"~/code/gauge\"]".to_owned(),
        Shape::Hubs => "expected a list of addresses such as `[\"https://hub.example.com\"]`".to_owned(),
        Shape::HostNames => {
            "expected a list of names without scheme and port, such as [\"desk.example.net\"]".to_owned()
        }
        Shape::Origin => "expected an address without a path, such as \"https://hub.example.net\"".to_owned(),
        Shape::Networks => {
            "expected a list of addresses and networks, such as [\"127.0.0.1\", \"10.0.0.0/8\"]".to_owned()
        }
        Shape::Variables => "expected a list of variables' names, such as [\"HTTPS_PROXY\"]".to_owned(),
        Shape::Command => "expected a list: the program and its arguments, such as [\"lamp\", \"--blink\"]".to_owned(),
        Shape::Commands => {
            "expected names with a list each: the program and its arguments, such as { gemini = [\"gemini\", \"--acp\"] }"
                .to_owned()
        }
    }
}

fn is_path(text: &str) -> bool {
    // A key that was pasted here has several lines.
    !text.is_empty() && text.len() <= 4096 && !text.chars().any(char::is_control)
}

fn is_host_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    text.len() <= 253
        && (bracketed.is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok())
            || (!text.is_empty() && text.chars().all(plain)))
}

/// The name in an address that browsers open, without its port; `None` for what is no such address.
pub(crate) fn origin_host(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let (name, port) = match rest.strip_prefix('[').and_then(|inner| inner.find(']')) {
        Some(end) => (&rest[..end + 2], rest[end + 2..].strip_prefix(':')),
        None => rest.split_once(':').map_or((rest, None), |(name, port)| (name, Some(port))),
    };
    let whole = name.len() + port.map_or(0, |port| port.len() + 1) == rest.len();
    let fits = whole && is_host_name(name) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    fits.then_some(name)
}

fn is_variable(text: &str) -> bool {
    !text.is_empty() && text.len() <= 256 && !text.chars().any(|c| c == '=' || c.is_control() || c.is_whitespace())
}

/// A text as TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn listed(list: &[String]) -> String {
    format!("[{}]", list.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(text: &str, shape: Shape) -> bool {
        let text = format!("x = {text}");
        let table = toml::de::DeTable::parse(&text).unwrap();
        Value::from_toml(table.get_ref().values().next().unwrap().get_ref(), shape).is_ok()
    }

    #[test]
    fn each_shape_takes_what_fits_and_nothing_else() {
        for (shape, good, bad) in [
            (Shape::Switch, &["true", "false"][..], &["1", "\"true\""][..]),
            (Shape::Count(1, 64), &["1", "64", "0x10"], &["0", "65", "-1", "1.5", "\"1\""]),
            (Shape::Time(1_000, 86_400_000), &["\"10m\"", "\"1h 30m\""], &["\"1ms\"", "\"-1s\"", "\"soon\"", "600"]),
            (Shape::Address, &["\"127.0.0.1:1\"", "\"[::1]:1\""], &["\"localhost:1\"", "\"127.0.0.1\"", "4437"]),
            (Shape::Name(4), &["\"desk\""], &["\"desks\"", "\" \"", "\"a\\nb\""]),
            (Shape::Word(&["ask", "read_only"]), &["\"ask\"", "\"read_only\""], &["\"Ask\"", "\"\"", "true"]),
            (Shape::Filter, &["\"warn\"", "\"hub=debug,warn\"", "\"off\""], &["\"hub=loud\"", "1"]),
            (Shape::Path, &["\"~/a b\""], &["\"\"", "\"a\\nb\"", "1"]),
            (Shape::HostNames, &["[]", "[\"a.b\", \"[::1]\"]"], &["[\"http://a\"]", "[\"a:1\"]", "\"a\"", "[1]"]),
            (
                Shape::Origin,
                &["\"https://hub.example.net\"", "\"https://[::1]:8443\"", "\"http://10.0.0.1:80\""],
                &[
                    "\"hub.example.net\"",
                    "\"https://a/b\"",
                    "\"https://a:x\"",
                    "\"https://u@a\"",
                    "\"https://\"",
                    "\"https://[::1]x\"",
                ],
            ),
            (
                Shape::Networks,
                &["[]", "[\"127.0.0.1\", \"fd00::/8\"]"],
                &["[\"10.0.0.0/33\"]", "[\"proxy\"]", "\"::1\""],
            ),
            (Shape::Variables, &["[\"A_B\"]"], &["[\"A=b\"]", "[\"\"]"]),
            (Shape::Command, &["[]", "[\"lamp\", \"\"]"], &["\"lamp\"", "[\"\"]", "[1]"]),
            (
                Shape::Commands,
                &["{}", "{ gemini = [\"gemini\"] }"],
                &["{ demo = [\"x\"] }", "{ a = [] }", "{ a = \"x\" }", "{ A = [\"x\"] }"],
            ),
        ] {
            for text in good {
                assert!(fits(text, shape), "{shape:?} {text}");
            }
            for text in bad {
                assert!(!fits(text, shape), "{shape:?} {text}");
            }
        }
    }

    #[test]
    fn a_variable_says_the_same_as_the_file() {
        let read = |text, shape| Value::from_text(text, shape).ok();
        assert_eq!(read("on", Shape::Switch), Some(Value::Switch(true)));
        assert_eq!(read("maybe", Shape::Switch), None);
        assert_eq!(read("7", Shape::Count(1, 9)), Some(Value::Count(7)));
        assert_eq!(read("a.b, c", Shape::HostNames), Some(Value::List(vec!["a.b".into(), "c".into()])));
        assert_eq!(read("x", Shape::Commands), None);
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let value = Value::Commands([("a".to_owned(), vec!["b\"\\".to_owned(), "c".to_owned()])].into());
        let text = format!("x = {}", value.toml());
        let table = toml::de::DeTable::parse(&text).unwrap();
        let again = Value::from_toml(table.get_ref().values().next().unwrap().get_ref(), Shape::Commands).unwrap();
        assert_eq!(again, value);
    }
}
