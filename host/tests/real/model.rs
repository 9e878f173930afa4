//! The fake model server of a test, and what the environment says of the real agents.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::process::{Child, Environment, Line, Lines, OrphanReaper, SpawnSpec, adopt_orphans, fresh_tag};
use tokio::io::BufReader;
use tokio::process::ChildStdout;
use tokio::time::timeout;

use crate::talk::LONG;

#[expect(clippy::disallowed_methods, reason = "the test stands in for towline, which reads the environment")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The program that a variable names; says that the test is skipped when it names none.
pub(crate) fn program(variable_name: &str) -> Option<OsString> {
    let program = variable(variable_name);
    if program.is_none() {
        println!("skipped: {variable_name} does not name a program");
    }
    program
}

/// An environment with nothing in it but where programs are.
pub(crate) fn environment() -> Environment {
    Environment::cleaned(variable("PATH").map(|path| ("PATH".into(), path)))
}

/// A model server on a port of its own. It takes in what agents leave behind for as long as it lives.
pub(crate) struct FakeModel {
    child: Child,
    /// Where it listens, such as `http://127.0.0.1:40123`.
    pub(crate) url: String,
    log: PathBuf,
    // Its pipe must live as long as the server.
    _stdout: Lines<BufReader<ChildStdout>>,
    _orphans: OrphanReaper,
}

impl FakeModel {
    /// Starts one that writes its log into a folder.
    pub(crate) async fn start(folder: &Path) -> Self {
        let orphans = adopt_orphans().unwrap();
        let environment = environment();
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/fake-model/server.mjs");
        let log = folder.join("model.log");
        let mut child = Child::spawn(&SpawnSpec {
            program: environment.find("node".as_ref()).expect("node is in PATH"),
            args: vec![server.into(), "--port".into(), "0".into(), "--log".into(), log.clone().into()],
            cwd: "/".into(),
            environment,
            tag: fresh_tag("fake-model"),
        })
        .unwrap();
        let mut stdout = child.take_lines(10_000).unwrap();
        let Ok(Ok(Some(Line::Text(line)))) = timeout(LONG, stdout.next()).await else { panic!("no fake model") };
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let url = format!("http://127.0.0.1:{}", ready["port"]);
        Self { child, url, log, _stdout: stdout, _orphans: orphans }
    }

    /// What was typed in the conversation of which the model was asked last.
    pub(crate) fn typed(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap();
        let lines = log.lines().rev().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let asked = lines.filter(|line| line["event"] == "request" && line["side"] == false).find_map(|line| {
            let typed = line["typed"].as_array()?;
            Some(typed.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect())
        });
        asked.unwrap()
    }

    /// Ends it.
    pub(crate) async fn end(self) {
        self.child.end(Duration::ZERO, Duration::from_secs(2)).await.unwrap();
    }
}
