//! The real program, started for a bench.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use client::{Api, Dialer, Remote};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::Failure;

/// Longest wait for the ready line, and for the end.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a node is started with.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// Its data directory, and its home.
    pub(crate) data: &'a Path,
    pub(crate) folder: &'a Path,
    /// Where programs of agents are looked for before the system's.
    pub(crate) programs: Option<&'a Path>,
    /// Further arguments.
    pub(crate) args: &'a [String],
    /// What its agents may know besides.
    pub(crate) variables: &'a [(String, String)],
}

/// A running node.
pub(crate) struct Node {
    child: tokio::process::Child,
    url: String,
    credential: String,
}

/// What a process uses.
pub(crate) struct Usage {
    pub(crate) pss_mb: f64,
    pub(crate) cpu_s: f64,
}

impl Node {
    pub(crate) async fn start(program: &Path, setup: &Setup<'_>) -> Result<Self, Failure> {
        let Setup { data, folder, programs, args, variables } = *setup;
        let path = programs.map_or_else(String::new, |programs| format!("{}:", programs.display()));
        let mut child = tokio::process::Command::new(program)
            .args(["up", "--json", "--no-open", "--listen", "127.0.0.1:0"])
            .args(args)
            .args(variables.iter().flat_map(|(name, _)| ["--agent-env", name.as_str()]))
            .arg("--data-dir")
            .arg(data)
            .arg("--project")
            .arg(folder.join("project"))
            .env_clear()
            .env("PATH", format!("{path}/usr/local/bin:/usr/bin:/bin"))
            .env("HOME", folder)
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await??.ok_or("no ready line")?;
        let ready: Value = serde_json::from_str(&line)?;
        let url = ready["url"].as_str().ok_or("no url in the ready line")?.to_owned();
        let credential = std::fs::read_to_string(data.join("local.token"))?.trim().to_owned();
        Ok(Self { child, url, credential })
    }

    pub(crate) fn remote(&self) -> Result<Remote, Failure> {
        Ok(Remote::new(&self.url, Some(self.credential.clone()), Dialer::tcp())?)
    }

    pub(crate) fn api(&self) -> Result<Api, Failure> {
        Ok(Api::new(self.remote()?))
    }

    /// Memory now, and processor time over a while, of the program without its agents.
    pub(crate) async fn usage(&self, over: Duration) -> Result<Usage, Failure> {
        let before = self.cpu()?;
        tokio::time::sleep(over).await;
        let cpu_s = self.cpu()? - before;
        let rollup = std::fs::read_to_string(self.proc("smaps_rollup")?)?;
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss")?;
        let kilobytes: f64 = pss.trim().trim_end_matches("kB").trim().parse()?;
        Ok(Usage { pss_mb: kilobytes / 1024.0, cpu_s })
    }

    fn cpu(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(self.proc("stat")?)?;
        let (_, after) = stat.rsplit_once(") ").ok_or("an odd stat")?;
        let ticks: Vec<f64> = after.split(' ').skip(11).take(2).filter_map(|word| word.parse().ok()).collect();
        // USER_HZ is 100 on every Linux that this runs on.
        Ok(ticks.iter().sum::<f64>() / 100.0)
    }

    fn proc(&self, file: &str) -> Result<PathBuf, Failure> {
        let pid = self.child.id().ok_or("the program has ended")?;
        Ok(PathBuf::from(format!("/proc/{pid}/{file}")))
    }

    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        let pid = self.child.id().ok_or("the program has ended")?.to_string();
        tokio::process::Command::new("kill").arg(pid).status().await?;
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await??;
        if status.success() { Ok(()) } else { Err(format!("the program ended with {status}").into()) }
    }
}
