//! Codex through its app-server: the unmodified command of its vendor, **one process per Codex home** for all sessions.
//!
//! ```text
//!  codex app-server ── Link ── Switchboard ─┬─ Lane ── Pump ── events of session 1      Driver 1 ─┐
//!   one process        one      sorts lines ├─ Lane ── Pump ── events of session 2      Driver 2 ─┼─▶ one writer
//!   (Child)            reader   by thread   └─ Lane ── Pump ── events of session 3      Driver 3 ─┘
//! ```
//!
//! * **Slow sessions.** The reader never waits for a session: it puts a line into the lane of its thread and reads on. A lane is bounded
//!   ([`lane`]): words that stream are joined and then left out (an item's settled content is whole again), and a session that
//!   is megabytes behind is cut off, in a state that people see. Only its own pump waits for a session. Writes are bounded in time by
//!   the link; answers that a session waits for do not go through its lane.
//! * **Ends.** Ten seconds after the last session the process is closed. When it dies, every lane ends: each session closes
//!   what is open and tells `Exited`, and the next prompt opens a new process and `thread/resume`s, with its permission mode
//!   given again, because Codex does not keep its sandbox. A session that is left, closed or dropped, has its turn stopped, its
//!   commands ended and its thread let go; if Codex does not obey, the whole process is ended.
//! * **Reaping.** The process carries a tag below that of the host, and every session that uses it records its mark as a shared one;
//!   so it is found after our own death whichever sessions are left, and the end of one session is not that of the others. Commands end with their session; one
//!   that has left its process group (`setsid`) cannot be told from those of other sessions, and ends with the process.
//! * **What Codex leaves open.** It settles no items when a turn is interrupted or a stream cut, and lets commands run on: the
//!   mapper closes or abandons those items, and ends those commands. It waits for a network for ever: the pump gives up.

mod asks;
mod catalogue;
mod codec;
mod driver;
mod home;
mod items;
mod lane;
mod mapper;
mod presets;
mod pump;
mod questions;
mod switchboard;
#[cfg(test)]
mod tests;
mod turns;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::host::{AgentEntry, AgentState};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::codec::Call;
use self::driver::{Change, CodexDriver};
use self::home::{Place, Seat, Shared};
use self::mapper::CodexMapper;
use self::presets::Preset;
use self::pump::{Known, Pump, known};
use self::switchboard::Switchboard;
use super::hidden::Hidden;
use super::link::{Link, Refusal};
use super::words::list;
use super::{Agent, AgentEvent, DriveError, EVENT_QUEUE, Later, OpenError, OpenSpec, Opened, ProcessMark};
use crate::process::{Child, Environment, SpawnSpec, tag_below};

/// Longest that Codex may take for one step of its start: 0.4 s when warm, some seconds right after its installation (measured).
const STEP: Duration = Duration::from_secs(20);
/// Longest that a probe takes, in all (the seam promises 10 s).
const PROBE: Duration = Duration::from_secs(9);
/// How long a good and a bad answer to a probe are believed.
const BELIEVED: Duration = Duration::from_mins(10);
const DOUBTED: Duration = Duration::from_secs(5);
/// Most pages of models that are read; all known ones are on the first.
const PAGES: usize = 5;

/// How long Codex may wait for the network before its turn fails; by itself it waits for ever.
pub const NETWORK_PATIENCE: Duration = Duration::from_mins(2);

/// How Codex is run.
#[derive(Debug, Clone)]
pub struct CodexOptions {
    /// What commands name it by; `codex` as a rule.
    pub id: String,
    /// The program: a name that is looked for in the `PATH` of the environment, or a path.
    pub program: OsString,
    /// All that it knows of our environment; `HOME` or `CODEX_HOME` in it names the home.
    pub environment: Environment,
    /// Arguments that its person configured, after ours.
    pub extra_args: Vec<OsString>,
    /// Whether modes that never ask may be offered and chosen.
    pub allow_bypass: bool,
    /// Where the process runs: a directory without a project, such as the data directory. Each session names its own.
    pub cwd: PathBuf,
    /// How long a turn may wait for the network; [`NETWORK_PATIENCE`] as a rule.
    pub network_patience: Duration,
}

/// Codex, as a kind of agent.
#[derive(Debug)]
pub struct CodexAgent {
    options: CodexOptions,
    place: Place,
    /// Held while a process is started, so that there is one.
    starting: tokio::sync::Mutex<()>,
    /// The tag of the host, by which the next life of this host finds what is below it.
    above: Mutex<Option<String>>,
    probed: Mutex<Option<(Instant, AgentEntry)>>,
}

impl CodexAgent {
    /// An agent that was not looked for yet.
    pub fn new(options: CodexOptions) -> Self {
        let (place, starting) = (Place::default(), tokio::sync::Mutex::default());
        Self { options, place, starting, above: Mutex::default(), probed: Mutex::default() }
    }

    fn program(&self) -> String {
        self.options.program.to_string_lossy().into_owned()
    }

    fn failed(&self, detail: impl Into<String>) -> OpenError {
        OpenError::Failed { program: self.program(), detail: detail.into() }
    }

    fn not_now(&self, detail: impl Into<String>) -> OpenError {
        OpenError::NotNow { program: self.program(), detail: detail.into() }
    }

    fn refused(&self, refusal: Refusal) -> OpenError {
        self.failed(refusal.message)
    }

    /// A seat in the process of this home, which is started if it is not there; and whether it is a fresh one. Dropping the future
    /// leaves no process.
    async fn seat(&self, tag: &str) -> Result<(Seat, bool), OpenError> {
        let _one = self.starting.lock().await;
        if let Some(seat) = home::join(&self.place) {
            return Ok((seat, false));
        }
        let found = self.options.environment.find(&self.options.program);
        let program = found.ok_or_else(|| OpenError::NotFound { program: self.program() })?;
        let shown = program.to_string_lossy().into_owned();
        let mut args: Vec<OsString> = vec!["app-server".into()];
        args.extend(self.options.extra_args.iter().cloned());
        let above = self.above.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let spec = SpawnSpec {
            program,
            args,
            cwd: self.options.cwd.clone(),
            environment: self.options.environment.clone(),
            tag: tag_below(above.as_deref().unwrap_or(tag)),
        };
        let child = Child::spawn(&spec).map_err(|error| self.not_now(error.to_string()))?;
        let mark = child.mark().clone();
        let (tell, events) = mpsc::channel(EVENT_QUEUE);
        let link =
            Link::start(child, Switchboard::default(), tell).ok_or_else(|| self.not_now("its pipes are gone"))?;
        link.hide(Hidden::of(&self.options.environment));
        let (id, first) = link.with(|board| board.request(&codec::initialize(env!("CARGO_PKG_VERSION"))));
        let hello = match link.request(id, first, STEP).await {
            Ok(hello) => hello.map_err(|refusal| self.refused(refusal))?,
            // What it wrote to stderr is known once it is gone.
            Err(DriveError::Died { detail }) => {
                return Err(self.not_now(link.ended(Duration::from_secs(10)).await.unwrap_or(detail)));
            }
            // One that says nothing for so long would keep its person waiting three times as long.
            Err(error) => return Err(self.failed(error.to_string())),
        };
        link.write(codec::INITIALIZED.to_owned()).await.map_err(|error| self.not_now(error.to_string()))?;
        Ok((Shared::begin(&self.place, link, mark, catalogue::version(&hello), shown, events), true))
    }

    async fn ask(&self, seat: &Seat, call: &Call) -> Result<Result<Value, Refusal>, OpenError> {
        seat.request(call, STEP).await.map_err(|error| self.failed(error.to_string()))
    }

    /// A process that does not answer, or cannot be spoken to, serves nobody else; and a fresh one may do better.
    fn given_up(&self, seat: &Seat, fresh: bool, error: OpenError) -> OpenError {
        let OpenError::Failed { program, detail } = error else { return error };
        seat.shared.retire(&self.place);
        // One that says nothing from the start would keep its person waiting three times as long.
        if fresh { OpenError::Failed { program, detail } } else { OpenError::NotNow { program, detail } }
    }

    /// What Codex says of its login.
    async fn account(&self, seat: &Seat) -> Result<Value, OpenError> {
        let call = Call { method: "account/read", params: json!({ "refreshToken": false }) };
        // An account that cannot be looked at is not a missing one: a turn will tell.
        Ok(self.ask(seat, &call).await?.unwrap_or_default())
    }

    async fn start(&self, spec: OpenSpec, begin: Begin) -> Result<Opened, OpenError> {
        let preset = self.preset(spec.mode.as_deref())?;
        let (mut seat, fresh) = self.seat(&spec.tag).await?;
        let account = self.account(&seat).await.map_err(|error| self.given_up(&seat, fresh, error))?;
        if let Some(how) = catalogue::missing_login(&account) {
            return Err(OpenError::LoggedOut { program: self.program(), detail: how.to_owned() });
        }
        // Not before: what Codex says of its account is of no use there.
        seat.record.clone_from(&spec.lines);
        let cwd = spec.cwd.to_string_lossy().into_owned();
        let opened = seat.open_thread(&thread_call(&spec, &cwd, preset, begin), STEP).await;
        let opened = opened.map_err(|error| self.given_up(&seat, fresh, self.failed(error.to_string())))?;
        let result = match (opened, &spec.resume) {
            (Ok(result), _) => result,
            (Err(refusal), Some(session)) if refusal.message.contains("no rollout found") => {
                return Err(OpenError::NotSaved { program: self.program(), session: session.clone() });
            }
            (Err(refusal), Some(_)) if refusal.message.contains("active writer") => {
                return Err(self.failed("this conversation is open in another Codex on this machine; close it there"));
            }
            (Err(refusal), _) => return Err(self.refused(refusal)),
        };
        let mut mapper = CodexMapper::new(seat.number, &cwd);
        mapper.opened(&result);
        let never_asks = presets::reported(&result).is_some_and(|preset| preset.id == presets::FULL_ACCESS);
        let mapper: Known = Arc::new(Mutex::new(mapper));
        // The plan mode is no part of a thread's beginning. And what a person set for their own terminal holds there: from afar it
        // is asked, unless this host allows otherwise.
        let mode = match preset {
            Some(preset) if preset.plan => Some(preset.id),
            None if never_asks && !self.options.allow_bypass => Some("auto"),
            _ => None,
        };
        let change = Change { model: None, mode, effort: spec.effort.as_deref() };
        if change.mode.is_some() || change.effort.is_some() {
            let what = change.mode.map_or_else(
                || format!("effort `{}`", change.effort.unwrap_or_default()),
                |mode| format!("mode `{mode}`"),
            );
            let changed = driver::change(&seat, &mapper, change).await;
            changed.map_err(|error| OpenError::Option { what, detail: error.to_string() })?;
        }
        Ok(self.run(seat, mapper))
    }

    fn preset(&self, mode: Option<&str>) -> Result<Option<&'static Preset>, OpenError> {
        let Some(mode) = mode else { return Ok(None) };
        let preset =
            presets::find(mode).filter(|preset| self.options.allow_bypass || preset.id != presets::FULL_ACCESS);
        let missing =
            || OpenError::Option { what: format!("mode `{mode}`"), detail: "Codex has no such mode here".to_owned() };
        preset.map(Some).ok_or_else(missing)
    }

    fn run(&self, seat: Seat, mapper: Known) -> Opened {
        let (tell, events) = mpsc::channel(EVENT_QUEUE);
        let first = {
            let mapper = known(&mapper);
            [AgentEvent::Session { agent_session: mapper.thread.clone() }, mapper.options()]
        };
        for event in first {
            // The queue is empty: its pump is not there yet.
            let _: Result<(), _> = tell.try_send(event);
        }
        let process = Some(ProcessMark { shared: true, ..seat.shared.mark.clone() });
        let (seat, stop) = (Arc::new(seat), CancellationToken::new());
        let pump = Pump {
            seat: Arc::clone(&seat),
            mapper: Arc::clone(&mapper),
            events: tell,
            stop: stop.clone(),
            patience: self.options.network_patience,
        };
        let pump = tokio::spawn(pump.run());
        Opened { driver: Box::new(CodexDriver::new(seat, mapper, pump, stop)), events, process, entry: None }
    }

    async fn look(&self, tag: &str) -> AgentEntry {
        *self.above.lock().unwrap_or_else(PoisonError::into_inner) = Some(tag.to_owned());
        if let Some((at, entry)) = &*self.probed.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < if entry.state == AgentState::Ready { BELIEVED } else { DOUBTED }
        {
            return entry.clone();
        }
        let bare = |state, hint| catalogue::entry(&self.options.id, state, hint);
        let entry = match timeout(PROBE, self.look_in_time(tag)).await {
            Ok(Ok(entry)) => entry,
            Ok(Err(OpenError::NotFound { .. })) => bare(AgentState::Missing, Some(catalogue::INSTALL.to_owned())),
            Ok(Err(error)) => self.broken(error.to_string()),
            Err(_) => self.broken(format!("`{}` takes too long to start", self.program())),
        };
        *self.probed.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), entry.clone()));
        entry
    }

    fn broken(&self, hint: String) -> AgentEntry {
        let mut entry = catalogue::entry(&self.options.id, AgentState::Broken, Some(hint));
        let found = self.options.environment.find(&self.options.program);
        entry.health.program = found.map(|program| program.to_string_lossy().into_owned());
        entry
    }

    async fn look_in_time(&self, tag: &str) -> Result<AgentEntry, OpenError> {
        let (seat, _) = self.seat(tag).await?;
        let mut entry = catalogue::entry(&self.options.id, AgentState::Ready, None);
        entry.version.clone_from(&seat.shared.version);
        entry.modes = presets::choices(self.options.allow_bypass);
        let account = self.account(&seat).await?;
        if let Some(how) = catalogue::missing_login(&account) {
            (entry.state, entry.hint) = (AgentState::LoggedOut, Some(how.to_owned()));
        }
        entry.health.program = Some(seat.shared.program.clone());
        entry.health.tested = Some(catalogue::tested(entry.version.as_deref()));
        entry.health.login = catalogue::login(&account);
        let (mut cursor, mut models) = (Value::Null, Vec::new());
        for _ in 0..PAGES {
            let call = Call { method: "model/list", params: json!({ "cursor": cursor }) };
            let page = self.ask(&seat, &call).await?.map_err(|refusal| self.refused(refusal))?;
            models.extend_from_slice(list(&page, "data"));
            cursor = page.get("nextCursor").cloned().unwrap_or_default();
            if cursor.is_null() {
                break;
            }
        }
        catalogue::offer(&mut entry, &models);
        Ok(entry)
    }
}

/// What becomes of the thread that is named.
enum Begin {
    /// It goes on; a new one begins where none is named.
    On,
    /// Another one begins with what it holds: up to the end of a turn, or all of it.
    Fork(Option<String>),
}

/// The request that begins a thread, or goes on with one: its sandbox and its approvals are given each time.
fn thread_call(spec: &OpenSpec, cwd: &str, preset: Option<&Preset>, begin: Begin) -> Call {
    let mut params = json!({ "cwd": cwd });
    if let Some(model) = &spec.model {
        params["model"] = json!(model);
    }
    if let Some(preset) = preset {
        params["approvalPolicy"] = json!(preset.approval);
        params["sandbox"] = json!(preset.sandbox);
    }
    match &spec.resume {
        Some(thread) => {
            params["excludeTurns"] = json!(true);
            match begin {
                Begin::On => codec::of_thread("thread/resume", thread, params),
                Begin::Fork(last) => {
                    params["lastTurnId"] = json!(last);
                    codec::of_thread("thread/fork", thread, params)
                }
            }
        }
        None => Call { method: "thread/start", params },
    }
}

impl Agent for CodexAgent {
    fn id(&self) -> &str {
        &self.options.id
    }

    fn begin(&self, tag: &str) {
        *self.above.lock().unwrap_or_else(PoisonError::into_inner) = Some(tag.to_owned());
    }

    fn end(&self) -> Later<'_, ()> {
        Box::pin(async {
            let shared = home::look(&self.place).take();
            if let Some(shared) = shared {
                shared.link.shut().await;
            }
        })
    }

    fn probe<'a>(&'a self, tag: &'a str) -> Later<'a, AgentEntry> {
        Box::pin(self.look(tag))
    }

    fn open(&self, spec: OpenSpec) -> Later<'_, Result<Opened, OpenError>> {
        Box::pin(self.start(spec, Begin::On))
    }

    fn fork(&self, spec: OpenSpec, place: Option<String>) -> Later<'_, Result<Opened, OpenError>> {
        Box::pin(self.start(spec, Begin::Fork(place)))
    }
}
