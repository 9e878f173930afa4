//! What there is to compare with: the disk and the agent, with nothing in between.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::Failure;
use crate::measure::{Spread, now_ms, stamps};

/// One thread that appends and syncs.
pub(crate) fn disk(folder: &Path, times: usize) -> Result<Spread, Failure> {
    let mut file = std::fs::File::create(folder.join("floor"))?;
    let mut took = Vec::new();
    for _ in 0..times {
        let begun = std::time::Instant::now();
        file.write_all(&[b'x'; 300])?;
        file.sync_data()?;
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(Spread::of(took))
}

/// What a bare pipe takes.
pub(crate) struct Pipe {
    pub(crate) ages: Spread,
    pub(crate) prompts: Spread,
}

/// Drives the agent directly over its pipes.
pub(crate) async fn pipe(agent: &Path, (words, pause): (usize, u64)) -> Result<Pipe, Failure> {
    let mut child =
        tokio::process::Command::new(agent).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut input = child.stdin.take().ok_or("no stdin")?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
    let (mut ages, mut prompts) = (Vec::new(), Vec::new());
    for id in 0..5 {
        let prompt = [json!({ "type": "text", "text": format!("{} {pause}", words / 5) })];
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": "session/prompt", "params": { "sessionId": "stamps", "prompt": prompt } });
        let sent = now_ms();
        input.write_all(format!("{request}\n").as_bytes()).await?;
        let mut first = true;
        while let Some(line) = lines.next_line().await? {
            let read = now_ms();
            let message: Value = serde_json::from_str(&line)?;
            if message.get("id").is_some() {
                break;
            }
            let text = message["params"]["update"]["content"]["text"].as_str().unwrap_or_default();
            for stamp in stamps(text) {
                if first {
                    prompts.push(stamp - sent);
                } else {
                    ages.push(read - stamp);
                }
                first = false;
            }
        }
    }
    drop(input);
    child.wait().await?;
    Ok(Pipe { ages: Spread::of(ages), prompts: Spread::of(prompts) })
}
