//! A file that a person edits: a copy in their editor, which takes the file's place only once it is right.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::data_dir;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::output::{self, Output};

/// What such a verb prints with `--json`; stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    path: PathBuf,
    changed: bool,
}

/// A file, and what is right for it.
pub(super) struct Edited<'a> {
    pub(super) path: &'a Path,
    /// What stands in it; `None` when it is not there.
    pub(super) old: Option<String>,
    /// What to begin with where nothing is.
    pub(super) example: String,
    /// Reads a draft.
    pub(super) read: &'a dyn Fn(&Path) -> Result<String, CommandError>,
    /// Says what is wrong in a draft; the hints are made here.
    pub(super) check: &'a dyn Fn(&Path, &str) -> Result<(), CommandError>,
    /// The command line that goes on with a draft.
    pub(super) verb: &'static str,
    /// From when on it counts.
    pub(super) counts: &'static str,
}

impl Edited<'_> {
    /// Lets a person edit a copy, and puts it in place if it is right.
    pub(super) fn edit(self, env: &Env, out: Output) -> Result<(), CommandError> {
        let Self { path, old, example, read, check, verb, counts } = self;
        let io = |what: String| move |error: std::io::Error| CommandError::new(Kind::Config, error).during(what);
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(io(format!("cannot make {}", folder.display())))?;
        // The draft stays when it is wrong, so that nobody types anything twice.
        let draft = path.with_extension("draft.toml");
        let begun = old.clone().unwrap_or(example);
        if draft.is_file() {
            output::note(format!("Going on with the draft {}.", draft.display()));
        } else {
            data_dir::replace(&draft, begun.as_bytes()).map_err(io(format!("cannot write {}", draft.display())))?;
        }
        let status = editor(env, &draft).status();
        let status = status.map_err(|error| {
            CommandError::new(Kind::Config, error)
                .during("the editor does not start")
                .hint(format!("Name one that does: EDITOR=nano {verb}"))
                .hint(format!("Or edit {} with any program.", path.display()))
        })?;
        let text = read(&draft)?;
        if !status.success() || text.trim_end() == begun.trim_end() {
            // The editor's own way to say no; and what was not changed is not kept either.
            std::fs::remove_file(&draft).map_err(io(format!("cannot remove {}", draft.display())))?;
            if !status.success() {
                let said = format!("the editor ended with {status}, so nothing is changed");
                return Err(CommandError::say(Kind::No, said));
            }
            return out.either(&Done { path: path.to_owned(), changed: false }, || "nothing changed".to_owned());
        }
        if let Err(mut error) = check(&draft, &text) {
            error.hints.clear();
            let kept = if old.is_some() { "is as it was" } else { "is not made" };
            return Err(error
                .hint(format!("{} {kept}. `{verb}` goes on with what you typed;", path.display()))
                .hint(format!("to throw it away, remove {}", draft.display())));
        }
        // Through a link, so that a file kept elsewhere stays there.
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        data_dir::replace(&real, text.trim_end().as_bytes()).map_err(io(format!("cannot write {}", real.display())))?;
        std::fs::remove_file(&draft).map_err(io(format!("cannot remove {}", draft.display())))?;
        out.either(&Done { path: path.to_owned(), changed: true }, || format!("written: {}\n{counts}", path.display()))
    }
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
