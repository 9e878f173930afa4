//! A person with a client: starts a session, prompts, cancels, answers, and watches all sessions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use client::socket::{Options, RequestError};
use client::{Api, FollowError, Remote, SessionFollow, Socket};
use protocol::approval::ApprovalState;
use protocol::command::{AnswerContent, CommandBody, CommandRequest, PromptContent, StartContent};
use protocol::error::ErrorCode;
use protocol::id::{ApprovalId, CommandId, SessionId};
use protocol::path::StreamPath;
use protocol::time::Clock;
use sim::{Dice, PORT, SimClock, dialer};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::NODE;
use super::actor::ACTOR;
use super::desk::{Desk, Sent, Setup};

/// Commands that each person sends, besides answers.
const COMMANDS: u64 = 14;

#[derive(Clone)]
struct Person {
    who: String,
    seed: u64,
    desk: Desk,
    setup: Setup,
    clock: Arc<SimClock>,
    api: Api,
    socket: Socket,
}

/// Waits until the node was up for the first time.
pub(crate) async fn setup(desk: &Desk) -> Setup {
    loop {
        if let Some(setup) = desk.pages().setup.clone() {
            return setup;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The way to the node for the bearer of the credential.
pub(crate) fn connect(seed: u64, who: &str, credential: &str) -> (Api, Socket) {
    let url = format!("http://{NODE}:{PORT}");
    let remote = Remote::new(&url, Some(credential.to_owned()), dialer()).expect("an address");
    let seed = Dice::new(seed, who).draw();
    let options = Options { client: who.to_owned(), first_pause: Duration::from_millis(500), seed };
    (Api::new(remote.clone()), Socket::open(remote, options))
}

pub(crate) async fn run(number: usize, who: String, seed: u64, desk: Desk) -> turmoil::Result {
    let setup = setup(&desk).await;
    let (api, socket) = connect(seed, &who, &setup.credentials[number]);
    let clock = Arc::new(SimClock::new(seed, &who));
    let person = Person { who, seed, desk, setup, clock, api, socket };
    let mut tasks = JoinSet::new();
    tasks.spawn(person.clone().speak());
    let mut followed = BTreeSet::new();
    while !person.desk.is_over() {
        let sessions = person.desk.pages().sessions.clone();
        for session in sessions {
            if followed.insert(session) {
                tasks.spawn(person.clone().follow(session));
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    person.socket.close().await;
    Ok(())
}

impl Person {
    async fn speak(self) {
        let mut dice = Dice::new(self.seed, &format!("{}/speech", self.who));
        let session = SessionId::from_uuid(self.clock.fresh());
        let start = CommandBody::StartSession {
            session,
            project: self.setup.project,
            new_project: false,
            agent: ACTOR.to_owned(),
            model: None,
            mode: None,
            effort: None,
            content: StartContent {
                title: None,
                text: Some(format!("{} begins", self.who)),
                ..StartContent::default()
            },
        };
        self.command(start, None, &mut dice).await;
        self.desk.pages().sessions.push(session);
        let mut last = None;
        for number in 0..COMMANDS {
            let pause = dice.millis(0..8_000);
            sleep(pause).await;
            let sessions = self.desk.pages().sessions.clone();
            let session = *dice.one(&sessions);
            match (dice.within(0..100), last) {
                (0..10, _) => {
                    self.command(CommandBody::CancelTurn { session, turn: None }, None, &mut dice).await;
                }
                (10..15, _) => {
                    let (model, mode) = (None, None);
                    self.command(CommandBody::SetOptions { session, model, mode, effort: None }, None, &mut dice).await;
                }
                (15..25, Some(command)) => {
                    let taken = self.socket.cancel_command(command).await;
                    let how = taken.map(|ack| ack.state).map_err(|error| error.to_string());
                    self.desk.history.note(&self.who, format_args!("takes back {command}: {how:?}"));
                }
                _ => {
                    let ttl = dice.chance(300).then_some(dice.within(1_000..10_000));
                    let content =
                        PromptContent { text: format!("{} says {number}", self.who), attachments: Vec::new() };
                    last = Some(self.command(CommandBody::SendPrompt { session, content }, ttl, &mut dice).await);
                }
            }
        }
        self.desk.pages().spoke += 1;
    }

    /// Sends a command until the hub has said what it thinks of it.
    async fn command(&self, body: CommandBody, ttl_ms: Option<u64>, dice: &mut Dice) -> CommandId {
        let id = CommandId::from_uuid(self.clock.fresh());
        self.desk.pages().sent.insert(id, Sent { body: body.clone(), outcome: None });
        let request = CommandRequest { id, host: self.setup.host, ttl_ms, retry_of: None, body };
        let outcome = loop {
            match self.socket.command(request.clone()).await {
                Ok(ack) => {
                    assert_eq!(ack.command, id);
                    self.desk
                        .history
                        .note(&self.who, format_args!("{id} {:?} is {:?}", request.body.kind(), ack.state));
                    break Ok(());
                }
                // After a broken disk nobody knows what became of it, as after silence: the same command again is safe.
                Err(RequestError::Problem(problem)) if is_final(problem.code) => {
                    self.desk
                        .history
                        .note(&self.who, format_args!("{id} {:?}: {:?}", request.body.kind(), problem.code));
                    break Err(problem.code);
                }
                Err(RequestError::Closed(why)) => panic!("{} was thrown out: {why}", self.who),
                Err(error) => self.desk.history.note(&self.who, format_args!("{id} again: {error}")),
            }
            let pause = dice.millis(100..2_000);
            sleep(pause).await;
        };
        if let Some(sent) = self.desk.pages().sent.get_mut(&id) {
            sent.outcome = Some(outcome);
        }
        id
    }

    /// Watches a session until the world is over and everything of it has been seen.
    async fn follow(self, session: SessionId) {
        let mut dice = Dice::new(self.seed, &format!("{}/{session}", self.who));
        let mut tried = BTreeSet::new();
        loop {
            match self.watch(session, &mut dice, &mut tried).await {
                Ok(()) => break,
                // The making of the session may still wait for its host; and a page may be asked for in vain.
                Err(FollowError::Page(error)) => {
                    self.desk.history.note(&self.who, format_args!("no page: {error}"));
                }
                Err(error) => panic!("{} cannot follow {session}: {error}", self.who),
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    async fn watch(
        &self,
        session: SessionId,
        dice: &mut Dice,
        tried: &mut BTreeSet<ApprovalId>,
    ) -> Result<(), FollowError> {
        let mut follow = SessionFollow::open(self.api.clone(), &self.socket, session, true).await?;
        let journal = StreamPath::journal(session);
        loop {
            match timeout(Duration::from_secs(1), follow.next()).await {
                Ok(update) => drop(update?),
                Err(_) if self.desk.is_over() => {
                    let (tail, _) = self.desk.tail(&journal).expect("a session has a journal");
                    if follow.tail() == tail {
                        break;
                    }
                }
                Err(_) => {}
            }
            let open = follow.transcript().approvals().into_iter().find_map(|(id, approval)| {
                (approval.state == ApprovalState::Pending && !tried.contains(&id))
                    .then(|| (id, approval.content.shown.clone()))
            });
            if let Some((approval, shown)) = open {
                // Meanwhile nobody reads here, as with every slow reader.
                let thought = dice.millis(0..5_000);
                sleep(thought).await;
                tried.insert(approval);
                let option = (*dice.one(&["yes", "no"])).to_owned();
                let content = AnswerContent { shown: Some(shown), ..AnswerContent::default() };
                let answer = CommandBody::AnswerApproval { session, approval, option, content };
                self.command(answer, None, dice).await;
            }
            if dice.chance(5) {
                // A client that is closed and opened again.
                follow = SessionFollow::open(self.api.clone(), &self.socket, session, true).await?;
            }
        }
        self.desk.pages().copies.insert((self.who.clone(), session), follow.transcript().canonical());
        Ok(())
    }
}

/// Whether a refusal says that nothing was taken.
fn is_final(code: ErrorCode) -> bool {
    !code.is_retryable() && code != ErrorCode::StoreBroken
}
