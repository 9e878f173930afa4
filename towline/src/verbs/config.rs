//! `config`: what is configured, and changing it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::cli::Form;
use crate::config::{self, Layers, Origin, Place, Settings, Value};
use crate::data_dir::{self, DataDir};
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::output::{self, Output, printable};

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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edited {
    path: PathBuf,
    changed: bool,
}

/// Lets a person edit a copy, and puts it in place if it is right.
pub(crate) fn edit(place: Option<Place>, env: &Env, out: Output) -> Result<(), CommandError> {
    let place = place.ok_or_else(no_place)?;
    let path = &place.path;
    let old = config::read(&Place { named_by: None, ..place.clone() })?;
    let io = |what: String| move |error: std::io::Error| CommandError::new(Kind::Config, error).during(what);
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io(format!("cannot make {}", folder.display())))?;
    // The draft stays when it is wrong, so that nobody types anything twice.
    let draft = path.with_extension("draft.toml");
    let goes_on = draft.is_file();
    if goes_on {
        output::note(format!("Going on with the draft {}.", draft.display()));
    } else {
        let text = old.clone().unwrap_or_else(config::example);
        data_dir::replace(&draft, text.as_bytes()).map_err(io(format!("cannot write {}", draft.display())))?;
    }
    let status = editor(env, &draft).status();
    let status = status.map_err(|error| {
        CommandError::new(Kind::Config, error)
            .during("the editor does not start")
            .hint("Name one that does: EDITOR=nano towline config edit")
            .hint(format!("Or edit {} with any program.", path.display()))
    })?;
    let text = config::read(&Place { path: draft.clone(), named_by: None })?.unwrap_or_default();
    let unchanged = text.trim_end() == old.clone().unwrap_or_else(config::example).trim_end();
    if !status.success() || unchanged {
        // The editor's own way to say no; and what was not changed is not kept either.
        std::fs::remove_file(&draft).map_err(io(format!("cannot remove {}", draft.display())))?;
        if !status.success() {
            return Err(CommandError::say(Kind::No, format!("the editor ended with {status}, so nothing is changed")));
        }
        return out.either(&Edited { path: path.clone(), changed: false }, || "nothing changed".to_owned());
    }
    if let Err(mistakes) = config::parse(&text) {
        let mut error = config::wrong(&draft, &mistakes);
        error.hints.clear();
        let kept = if old.is_some() { "is as it was" } else { "is not made" };
        return Err(error
            .hint(format!("{} {kept}. `towline config edit` goes on with what you typed;", path.display()))
            .hint(format!("to throw it away, remove {}", draft.display())));
    }
    // Through a link, so that a file kept elsewhere stays there.
    let real = path.canonicalize().unwrap_or_else(|_| path.clone());
    data_dir::replace(&real, text.trim_end().as_bytes()).map_err(io(format!("cannot write {}", real.display())))?;
    std::fs::remove_file(&draft).map_err(io(format!("cannot remove {}", draft.display())))?;
    out.either(&Edited { path: path.clone(), changed: true }, || {
        format!("written: {}\nIt counts from the next start of `towline up`.", path.display())
    })
}

/// The editor that the person likes, or what is there.
#[expect(
    clippy::disallowed_methods,
    reason = "it is the person's own program, in their terminal, for as long as they like"
)]
fn editor(env: &Env, file: &Path) -> Command {
    let usual = if cfg!(windows) { "notepad" } else { "vi" };
    let named = env.editor().unwrap_or(OsStr::new(usual));
    if cfg!(windows) {
        let mut command = Command::new(named);
        command.arg(file);
        return command;
    }
    // The variable may hold arguments (`code --wait`), and is read as a shell reads it, as every program does.
    let mut command = Command::new("sh");
    let mut line = named.to_owned();
    line.push(" \"$1\"");
    command.arg("-c").arg(line).arg("sh").arg(file);
    command
}
