//! `logs`: what the node wrote into its log, or what was said between it and an agent.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::raw_lines;
use serde::Serialize;

use crate::cli::Logs;
use crate::data_dir::DataDir;
use crate::error::{CommandError, Kind};
use crate::log_file;
use crate::node::Node;
use crate::output::{Output, printable};

/// Between two looks for more.
const LOOK: Duration = Duration::from_millis(200);
/// Most that is read at once, in bytes.
const PIECE: u64 = 256 * 1024;

#[derive(Serialize)]
struct Line<'a> {
    line: &'a str,
}

/// A file that is written into, and the one before it.
struct Place {
    path: PathBuf,
    older: PathBuf,
    hint: &'static str,
}

impl Place {
    fn of_node(dir: &DataDir) -> Self {
        let path = log_file::path(dir.path());
        let older = log_file::older(&path, 1);
        Self { path, older, hint: "`towline up` writes it; `log.file_filter` in the configuration says how much." }
    }

    async fn of_agent(session: &str, dir: &DataDir, out: Output) -> Result<Self, CommandError> {
        // By its id also where no node runs.
        let session = match session.parse() {
            Ok(session) => session,
            Err(_) => Node::find(dir, out)?.known().await?.session(session)?,
        };
        let path = raw_lines::file_of(&dir.agent_lines(), session);
        let older = raw_lines::older(&path);
        let hint = "They are kept once the session's agent was started, for the newest sessions, unless `agents.keep_lines` is false.";
        Ok(Self { path, older, hint })
    }
}

/// Prints the end of the log, and what comes.
pub(crate) async fn logs(wish: Logs, dir: &DataDir, out: Output) -> Result<(), CommandError> {
    let place = match &wish.agent {
        Some(session) => Place::of_agent(session, dir, out).await?,
        None => Place::of_node(dir),
    };
    let path = place.path;
    let bad =
        |error: io::Error| CommandError::new(Kind::No, error).during(format!("cannot read the log {}", path.display()));
    // The files are bounded, so that all of them can be read.
    let text = |path: &Path| match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(|bytes| Some(String::from_utf8_lossy(&bytes).into_owned())),
    };
    let newest = text(&path).map_err(bad)?;
    if newest.is_none() && !wish.follow {
        return Err(CommandError::say(Kind::No, format!("there is no log yet: {} is not there", path.display()))
            .hint(place.hint));
    }
    let mut at = newest.as_ref().map_or(0, |text| u64::try_from(text.len()).unwrap_or(u64::MAX));
    let mut all = newest.unwrap_or_default();
    if all.lines().count() < wish.lines {
        let before = text(&place.older).map_err(bad)?;
        all.insert_str(0, &before.unwrap_or_default());
    }
    let lines: Vec<&str> = all.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(wish.lines)).try_for_each(|line| say(line, out))?;
    if !wish.follow {
        return Ok(());
    }
    let mut enough = std::pin::pin!(tokio::signal::ctrl_c());
    let mut half = String::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _signal = &mut enough => return Ok(()),
        }
        let length = fs::metadata(&path).map_or(0, |about| about.len());
        if length < at {
            // Another file stands in its place now; what came in between is in the one before it.
            at = 0;
        }
        if length == at {
            continue;
        }
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|mut file| {
            file.seek(SeekFrom::Start(at))?;
            file.take(PIECE).read_to_end(&mut bytes)
        });
        at += u64::try_from(read.map_err(bad)?).unwrap_or_default();
        half.push_str(&String::from_utf8_lossy(&bytes));
        while let Some((line, rest)) = half.split_once('\n') {
            say(line, out)?;
            half = rest.to_owned();
        }
    }
}

fn say(line: &str, out: Output) -> Result<(), CommandError> {
    out.either(&Line { line }, || printable(line))
}
