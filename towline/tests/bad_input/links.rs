//! The door of paths: what is swapped for a link between two looks. Whatever a link leads to, nothing is read or written there.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use protocol::id::SessionId;
use serde_json::{Value, json};

use crate::canary::Canary;
use crate::http::{Ask, ID, ask, command, exchange, get};
use crate::row::Outcome;
use crate::world::{PATIENCE, World};

struct Talk<'a> {
    canary: &'a Canary,
    host: String,
    project: String,
    sent: u64,
}

impl Talk<'_> {
    fn say(&self, ask: &Ask) -> Value {
        let text = String::from_utf8(exchange(&self.canary.address(), &ask.bytes(self.canary))).unwrap();
        text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok()).unwrap_or_default()
    }

    /// Sends a command, and waits for its end: the state, and the code of what failed.
    fn done(&mut self, body: &Value) -> (String, bool) {
        self.sent += 1;
        let id = crate::row::command_id(0xd000, self.sent);
        self.say(&command(json!({"id": id, "host": self.host, "ttlMs": null, "body": body}).to_string()));
        let until = Instant::now() + PATIENCE;
        loop {
            let ack = self.say(&get(format!("/v1/commands/{id}")));
            let state = ack["state"].as_str().unwrap_or("not there");
            if !["queued", "leased", "running"].contains(&state) || Instant::now() > until {
                let code = ack["error"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
                return (format!("{state}{code}"), ack["detail"].is_string());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn start(&mut self, session: &str, text: &str) -> (String, bool) {
        let content = json!({"title": null, "text": text, "attachments": []});
        self.done(&json!({"kind": "start_session", "session": session, "project": self.project, "agent": "demo", "model": null, "mode": null, "content": content}))
    }

    fn prompt(&mut self, session: &str, text: &str, files: &Value) -> (String, bool) {
        self.done(&json!({"kind": "send_prompt", "session": session, "content": {"text": text, "attachments": files}}))
    }

    /// Uploads a text.
    fn file(&self, text: &str) -> Value {
        let begin = json!({"name": "tide.txt", "mediaType": "text/plain", "sizeBytes": text.len()});
        let upload = self.say(&ask("POST /v1/uploads").body(begin.to_string()));
        let path = format!("PATCH /v1/uploads/{}", upload["upload"].as_str().unwrap());
        let blob = self.say(&ask(&path).header("Upload-Offset: 0").body(text))["blob"].clone();
        json!([{"blob": blob["sha256"], "name": "tide.txt", "mediaType": "text/plain", "sizeBytes": text.len()}])
    }

    /// How the newest turn of a session ended, and whether it says why.
    fn turn(&self, session: &str) -> (String, bool) {
        let until = Instant::now() + PATIENCE;
        loop {
            let page = self.say(&get(format!("/v1/sessions/{session}/transcript?limit=50")));
            let facts = page["facts"].as_array().cloned().unwrap_or_default();
            let turns = facts.iter().filter(|fact| fact["type"] == "turn").map(|fact| fact["value"].clone());
            let newest = turns.max_by_key(|turn| turn["ord"].as_u64()).unwrap_or_default();
            let state = newest["state"].as_str().unwrap_or("not there").to_owned();
            if ["completed", "failed", "interrupted"].contains(&state.as_str()) || Instant::now() > until {
                let code = newest["error"]["code"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
                return (
                    format!("turn {state}{code}"),
                    state == "completed" || newest["content"]["detail"].is_string(),
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn row(&self, input: &str, wanted: &str, told: (String, bool), untouched: Result<(), String>) -> Outcome {
        let unharmed = self.canary.unharmed().and(untouched);
        Outcome { input: input.to_owned(), wanted: wanted.to_owned(), got: told.0, next_step: told.1, unharmed }
    }
}

/// Whether nothing came into a directory.
fn untouched(place: &Path) -> Result<(), String> {
    let found: Vec<_> = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect();
    if found.is_empty() { Ok(()) } else { Err(format!("behind the link there is now {found:?}")) }
}

pub(crate) fn rows() -> Vec<Outcome> {
    let world = World::new();
    let swapped = world.home().join("swapped");
    std::fs::create_dir(&swapped).unwrap();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let canary = Canary::sing(&world, &node);
    let added = world.run(&["projects", "add", swapped.to_str().unwrap(), "--json"]);
    let added: Value = serde_json::from_str(&added.out).unwrap_or_else(|_| panic!("{added:?}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let host = runtime.block_on(canary.api().me()).unwrap().host.unwrap().to_string();
    let project = added["project"].as_str().unwrap().to_owned();
    let mut talk = Talk { canary: &canary, host, project, sent: 0 };
    let session = format!("ses_{ID}");
    assert_eq!(talk.start(&session, "[[rate 1]] [[say Tide.]]").0, "succeeded");

    // Copies of files: the folder of the session, then the folder of one file, lead elsewhere.
    let elsewhere = world.folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let files = world.data().join("files");
    let of_session = files.join(&session);
    std::fs::create_dir_all(&files).unwrap();
    symlink(&elsewhere, &of_session).unwrap();
    let attached = talk.file("high water at noon");
    talk.prompt(&session, "[[say x]]", &attached);
    let told = talk.turn(&session);
    let mut rows =
        vec![talk.row("a folder of copies that became a link", "turn failed agent_error", told, untouched(&elsewhere))];
    std::fs::remove_file(&of_session).unwrap();
    std::fs::create_dir(&of_session).unwrap();
    let folder = of_session.join(&attached[0]["blob"].as_str().unwrap()[..16]);
    symlink(&elsewhere, &folder).unwrap();
    talk.prompt(&session, "[[say x]]", &attached);
    let told = talk.turn(&session);
    rows.push(talk.row(
        "a folder of one copy that became a link",
        "turn failed agent_error",
        told,
        untouched(&elsewhere),
    ));
    // A link in the place of the copy itself, and of what it is written as first: both are replaced, and not followed.
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    let secret = world.folder.path().join("secret");
    std::fs::write(&secret, "as it was").unwrap();
    symlink(&secret, folder.join("tide.txt")).unwrap();
    symlink(&secret, folder.join("tide.part")).unwrap();
    talk.prompt(&session, "[[rate 1]] [[say x]]", &attached);
    let told = talk.turn(&session);
    let kept = || std::fs::read_to_string(&secret).unwrap() == "as it was";
    let copied = std::fs::read_to_string(folder.join("tide.txt")).is_ok_and(|text| text == "high water at noon");
    let harm = if kept() && copied { Ok(()) } else { Err("the link was followed, or nothing was copied".to_owned()) };
    rows.push(talk.row("a copy that became a link", "turn completed", told, harm));

    // The project's directory, between its registration and a prompt.
    std::fs::remove_dir_all(&swapped).unwrap();
    symlink(&elsewhere, &swapped).unwrap();
    let unavailable = "failed project_unavailable";
    let fresh: SessionId = "ses_019b76daa80073038303030303030304".parse().unwrap();
    let told = talk.start(&fresh.to_string(), "[[rate 1]] [[write a.txt x]]");
    rows.push(talk.row("a project that became a link, a new session", unavailable, told, untouched(&elsewhere)));
    assert_eq!(node.stop().0, Some(0));
    // The agent of the first session was loaded in the directory that was there; after a start it is not.
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let canary = canary.at(node.url(), std::fs::read_to_string(world.data().join("local.token")).unwrap().trim());
    let mut talk = Talk { canary: &canary, ..talk };
    let told = talk.prompt(&session, "[[rate 1]] [[write a.txt x]]", &json!([]));
    rows.push(talk.row(
        "a project that became a link, a session that goes on",
        unavailable,
        told,
        untouched(&elsewhere),
    ));
    std::fs::remove_file(&swapped).unwrap();
    symlink(world.home(), &swapped).unwrap();
    let told = talk.prompt(&session, "[[rate 1]] [[write b.txt x]]", &json!([]));
    let at_home = if world.home().join("b.txt").exists() { Err("it was written".to_owned()) } else { Ok(()) };
    rows.push(talk.row("a project that became a link to the home directory", unavailable, told, at_home));
    assert_eq!(node.stop().0, Some(0));
    rows
}
