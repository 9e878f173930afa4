//! The real agents of their vendors: what Towline adds to each, against the same fake model server and in turn.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::measure::{Spread, row};
use crate::node::{Node, Setup};
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
    for (name, variable) in [("claude", "TOWLINE_TEST_CLAUDE"), ("codex", "TOWLINE_TEST_CODEX")] {
        match crate::path(variable) {
            Ok(program) => one(towline, folder, name, &program).await?,
            Err(error) => println!("{name} is left out: {error}"),
        }
    }
    Ok(())
}

/// The variables with which an agent talks to the fake model server.
fn variables(name: &str, url: &str, home: &Path) -> Result<Vec<(String, String)>, Failure> {
    std::fs::create_dir_all(home)?;
    let at = home.display().to_string();
    let all: &[(&str, &str)] = if name == "claude" {
        &[
            ("ANTHROPIC_BASE_URL", url),
            ("ANTHROPIC_API_KEY", "sk-ant-dummy-for-the-fake-model-server"),
            ("CLAUDE_CONFIG_DIR", &at),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ("DISABLE_AUTOUPDATER", "1"),
        ]
    } else {
        let config = format!(
            "model = \"gpt-5.5\"\nmodel_provider = \"fake\"\ncheck_for_update_on_startup = false\n[model_providers.fake]\n\
             name = \"Fake\"\nbase_url = \"{url}/v1\"\nwire_api = \"responses\"\nenv_key = \"FAKE_MODEL_KEY\"\n\
             [analytics]\nenabled = false\n"
        );
        std::fs::write(home.join("config.toml"), config)?;
        &[("CODEX_HOME", &at), ("FAKE_MODEL_KEY", "sk-dummy-for-the-fake-model-server")]
    };
    Ok(all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
async fn one(towline: &Path, folder: &Path, name: &str, program: &PathBuf) -> Result<(), Failure> {
    let model = Model::start().await?;
    let variables = variables(name, &model.url, &folder.join(format!("{name}-home")))?;
    let programs = folder.join(format!("{name}-programs"));
    std::fs::create_dir_all(&programs)?;
    std::os::unix::fs::symlink(program, programs.join(name))?;
    let (cwd, data) = (folder.join("project"), folder.join(format!("{name}-data")));
    let setup = Setup { data: &data, folder, programs: Some(&programs), args: &[], variables: &variables };
    let node = Node::start(towline, &setup).await?;
    // It asks its agents what they offer when it starts.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let before = node.usage(Duration::from_secs(1)).await?;
    let (mut firsts, mut ages, mut ours, mut our_ages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let said = match name {
            "claude" => direct::claude(program, &cwd, &variables, PROMPT).await?,
            _ => direct::codex(program, &cwd, &variables, PROMPT).await?,
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
