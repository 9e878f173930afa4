//! The reference page, the schema and the example, made from the one table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::keys::{KEYS, Key, SECTIONS, Shape};

/// What stands above each file that is made here.
const MADE: &str = "Made from `towline/src/config/keys.rs` by `cargo xtask gen`; a stale file fails a test.";

/// The reference page, as Markdown.
pub(crate) fn page() -> String {
    let mut out = format!(
        "# Configuration\n\n<!-- {MADE} -->\n\n\
         Towline needs no configuration. What it can be told stands in one TOML file: `config.toml` in `$XDG_CONFIG_HOME/towline`\n\
         (usually `~/.config/towline`; on Windows `%APPDATA%\\towline`), or the file that `--config FILE` or `TOWLINE_CONFIG` names.\n\n\
         Each setting is taken from the first of these that has it: a **flag**, the **environment**, the **file**, the **default**.\n\n\
         - `towline config show` prints every value and where it comes from; `--json` for programs. It takes the flags of `towline up`,\n\
         \x20 and shows what they would change.\n\
         - `towline config edit` opens the file in `$VISUAL` or `$EDITOR`, and puts it in place only if it is right.\n\
         - `towline config path` prints where the file is.\n\n\
         Unknown keys are refused, with their line and the key that was probably meant. No secret stands in the file: settings whose name\n\
         ends in `_file` name a file that holds one. Settings are read when `towline up` starts.\n\n\
         [`config.example.toml`](config.example.toml) has every setting, commented out; [`config.schema.json`](config.schema.json) is for\n\
         editors.\n"
    );
    for (section, about) in SECTIONS {
        let _ = writeln!(out, "\n## `[{section}]`\n\n{about}");
        for key in in_section(section) {
            let _ = writeln!(out, "\n### `{}`\n\n{}\n", key.path(), key.about);
            let _ = writeln!(out, "- Value: {}\n- Default: {}", shape_words(key.shape), default_words(key));
            if let Some(variable) = key.variable {
                let _ = writeln!(out, "- Environment: `{variable}`{}", list_words(key.shape));
            }
            if let Some(flag) = key.flag {
                let _ = writeln!(out, "- Flag: `{flag}`");
            }
            let _ = writeln!(out, "\n```toml\n[{section}]\n{} = {}\n```", key.name, key.example);
        }
    }
    out
}

/// The example: every setting, commented out.
pub(crate) fn example() -> String {
    let mut out = "# The configuration of Towline: every setting there is, commented out. Nothing here is needed.\n\
                   # Each comment says what a setting does and what it is without the line.\n"
        .to_owned();
    for (section, about) in SECTIONS {
        let _ = writeln!(out, "\n# {about}\n[{section}]");
        for key in in_section(section) {
            out.push('\n');
            for line in wrapped(&plain(key.about)) {
                let _ = writeln!(out, "# {line}");
            }
            let _ = writeln!(out, "# Default: {}\n# {} = {}", key.default, key.name, key.example);
        }
    }
    out
}

/// The JSON schema, for editors.
pub(crate) fn schema() -> String {
    let mut sections = Map::new();
    for (section, about) in SECTIONS {
        let keys: Map<String, Json> = in_section(section)
            .map(|key| {
                let mut value = shape_schema(key.shape);
                value["description"] = json!(plain(key.about));
                (key.name.to_owned(), value)
            })
            .collect();
        let value = json!({"type": "object", "description": about, "additionalProperties": false, "properties": keys});
        sections.insert((*section).to_owned(), value);
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": MADE,
        "title": "The configuration of Towline",
        "type": "object",
        "additionalProperties": false,
        "properties": sections,
    });
    let mut text = format!("{:#}", sorted(schema));
    text.push('\n');
    text
}

/// The value with its keys in alphabetical order: whether `serde_json` keeps the order of insertion is a feature that any crate of a
/// build may switch on, and the file is the same in every build.
fn sorted(value: Json) -> Json {
    match value {
        Json::Object(map) => {
            let entries: BTreeMap<String, Json> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Json::Object(entries.into_iter().collect())
        }
        Json::Array(values) => Json::Array(values.into_iter().map(sorted).collect()),
        plain => plain,
    }
}

fn in_section(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section == section)
}

fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// Lines of at most 100 characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a line from the start");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + word.len() < 100 {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn default_words(key: &Key) -> String {
    match key.default.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(words) => words.replace('`', ""),
        None => format!("`{}`", key.default),
    }
}

fn shape_words(shape: Shape) -> String {
    match shape {
        Shape::Switch => "`true` or `false`".to_owned(),
        Shape::Count(first, last) => format!("a whole number from {first} to {last}"),
        Shape::Time(first, last) => {
            format!("a time such as `\"90s\"` or `\"1h 30m\"`, from {} s to {} h", first / 1000, last / 3_600_000)
        }
        Shape::Address => "`\"ADDRESS:PORT\"`".to_owned(),
        Shape::Name(most) => format!("text of at most {most} characters"),
        Shape::Word(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(" or "),
        Shape::Filter => {
            "a level (`off`, `error`, `warn`, `info`, `debug`, `trace`), or levels by part such as `\"hub=debug,warn\"`"
                .to_owned()
        }
        Shape::Path => "a path; `~/` is the home directory, a relative one begins where the file is".to_owned(),
        Shape::Paths => "a list of paths".to_owned(),
        Shape::HostNames => "a list of names, without scheme and port".to_owned(),
        Shape::Hubs => "a list of addresses with their scheme and without a path".to_owned(),
        Shape::Origin => "an address with its scheme and without a path".to_owned(),
        Shape::Networks => "a list of addresses and networks".to_owned(),
        Shape::Variables => "a list of names".to_owned(),
        Shape::Command => "a list: the program and its arguments".to_owned(),
        Shape::Commands => {
            "a table: a name of a-z, 0-9 and `-`, and the program with its arguments as a list".to_owned()
        }
    }
}

const fn list_words(shape: Shape) -> &'static str {
    match shape {
        Shape::Paths => ", separated as in `PATH`",
        Shape::HostNames | Shape::Variables | Shape::Networks | Shape::Hubs => ", separated by commas",
        _ => "",
    }
}

fn shape_schema(shape: Shape) -> Json {
    let texts = || json!({"type": "array", "items": {"type": "string"}});
    match shape {
        Shape::Switch => json!({"type": "boolean"}),
        Shape::Count(first, last) => json!({"type": "integer", "minimum": first, "maximum": last}),
        Shape::Name(most) => json!({"type": "string", "minLength": 1, "maxLength": most}),
        Shape::Word(words) => json!({"type": "string", "enum": words}),
        Shape::Time(..) | Shape::Address | Shape::Filter | Shape::Path | Shape::Origin => json!({"type": "string"}),
        Shape::Paths | Shape::HostNames | Shape::Variables | Shape::Networks | Shape::Command | Shape::Hubs => texts(),
        Shape::Commands => json!({
            "type": "object",
            "propertyNames": {"pattern": "^[a-z0-9-]{1,32}$"},
            "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        }),
    }
}
