//! `config`: what is configured, and changing it.

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::Form;
use crate::config::{self, Layers, Origin, Place, Settings, Value};
use crate::data_dir::DataDir;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::output::{self, Output, printable};
use crate::verbs::edited_file::Edited;

/// One line of `config show --json`; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    key: String,
    /// The value; null when nobody wrote one and the default depends on the machine.
    value: Option<&'a Value>,
    /// `flag`, `environment`, `file` or `default`.
    origin: &'static str,
    /// The flag or variable, or the file.
    by: Option<String>,
    /// The line of the file.
    line: Option<usize>,
    default: &'static str,
}

/// Prints every setting with its origin.
pub(crate) fn show(layers: &Layers, settings: &Settings, env: &Env, out: Output) -> Result<(), CommandError> {
    let file = layers.place.as_ref().map(|place| place.path.display().to_string());
    if out.json {
        return layers.all().try_for_each(|(key, value, origin)| {
            let (word, by, line) = match origin {
                Origin::Default => ("default", None, None),
                Origin::File(line) => ("file", file.clone(), Some(line)),
                Origin::Variable(name) => ("environment", Some(name.to_owned()), None),
                Origin::Flag(name) => ("flag", Some(name.to_owned()), None),
            };
            out.json(&Row { key: key.path(), value, origin: word, by, line, default: key.default })
        });
    }
    for strange in config::strange_variables(env) {
        output::note(format!("note: {strange}"));
    }
    let usual = |path: &str| match path {
        "data.directory" => DataDir::choose(None, env).ok().map(|dir| format!("\"{}\"", dir.path().display())),
        "host.name" => Some(format!("\"{}\"", settings.name)),
        _ => None,
    };
    let rows: Vec<_> = layers
        .all()
        .map(|(key, value, origin)| {
            let path = key.path();
            let value = value.map(Value::toml).or_else(|| usual(&path)).unwrap_or_else(|| key.default.replace('`', ""));
            (path, value, origin.to_string())
        })
        .collect();
    let wide = |cell: fn(&(String, String, String)) -> &String, most: usize| {
        rows.iter().map(|row| cell(row).chars().count()).filter(|width| *width <= most).max().unwrap_or_default()
    };
    let (keys, values) = (wide(|row| &row.0, 40), wide(|row| &row.1, 52));
    let there = match (&file, layers.has_file) {
        (Some(file), true) => file.clone(),
        (Some(file), false) => format!("{file} (not there; make it with `towline config edit`)"),
        (None, _) => "none: there is no home directory".to_owned(),
    };
    out.line(printable(&format!("file: {there}\n")))?;
    rows.iter()
        .try_for_each(|(key, value, origin)| out.line(printable(&format!("{key:<keys$}  {value:<values$}  {origin}"))))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Where {
    path: PathBuf,
    exists: bool,
    /// `--config` or `TOWLINE_CONFIG`; null for the usual place.
    named_by: Option<&'static str>,
}

/// Prints where the file is.
pub(crate) fn path(place: Option<Place>, out: Output) -> Result<(), CommandError> {
    let place = place.ok_or_else(no_place)?;
    let text = place.path.display().to_string();
    out.either(&Where { exists: place.path.is_file(), path: place.path, named_by: place.named_by }, || text)
}

/// Prints what can be configured.
pub(crate) fn reference(form: Form, out: Output) -> Result<(), CommandError> {
    out.raw(&match form {
        Form::Page => config::page(),
        Form::Schema => config::schema(),
        Form::Example => config::example(),
    })
}

fn no_place() -> CommandError {
    CommandError::say(Kind::Config, "there is no home directory to keep a configuration in")
        .hint("Say which file: --config FILE.")
}

/// Lets a person edit a copy, and puts it in place if it is right.
pub(crate) fn edit(place: Option<Place>, env: &Env, out: Output) -> Result<(), CommandError> {
    let place = place.ok_or_else(no_place)?;
    let old = config::read(&Place { named_by: None, ..place.clone() })?;
    let file = Edited {
        path: &place.path,
        old,
        example: config::example(),
        read: &|draft| Ok(config::read(&Place { path: draft.to_owned(), named_by: None })?.unwrap_or_default()),
        check: &|draft, text| config::parse(text).map(drop).map_err(|mistakes| config::wrong(draft, &mistakes)),
        verb: "towline config edit",
        counts: "It counts from the next start of `towline up`.",
    };
    file.edit(env, out)
}
