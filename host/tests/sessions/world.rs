//! A hub, an agent and a directory, on which hosts live and die.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use host::{Host, HostHandle, Options, Reaper};
use protocol::blob::{Attachment, BlobId};
use protocol::command::{AnswerContent, CommandBody, CommandState, EditContent, PromptContent, StartContent};
use protocol::fact::SessionFact;
use protocol::fold::Transcript;
use protocol::id::{ApprovalId, CommandId, ProjectId, SessionId, TurnId};
use protocol::path::StreamPath;
use protocol::time::{Clock, UnixMs};
use protocol::turn::TurnState;
use tokio::sync::Notify;

use crate::port::{Hub, Port, State, sender, v7};
use crate::puppet::{Puppet, Stage};

/// Time stands still but for what is asked of it; ids are numbers.
#[derive(Debug, Default)]
pub(crate) struct Ticks(AtomicU64);

impl Ticks {
    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Ticks {
    fn now(&self) -> UnixMs {
        UnixMs(1_000 + self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn fresh(&self) -> uuid::Uuid {
        v7(1_000_000 + self.0.fetch_add(1, Ordering::SeqCst))
    }
}

pub(crate) struct World {
    pub(crate) hub: Arc<Hub>,
    pub(crate) stage: Arc<Stage>,
    pub(crate) options: Options,
    pub(crate) reaped: Arc<Mutex<Vec<host::agent::ProcessMark>>>,
    pub(crate) root: tempfile::TempDir,
    pub(crate) clock: Arc<Ticks>,
    ids: AtomicU64,
    pub(crate) project: Mutex<Option<ProjectId>>,
}

impl World {
    pub(crate) fn new(turns_at_once: usize) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("code")).unwrap();
        let reaped: Arc<Mutex<Vec<_>>> = Arc::default();
        let heap = reaped.clone();
        let options = Options {
            name: "test".into(),
            platform: "test".into(),
            version: "0".into(),
            turns_at_once,
            allowed_roots: vec![root.path().to_owned()],
            projects_root: Some(root.path().join("new")),
            home: Some(root.path().canonicalize().unwrap()),
            files_dir: Some(root.path().join("files")),
            lines_dir: Some(root.path().join("lines")),
            agent_idle: Duration::from_mins(10),
            bypass_modes_allowed: false,
            participants: host::Participants::Ask,
            policy_file: Some(root.path().join("policy.toml")),
            approval_expiry: None,
            quiet_after: Duration::from_mins(2),
            silence_limit: None,
            tonight: host::Tonight::new(|now| now.plus_ms(3_600_000)),
            probe_every: Duration::from_hours(1),
            stop_budget: Duration::from_secs(10),
            threads: true,
            reaper: Reaper::new(move |marks| {
                heap.lock().unwrap().extend(marks);
                Box::pin(async {})
            }),
        };
        let (hub, stage) = (Arc::default(), Arc::default());
        let (clock, ids) = (Arc::default(), AtomicU64::new(100));
        Self { hub, stage, options, reaped, root, clock, ids, project: Mutex::new(None) }
    }

    /// What the reaper was told to end, in all lives.
    pub(crate) fn left(&self) -> Vec<host::agent::ProcessMark> {
        self.reaped.lock().unwrap().clone()
    }

    pub(crate) fn port(&self, fuel: i64, written: bool) -> Arc<Port> {
        self.port_on(fuel, written, false)
    }

    pub(crate) fn port_on(&self, fuel: i64, written: bool, slow: bool) -> Arc<Port> {
        Arc::new(Port { hub: self.hub.clone(), fuel: AtomicI64::new(fuel), written, slow, cut: Notify::new() })
    }

    pub(crate) async fn start(&self) -> HostHandle {
        self.start_on(self.port(i64::MAX, false)).await
    }

    pub(crate) async fn start_on(&self, port: Arc<Port>) -> HostHandle {
        let agent = Arc::new(Puppet { stage: self.stage.clone() });
        let host = Host::start(port, self.clock.clone(), vec![agent], self.options.clone()).await.unwrap();
        let known = *self.project.lock().unwrap();
        if known.is_none() {
            let project = host.register_project(self.root.path().join("code")).await.unwrap();
            *self.project.lock().unwrap() = Some(project);
        }
        host
    }

    pub(crate) fn fresh(&self) -> uuid::Uuid {
        v7(self.ids.fetch_add(1, Ordering::SeqCst))
    }

    pub(crate) fn command(&self, body: CommandBody) -> CommandId {
        let id = CommandId::from_uuid(self.fresh());
        self.hub.send(id, sender(9), body);
        id
    }

    pub(crate) fn open(&self, text: Option<&str>) -> (SessionId, CommandId) {
        self.open_with(text, None)
    }

    pub(crate) fn open_with(&self, text: Option<&str>, mode: Option<&str>) -> (SessionId, CommandId) {
        let session = SessionId::from_uuid(self.fresh());
        let body = CommandBody::StartSession {
            session,
            project: self.project.lock().unwrap().expect("a host was started"),
            new_project: false,
            agent: "puppet".into(),
            model: None,
            mode: mode.map(str::to_owned),
            effort: None,
            content: StartContent { title: None, text: text.map(str::to_owned), ..StartContent::default() },
        };
        (session, self.command(body))
    }

    /// A session that goes on from another one.
    pub(crate) fn fork(&self, from: SessionId, after: Option<TurnId>, text: Option<&str>) -> (SessionId, CommandId) {
        let session = SessionId::from_uuid(self.fresh());
        let content = StartContent { title: None, text: text.map(str::to_owned), ..StartContent::default() };
        (session, self.command(CommandBody::ForkSession { session, from, after, content }))
    }

    pub(crate) fn prompt(&self, session: SessionId, text: &str) -> CommandId {
        self.command(CommandBody::SendPrompt {
            session,
            content: PromptContent { text: text.into(), attachments: Vec::new() },
        })
    }

    /// A file that somebody has uploaded.
    pub(crate) fn upload(&self, name: &str, bytes: &'static [u8]) -> Attachment {
        let mut digest = [0; 32];
        digest[0] = u8::try_from(self.hub.state().files.len()).unwrap() + 1;
        let blob = BlobId::from_digest(digest);
        self.hub.state().files.insert(blob, bytes.into());
        let media_type = if bytes.starts_with(b"\x89PNG") { "image/png" } else { "text/plain" };
        Attachment { blob, name: name.into(), media_type: media_type.into(), size_bytes: bytes.len() as u64 }
    }

    pub(crate) fn prompt_with(&self, session: SessionId, text: &str, attachments: Vec<Attachment>) -> CommandId {
        self.command(CommandBody::SendPrompt { session, content: PromptContent { text: text.into(), attachments } })
    }

    pub(crate) fn cancel(&self, session: SessionId, turn: Option<TurnId>) -> CommandId {
        self.command(CommandBody::CancelTurn { session, turn })
    }

    pub(crate) fn edit(&self, session: SessionId, turn: TurnId, text: &str) -> CommandId {
        self.command(CommandBody::EditPrompt { session, turn, content: EditContent { text: text.into() } })
    }

    pub(crate) fn move_before(&self, session: SessionId, turn: TurnId, before: Option<TurnId>) -> CommandId {
        self.command(CommandBody::MovePrompt { session, turn, before })
    }

    pub(crate) fn steer(&self, session: SessionId, turn: TurnId) -> CommandId {
        self.command(CommandBody::SteerPrompt { session, turn })
    }

    pub(crate) fn answer(&self, session: SessionId, approval: ApprovalId, option: &str) -> CommandId {
        let shown = self.hub.state().approvals.get(&approval).map(|asked| asked.content.shown.clone());
        self.answer_shown(session, approval, option, shown)
    }

    pub(crate) fn answer_shown(
        &self,
        session: SessionId,
        approval: ApprovalId,
        option: &str,
        shown: Option<String>,
    ) -> CommandId {
        let content = AnswerContent { shown, ..AnswerContent::default() };
        self.command(CommandBody::AnswerApproval { session, approval, option: option.into(), content })
    }

    /// Waits, in the time of the test, until something is so.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&State) -> bool) {
        for _ in 0..30_000 {
            if is(&self.hub.state()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let hub = self.hub.state();
        panic!("never: {what}\n{:#?}\n{:#?}", hub.commands, hub.approvals.values().next_back());
    }

    pub(crate) async fn turn(&self, command: CommandId, state: TurnState) -> TurnId {
        self.until(&format!("{state:?}"), |hub| hub.turn_of(command).is_some_and(|(_, is)| is == state)).await;
        let found = self.hub.state().turn_of(command);
        found.expect("just seen").0
    }

    pub(crate) async fn end(&self, command: CommandId) -> CommandState {
        self.until("the end of a command", |hub| hub.command(command).state.is_final()).await;
        self.hub.state().command(command).state
    }

    /// What a person sees who reads all of it now.
    pub(crate) fn transcript(&self, session: SessionId) -> Transcript {
        let state = self.hub.state();
        let mut fold = Transcript::new();
        let Some(journal) = state.streams.get(&StreamPath::journal(session)) else { return fold };
        for message in &journal.messages {
            fold.journal(SessionFact::parse(message).unwrap());
        }
        for (turn, fact) in state.turns.iter().filter(|(_, fact)| fact.session == session) {
            let Some(stream) = state.streams.get(&StreamPath::turn(*turn)) else { continue };
            let mut at = 0;
            for message in &stream.messages {
                if at >= fact.low_water.map_or(0, |low| low.byte) {
                    fold.live(*turn, SessionFact::parse(message).unwrap());
                }
                at += message.len() as u64;
            }
        }
        fold
    }

    pub(crate) fn words(count: u64) -> String {
        (0..count).flat_map(|word| [word.to_string(), " ".to_owned()]).collect()
    }

    pub(crate) fn texts(&self, session: SessionId) -> Vec<String> {
        let said = |item: &protocol::item::Item| match &item.content {
            protocol::item::ItemContent::Text { text } => Some(text.clone()),
            _ => None,
        };
        self.transcript(session).items().into_iter().filter_map(|(_, item)| said(item)).collect()
    }

    /// No rule was broken.
    pub(crate) fn sound(&self) {
        assert_eq!(self.hub.state().broken, Vec::<String>::new());
    }
}
