//! The door of the disk while a node runs: it fills, and there is room again. The disk is a small tmpfs in a mount namespace of the
//! node's own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use protocol::id::{CommandId, SessionId};
use serde_json::{Value, json};

use crate::canary::Canary;
use crate::http::{Ask, ask, command, exchange, get};
use crate::row::Outcome;
use crate::world::{PATIENCE, World};

/// What the disk holds, in MiB: the store of the canary, and a little more.
const SIZE: usize = 16;

/// A node on a disk of its own.
struct Node {
    child: Child,
    /// Its data directory, seen from here.
    data: PathBuf,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a node with a copy of a data directory on a small disk; its address. `None` where the system makes no namespaces.
fn up(world: &World, good: &Path) -> Option<(Node, String)> {
    let may = Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status().is_ok_and(|it| it.success());
    if !may {
        return None;
    }
    let data = world.data();
    let script = format!(
        "mount -t tmpfs -o mode=700,size={SIZE}m none {0} && cp -a {1}/. {0}/ && exec \"$0\" \"$@\"",
        data.display(),
        good.display()
    );
    let starter = ["unshare", "-rm", "/bin/sh", "-c", &script];
    let mut command = world.command_by(&starter, &["up", "--json", "--no-open", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let seen = PathBuf::from(format!("/proc/{}/root{}", child.id(), data.display()));
    Some((Node { child, data: seen }, ready["localUrl"].as_str().unwrap().to_owned()))
}

/// Fills what is left.
fn fill(node: &Node) {
    let mut filler = std::fs::File::options().create(true).append(true).open(node.data.join("filler")).unwrap();
    for piece in [1 << 20, 4_096, 1] {
        while filler.write_all(&vec![0; piece]).is_ok() {}
    }
}

struct Talk<'a> {
    canary: &'a Canary,
    host: String,
    sent: u64,
}

impl Talk<'_> {
    fn say(&self, ask: &Ask) -> (u16, Value) {
        let text = String::from_utf8(exchange(&self.canary.address(), &ask.bytes(self.canary))).unwrap();
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        (status, text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok()).unwrap_or_default())
    }

    /// Sends a prompt with many words, which need room.
    fn prompt(&mut self, session: SessionId, text: &str) -> (String, u16, Value) {
        self.sent += 1;
        let id = crate::row::command_id(0xc000, self.sent);
        let body = json!({"kind": "send_prompt", "session": session, "content": {"text": text, "attachments": []}});
        let request = json!({"id": id, "host": self.host, "ttlMs": 3_600_000, "body": body});
        let (status, answer) = self.say(&command(request.to_string()));
        (id, status, answer)
    }

    fn outcome(&self, input: &str, wanted: &str, got: String, next_step: bool) -> Outcome {
        Outcome { input: input.to_owned(), wanted: wanted.to_owned(), got, next_step, unharmed: self.canary.unharmed() }
    }

    /// How a command has ended.
    fn end(&self, id: &str) -> String {
        let id: CommandId = id.parse().unwrap();
        let until = Instant::now() + PATIENCE * 2;
        loop {
            let (_, ack) = self.say(&get(format!("/v1/commands/{id}")));
            let state = ack["state"].as_str().unwrap_or("not there").to_owned();
            if !["queued", "leased", "running"].contains(&state.as_str()) || Instant::now() > until {
                return state;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn told(status: u16, answer: &Value) -> (String, bool) {
    let code = answer["code"].as_str().unwrap_or("taken");
    (format!("{status} {code}"), status == 200 || answer["hint"].as_str().is_some_and(|hint| !hint.is_empty()))
}

/// Rows of a disk that fills while the node runs, and has room again.
pub(crate) fn rows() -> Vec<Outcome> {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let canary = Canary::sing(&world, &node);
    let other = world.run(&["send", "--agent", "demo", "--follow", "[[rate 1]] [[say Ebb.]]"]);
    let other: SessionId = other.err.trim().parse().unwrap();
    assert_eq!(node.stop().0, Some(0));
    let good = world.folder.path().join("good");
    assert!(Command::new("cp").arg("-a").arg(world.data()).arg(&good).status().unwrap().success());
    let Some((mut node, url)) = up(&world, &good) else {
        println!("disk: no mount namespaces here, so not tried: a disk that fills while the node runs");
        return Vec::new();
    };
    let token = std::fs::read_to_string(node.data.join("local.token")).unwrap().trim().to_owned();
    let canary = canary.at(&url, &token);
    let host = canary.api();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let host = runtime.block_on(host.me()).unwrap().host.unwrap().to_string();
    let mut talk = Talk { canary: &canary, host, sent: 0 };

    // A turn that goes on meanwhile: it says a word each few milliseconds, for some seconds.
    let (running, status, answer) = talk.prompt(other, "[[rate 8]] [[words 600]] [[say Flood.]]");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(talk.end(&running), "succeeded", "the turn has begun");
    fill(&node);
    // What room the store still has within its files is used up by prompts that are taken, and those count.
    let mut accepted = Vec::new();
    let words = "high tide ".repeat(12_000);
    let until = Instant::now() + PATIENCE;
    let (status, answer) = loop {
        let (id, status, answer) = talk.prompt(other, &words);
        if status != 200 || Instant::now() > until {
            break (status, answer);
        }
        accepted.push(id);
        fill(&node);
    };
    let (got, next_step) = told(status, &answer);
    let mut rows = vec![talk.outcome("a prompt on a disk that has filled", "507 disk_full", got, next_step)];
    let begin =
        ask("POST /v1/uploads").body(json!({"name": "a", "mediaType": "text/plain", "sizeBytes": 9}).to_string());
    let (status, answer) = talk.say(&begin);
    let (got, next_step) = told(status, &answer);
    rows.push(talk.outcome("a file on a disk that has filled", "507 disk_full", got, next_step));
    let (status, _) = talk.say(&get("/v1/lists"));
    rows.push(talk.outcome("somebody who reads on a disk that has filled", "200", status.to_string(), true));
    // Longer than the turn would have taken: it waits for room, and nothing that it says is thrown away.
    std::thread::sleep(Duration::from_secs(3));
    let up = node.child.try_wait().unwrap().map_or_else(|| "up".to_owned(), |status| status.to_string());
    rows.push(talk.outcome("a node on a disk that stays full", "up", up, true));

    std::fs::remove_file(node.data.join("filler")).unwrap();
    let until = Instant::now() + PATIENCE;
    let (last, status, answer) = loop {
        let (id, status, answer) = talk.prompt(other, "[[rate 1]] [[say Flow.]]");
        if status == 200 || Instant::now() > until {
            break (id, status, answer);
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let (got, _) = told(status, &answer);
    rows.push(talk.outcome("a prompt when there is room again", "200 taken", got, true));
    accepted.push(last);
    let ends: Vec<String> = accepted.iter().map(|id| talk.end(id)).filter(|state| state != "succeeded").collect();
    let got = if ends.is_empty() {
        "all succeeded".to_owned()
    } else {
        format!("{} of {}: {ends:?}", ends.len(), accepted.len())
    };
    rows.push(talk.outcome("prompts that were taken before and while it was full", "all succeeded", got, true));
    let until = Instant::now() + PATIENCE * 2;
    let said = loop {
        let lines = canary.lines_of(other).unwrap();
        let has = |word: &str| lines.iter().any(|line| line.contains(word));
        if (has("Flood.") && has("Flow.")) || Instant::now() > until {
            break if has("Flood.") { "said to its end" } else { "cut" };
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    rows.push(talk.outcome("a turn that spoke while it was full", "said to its end", said.to_owned(), true));
    let pid = rustix::process::Pid::from_child(&node.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = node.child.wait().unwrap();
    assert_eq!(ended.code(), Some(0));
    rows
}
