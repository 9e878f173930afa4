//! The real agents of their vendors: what Towline adds to each, against the same fake model server and in turn.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::measure::{Spread, row};
use crate::node::{Node, Setup};
use crate::vendor::{self, Setting, Spoken, VENDORS, Vendor};
use crate::{Failure, direct, through};

/// Rounds of each way.
const ROUNDS: u8 = 5;
/// What the model answers: a word every 25 ms, slower than the frame of the host, so that no word waits for another.
const PROMPT: &str = "[[rate 25]] [[stamps 100]]";

/// A fake model server.
struct Model {
    // Ends with it.
    _child: tokio::process::Child,
    url: String,
}

impl Model {
    async fn start() -> Result<Self, Failure> {
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/fake-model/server.mjs");
        let mut child = tokio::process::Command::new("node")
            .arg(server)
            .args(["--port", "0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
        let ready = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await??.ok_or("no fake model")?;
        let ready: Value = serde_json::from_str(&ready)?;
        Ok(Self { _child: child, url: format!("http://127.0.0.1:{}", ready["port"]) })
    }
}

/// Measures every agent whose program a variable names; says which are left out.
#[expect(clippy::print_stdout, reason = "its output is what it is for")]
pub(crate) async fn run(towline: &Path, folder: &Path) -> Result<(), Failure> {
    for vendor in VENDORS {
        match vendor.program() {
            Ok(program) => one(towline, &folder.join(vendor.name), vendor, &program).await?,
            Err(error) => println!("{} is left out: {error}", vendor.name),
        }
    }
    Ok(())
}

/// `folder` is the agent's own: its home, with a project in it.
#[expect(clippy::print_stdout, reason = "its output is what it is for")]
async fn one(towline: &Path, folder: &Path, vendor: &Vendor, program: &PathBuf) -> Result<(), Failure> {
    let name = vendor.name;
    let (cwd, data, programs) = (folder.join("project"), folder.join("data"), folder.join("programs"));
    for made in [&cwd, &programs] {
        std::fs::create_dir_all(made)?;
    }
    let model = Model::start().await?;
    let Setting { command, variables } = vendor::prepare(vendor, program, &model.url, folder)?;
    let args = match vendor.spoken {
        Spoken::Acp => vec!["--acp-agent".to_owned(), format!("{name}={}", command.join(" "))],
        Spoken::Claude | Spoken::Codex => {
            std::os::unix::fs::symlink(program, programs.join(name))?;
            Vec::new()
        }
    };
    let setup = Setup { data: &data, folder, programs: Some(&programs), args: &args, variables: &variables };
    let node = Node::start(towline, &setup).await?;
    // It asks its agents what they offer when it starts: that is not to be in the way.
    through::offered(&node, name).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = node.usage(Duration::from_secs(1)).await?;
    let (mut firsts, mut ages, mut ours, mut our_ages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = direct::Start { command: &command, home: folder, cwd: &cwd, variables: &variables };
        let said = match vendor.spoken {
            Spoken::Claude => direct::claude(&start, PROMPT).await?,
            Spoken::Codex => direct::codex(&start, PROMPT).await?,
            Spoken::Acp => direct::acp(&start, PROMPT).await?,
        };
        firsts.push(said.first);
        ages.extend(said.ages);
        let (first, through) = through::first(&node, name, PROMPT).await?;
        ours.push(first);
        our_ages.extend(through);
    }
    let after = node.usage(Duration::from_secs(1)).await?;
    let (firsts, ages) = (Spread::of(firsts), Spread::of(ages));
    row(&format!("{name} alone: start of the process to its first word"), &firsts, None);
    row(&format!("{name}: prompt sent to its first word, new session"), &Spread::of(ours), Some(&firsts));
    row(&format!("{name} alone: the model's word to its pipe"), &ages, None);
    row(&format!("{name}: the model's word to the client's socket"), &Spread::of(our_ages), Some(&ages));
    let each = (after.pss_mb - before.pss_mb) / f64::from(ROUNDS);
    println!("{name}: {each:.2} MB PSS of towline per live session ({ROUNDS} of them)");
    node.stop().await
}
