//! An ACP agent that says only what time it is, for benches: the prompt `COUNT PAUSE_US` is answered by the Unix time in microseconds at
//! which it was read, and then by COUNT words, each the time at which it was written.
//!
//! It is deliberately not the demo agent: nothing in it but a read, a clock and a write, so that what is measured is the way between.
#![expect(clippy::disallowed_methods, reason = "an example is its own edge, and this one is about the clock")]

use std::io::{BufRead, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

fn micros() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
}

fn line(out: &mut impl Write, message: &Value) -> std::io::Result<()> {
    writeln!(out, "{message}")?;
    out.flush()
}

fn say(out: &mut impl Write, session: &str, text: &str) -> std::io::Result<()> {
    let update = json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } });
    line(
        out,
        &json!({ "jsonrpc": "2.0", "method": "session/update", "params": { "sessionId": session, "update": update } }),
    )
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for input in std::io::stdin().lock().lines() {
        let input = input?;
        let read = micros();
        let Ok(message) = serde_json::from_str::<Value>(&input) else { continue };
        let Some(id) = message.get("id").filter(|_| message.get("method").is_some()) else { continue };
        let result = match message["method"].as_str() {
            Some("initialize") => json!({ "protocolVersion": 1, "agentCapabilities": {}, "authMethods": [] }),
            Some("session/new") => json!({ "sessionId": "stamps" }),
            Some("session/prompt") => {
                let text = message["params"]["prompt"][0]["text"].as_str().unwrap_or_default();
                let mut numbers = text.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
                let (count, pause) = (numbers.next().unwrap_or(1).min(100_000), numbers.next().unwrap_or(0));
                say(&mut out, "stamps", &format!("{read} "))?;
                for _ in 0..count {
                    std::thread::sleep(Duration::from_micros(pause));
                    say(&mut out, "stamps", &format!("{} ", micros()))?;
                }
                json!({ "stopReason": "end_turn" })
            }
            _ => json!({}),
        };
        line(&mut out, &json!({ "jsonrpc": "2.0", "id": id, "result": result }))?;
    }
    Ok(())
}
