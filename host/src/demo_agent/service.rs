//! The protocol's side: sessions, and one prompt at a time in each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::limits::MAX_AGENT_LINE_BYTES;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::desk::{Desk, write_lines};
use super::history::{History, Shelf};
use super::player::{Player, Stage, Stop};
use super::{DemoError, DemoOptions, script, words};
use crate::process::{Line, Lines, fresh_tag};

/// Modes and models: what is sent, what is shown, what it is.
const MODES: [(&str, &str, &str); 2] =
    [("ask", "Ask", "Asks before it writes a file"), ("accept-edits", "Accept edits", "Writes files without asking")];
const MODELS: [(&str, &str, &str); 2] =
    [("thoughtful", "Thoughtful", "Thinks aloud and makes a plan"), ("quick", "Quick", "Answers at once")];

#[derive(Debug)]
struct Session {
    cwd: PathBuf,
    mode: String,
    model: String,
    history: History,
    allowed: bool,
    running: Option<CancellationToken>,
}

#[derive(Debug)]
struct Service {
    desk: Desk,
    shelf: Shelf,
    version: String,
    sessions: Arc<Mutex<BTreeMap<String, Session>>>,
    prompts: Vec<AbortOnDropHandle<()>>,
}

/// A refusal: code and words (JSON-RPC 2.0 §5.1, and ACP's own).
type Refused = (i64, String);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads until stdin ends.
pub(super) async fn serve(
    stdin: impl AsyncRead + Unpin + Send,
    stdout: impl AsyncWrite + Unpin + Send + 'static,
    options: DemoOptions,
) -> Result<(), DemoError> {
    let (desk, queue) = Desk::new();
    let mut writer = AbortOnDropHandle::new(tokio::spawn(write_lines(stdout, queue)));
    let die = desk.die.clone();
    let mut service = Service {
        desk,
        shelf: Shelf::new(options.state),
        version: options.version,
        sessions: Arc::default(),
        prompts: Vec::new(),
    };
    let mut lines = Lines::new(BufReader::new(stdin), MAX_AGENT_LINE_BYTES);
    loop {
        let line = tokio::select! {
            biased;
            () = die.cancelled() => return Err(DemoError::Died),
            ended = &mut writer => {
                ended.map_err(std::io::Error::other)??;
                return Ok(());
            }
            line = lines.next() => line?,
        };
        match line {
            None => break,
            Some(Line::Text(line)) => match serde_json::from_str::<Value>(&line) {
                Ok(message) => service.take(message).await,
                Err(_) => service.refuse(&Value::Null, (-32700, "this is no JSON".to_owned())).await,
            },
            Some(Line::TooLong { .. }) => {
                service.refuse(&Value::Null, (-32600, "this line is too long".to_owned())).await;
            }
        }
    }
    // What was answered is written before the end; prompts that run are dropped.
    drop(service);
    writer.await.map_err(std::io::Error::other)??;
    Ok(())
}

impl Service {
    async fn refuse(&self, id: &Value, (code, message): Refused) {
        self.desk.write(json!({ "id": id, "error": { "code": code, "message": message } })).await;
    }

    async fn take(&mut self, message: Value) {
        let id = message.get("id").filter(|id| !id.is_null());
        let params = message.get("params").unwrap_or(&Value::Null);
        match (message.get("method").and_then(Value::as_str), id) {
            (None, Some(id)) => self.desk.answered(id, message.get("result").cloned().unwrap_or_default()),
            (Some("session/cancel"), _) => {
                let sessions = locked(&self.sessions);
                if let Some(running) = sessions.get(session_of(params)).and_then(|session| session.running.as_ref()) {
                    running.cancel();
                }
            }
            (Some("session/prompt"), Some(id)) => {
                if let Err(refused) = self.prompt(id.clone(), params) {
                    self.refuse(id, refused).await;
                }
            }
            (Some("session/load"), Some(id)) => self.load(id, params).await,
            (Some(method), Some(id)) => match self.simple(method, params) {
                Ok(result) => self.desk.write(json!({ "id": id, "result": result })).await,
                Err(refused) => self.refuse(id, refused).await,
            },
            (_, None) => {}
        }
    }

    fn simple(&self, method: &str, params: &Value) -> Result<Value, Refused> {
        match method {
            "initialize" => Ok(json!({
                "protocolVersion": 1,
                "agentCapabilities": { "loadSession": true, "promptCapabilities": { "image": true } },
                "agentInfo": { "name": "towline-demo", "title": "Demo agent", "version": self.version },
                "authMethods": [],
            })),
            "session/new" => {
                let id = fresh_tag("demo");
                let session = Session::new(cwd_of(params)?, History::default());
                // Saved at once: a session that was begun can be gone on with.
                self.save(&id, &session.history)?;
                let options = session.options();
                locked(&self.sessions).insert(id.clone(), session);
                Ok(json!({ "sessionId": id, "configOptions": options }))
            }
            "session/set_config_option" => self.configure(params),
            _ => Err((-32601, format!("there is no `{method}`"))),
        }
    }

    fn save(&self, id: &str, history: &History) -> Result<(), Refused> {
        self.shelf.save(id, history).map_err(|error| (-32603, format!("the conversation cannot be kept: {error}")))
    }

    fn configure(&self, params: &Value) -> Result<Value, Refused> {
        let (option, value) =
            (params["configId"].as_str().unwrap_or_default(), params["value"].as_str().unwrap_or_default());
        let mut sessions = locked(&self.sessions);
        let session = sessions.get_mut(session_of(params)).ok_or_else(unknown_session)?;
        match option {
            "mode" if MODES.iter().any(|(id, ..)| *id == value) => value.clone_into(&mut session.mode),
            "model" if MODELS.iter().any(|(id, ..)| *id == value) => value.clone_into(&mut session.model),
            _ => return Err((-32602, format!("`{option}` cannot be `{value}`"))),
        }
        Ok(json!({ "configOptions": session.options() }))
    }

    async fn load(&self, id: &Value, params: &Value) {
        let session_id = session_of(params).to_owned();
        let loaded =
            cwd_of(params).and_then(|cwd| Ok((cwd, self.shelf.load(&session_id).ok_or_else(unknown_session)?)));
        let (cwd, history) = match loaded {
            Ok(loaded) => loaded,
            Err(refused) => return self.refuse(id, refused).await,
        };
        for exchange in &history.exchanges {
            for (kind, text) in [("user_message_chunk", &exchange.prompt), ("agent_message_chunk", &exchange.answer)] {
                self.desk
                    .update(&session_id, json!({ "sessionUpdate": kind, "content": { "type": "text", "text": text } }))
                    .await;
            }
        }
        let session = Session::new(cwd, history);
        let options = session.options();
        locked(&self.sessions).insert(session_id, session);
        self.desk.write(json!({ "id": id, "result": { "configOptions": options } })).await;
    }

    fn prompt(&mut self, id: Value, params: &Value) -> Result<(), Refused> {
        let session_id = session_of(params).to_owned();
        let blocks = params["prompt"].as_array().map_or(&[][..], Vec::as_slice);
        let prompt = blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n");
        let cancel = CancellationToken::new();
        let (stage, steps, turn) = {
            let mut sessions = locked(&self.sessions);
            let session = sessions.get_mut(&session_id).ok_or_else(unknown_session)?;
            if session.running.is_some() {
                return Err((-32600, "a prompt runs already".to_owned()));
            }
            session.running = Some(cancel.clone());
            let stage = Stage {
                session: session_id.clone(),
                cwd: session.cwd.clone(),
                accepts_edits: session.allowed || session.mode == "accept-edits",
                quick: session.model == "quick",
            };
            let mut steps = script::understand(&prompt, &session.history);
            if let Some(seen) = words::seen(blocks) {
                steps.insert(0, script::Step::Say(seen));
            }
            (stage, steps, session.history.exchanges.len() + 1)
        };
        let mut player = Player::new(self.desk.clone(), stage, cancel, turn);
        let desk = self.desk.clone();
        let kept_sessions = Arc::clone(&self.sessions);
        let keeper = self.shelf.clone();
        let task = async move {
            let stop = player.play(steps).await;
            let kept = {
                let mut sessions = locked(&kept_sessions);
                sessions.get_mut(&session_id).map_or(Ok(()), |session| {
                    session.running = None;
                    session.allowed |= player.allowed_always;
                    session.history.remember(&prompt, &player.said);
                    keeper.save(&session_id, &session.history)
                })
            };
            let count = |text: &str| text.split_whitespace().count();
            let message = match kept {
                Err(error) => {
                    json!({ "id": id, "error": { "code": -32603, "message": format!("the conversation cannot be kept: {error}") } })
                }
                Ok(()) => json!({ "id": id, "result": {
                    "stopReason": if stop == Stop::Cancelled { "cancelled" } else { "end_turn" },
                    "usage": { "inputTokens": count(&prompt), "outputTokens": count(&player.said), "totalTokens": count(&prompt) + count(&player.said) },
                } }),
            };
            desk.write(message).await;
        };
        self.prompts.retain(|running| !running.is_finished());
        self.prompts.push(AbortOnDropHandle::new(tokio::spawn(task)));
        Ok(())
    }
}

impl Session {
    fn new(cwd: PathBuf, history: History) -> Self {
        Self { cwd, mode: MODES[0].0.to_owned(), model: MODELS[0].0.to_owned(), history, allowed: false, running: None }
    }

    fn options(&self) -> Value {
        let select = |id: &str, name: &str, current: &str, choices: &[(&str, &str, &str)]| {
            let options: Vec<Value> = choices
                .iter()
                .map(|(value, name, description)| json!({ "value": value, "name": name, "description": description }))
                .collect();
            json!({ "id": id, "name": name, "category": id, "type": "select", "currentValue": current, "options": options })
        };
        json!([select("mode", "Mode", &self.mode, &MODES), select("model", "Model", &self.model, &MODELS)])
    }
}

fn session_of(params: &Value) -> &str {
    params.get("sessionId").and_then(Value::as_str).unwrap_or_default()
}

fn cwd_of(params: &Value) -> Result<PathBuf, Refused> {
    let cwd = params.get("cwd").and_then(Value::as_str).map(PathBuf::from).filter(|cwd| cwd.is_absolute());
    cwd.ok_or_else(|| (-32602, "`cwd` must be an absolute path".to_owned()))
}

fn unknown_session() -> Refused {
    (-32002, "there is no such session".to_owned())
}
