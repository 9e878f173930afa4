//! Whether Claude Code can be started, and what it offers; asked of the CLI itself and remembered for a while.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use protocol::host::{AgentEntry, AgentState};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::mapper::ClaudeMapper;
use super::{ClaudeAgent, catalogue, initialize};
use crate::agent::hidden::Hidden;
use crate::agent::link::Link;
use crate::process::{Line, Tail, tag_below};

/// Longest that a probe takes, in all (the seam promises 10 s).
const PROBE: Duration = Duration::from_secs(9);
/// How long a good answer is believed.
const BELIEVED: Duration = Duration::from_mins(10);
/// How long a bad answer is believed: somebody is installing or logging in.
const DOUBTED: Duration = Duration::from_secs(5);
/// Longest line of `--help`, in bytes, and most lines that are read.
const HELP_LINE_BYTES: usize = 16 * 1024;
const HELP_LINES: usize = 2000;

/// A remembered answer.
#[derive(Debug)]
pub(super) struct Probed {
    entry: AgentEntry,
    at: Instant,
}

impl ClaudeAgent {
    /// The last answer, when it was asked.
    pub(super) fn known(&self) -> Option<AgentEntry> {
        let probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        probed.as_ref().map(|probed| probed.entry.clone())
    }

    pub(super) async fn look(&self, tag: &str) -> AgentEntry {
        if let Some(entry) = self.remembered() {
            return entry;
        }
        let entry = self.ask(tag).await;
        let mut probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        *probed = Some(Probed { entry: entry.clone(), at: Instant::now() });
        entry
    }

    fn remembered(&self) -> Option<AgentEntry> {
        let probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        let probed = probed.as_ref()?;
        let believed = if probed.entry.state == AgentState::Ready { BELIEVED } else { DOUBTED };
        (probed.at.elapsed() < believed).then(|| probed.entry.clone())
    }

    async fn ask(&self, tag: &str) -> AgentEntry {
        let id = &self.options.id;
        let Ok(program) = self.find() else {
            return catalogue::entry(id, AgentState::Missing, Some(catalogue::INSTALL.to_owned()));
        };
        let broken = |said: &str| {
            let hint = format!("`{}` does not answer: {said}", self.options.program.to_string_lossy());
            let mut entry = catalogue::entry(id, AgentState::Broken, Some(hint));
            entry.health.program = Some(program.to_string_lossy().into_owned());
            entry
        };
        match timeout(PROBE, self.ask_in_time(&program, tag)).await {
            Ok(Ok(entry)) => entry,
            Ok(Err(said)) => broken(&said),
            Err(_) => broken("it takes too long"),
        }
    }

    async fn ask_in_time(&self, program: &Path, tag: &str) -> Result<AgentEntry, String> {
        let version = self.output(program, "--version", tag).await?;
        let version = version.split_whitespace().next().unwrap_or_default();
        if !version.starts_with(|digit: char| digit.is_ascii_digit()) {
            return Err("it tells no version".to_owned());
        }
        let mut entry = catalogue::entry(&self.options.id, AgentState::Ready, None);
        entry.version = Some(version.to_owned());
        entry.health.program = Some(program.to_string_lossy().into_owned());
        entry.modes = catalogue::modes(&self.output(program, "--help", tag).await?, self.options.allow_bypass);

        let args = [
            "-p",
            "--input-format",
            "stream-json",
            "--output-format",
            "stream-json",
            "--verbose",
            "--no-session-persistence",
        ];
        let args: Vec<OsString> = args.map(OsString::from).to_vec();
        let child = self
            .spawn(PathBuf::from(program), args, self.options.probe_cwd.clone(), &tag_below(tag))
            .map_err(|error| error.to_string())?;
        let (events, _ignored) = mpsc::channel(16);
        let mapper = ClaudeMapper::new("", false);
        let link = Link::start(child, mapper, events).ok_or_else(|| "its pipes are gone".to_owned())?;
        link.hide(Hidden::of(&self.options.environment));
        let initialized = initialize(&link).await.map_err(|error| error.to_string());
        link.close().await;
        catalogue::fill(&mut entry, &initialized?);
        Ok(entry)
    }

    /// What the program prints when it is called with one flag.
    async fn output(&self, program: &Path, flag: &str, tag: &str) -> Result<String, String> {
        let mut child = self
            .spawn(PathBuf::from(program), vec![flag.into()], self.options.probe_cwd.clone(), &tag_below(tag))
            .map_err(|error| error.to_string())?;
        drop(child.take_stdin());
        let mut all = String::new();
        if let Some(mut lines) = child.take_lines(HELP_LINE_BYTES) {
            for _ in 0..HELP_LINES {
                match lines.next().await {
                    Ok(Some(Line::Text(line))) => {
                        all.push_str(&line);
                        all.push('\n');
                    }
                    Ok(Some(Line::TooLong { .. })) => {}
                    Ok(None) | Err(_) => break,
                }
            }
        }
        let status = child.exited().await.map_err(|error| error.to_string())?;
        if status.success() {
            return Ok(all);
        }
        child.hear_out().await;
        Err(said(&child.tail(), status))
    }
}

fn said(tail: &Tail, status: std::process::ExitStatus) -> String {
    let words = tail.text();
    words.lines().find(|line| !line.trim().is_empty()).map_or_else(|| status.to_string(), str::to_owned)
}
