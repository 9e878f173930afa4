//! A hub and a machine that is linked to it: the real program, twice.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use client::socket::{Options, Update};
use client::{Api, Dialer, Remote, Socket};
use protocol::command::{CommandBody, CommandRequest, PromptContent, StartContent};
use protocol::fact::{FeedFact, SessionFact};
use protocol::host::Presence;
use protocol::id::{AccountId, CommandId, DeviceId, ProjectId, SessionId, TurnId};
use protocol::path::StreamPath;
use protocol::socket::From;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::Failure;
use crate::measure::{now_ms, stamps};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the socket told of one turn; Unix times in milliseconds.
pub(crate) struct Told {
    /// When the agent had read the prompt.
    pub(crate) read: f64,
    /// When it wrote its first word, and when that came here.
    pub(crate) word: f64,
    pub(crate) heard: f64,
}

pub(crate) struct Yard {
    hub: Child,
    node: Child,
    api: Api,
    socket: Socket,
    pub(crate) port: u16,
    pub(crate) credential: String,
    pub(crate) account: AccountId,
    pub(crate) session: SessionId,
    host: DeviceId,
}

/// The program with a data directory of its own.
struct Place<'a> {
    program: &'a Path,
    folder: &'a Path,
    data: PathBuf,
}

impl Place<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.arg("--data-dir").arg(&self.data).args(args).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.folder).stdin(Stdio::null());
        command.stdout(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Starts what stays, and reads its ready line.
    async fn start(&self, args: &[&str]) -> Result<(Child, Value), Failure> {
        let mut child = self.command(args).stderr(Stdio::null()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await??.ok_or("no ready line")?;
        Ok((child, serde_json::from_str(&line)?))
    }

    /// Runs a command to its end, and gives its first line.
    async fn run(&self, args: &[&str]) -> Result<Value, Failure> {
        let output = tokio::time::timeout(PATIENCE, self.command(args).output()).await??;
        if !output.status.success() {
            return Err(format!("towline {args:?} ended with {}", output.status).into());
        }
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().next().map_or(Ok(Value::Null), serde_json::from_str)?)
    }
}

impl Yard {
    pub(crate) async fn start(program: &Path, agent: &Path, folder: &Path) -> Result<Self, Failure> {
        let there = Place { program, folder, data: folder.join("hub") };
        let here = Place { program, folder, data: folder.join("node") };
        let (hub, ready) = there.start(&["--json", "hub", "--listen", "127.0.0.1:0"]).await?;
        let url = ready["url"].as_str().ok_or("no url")?.to_owned();
        let (agent, project) = (format!("stamps={}", agent.display()), folder.join("project"));
        let project = project.to_str().ok_or("a path that is no text")?;
        let up = ["--json", "up", "--no-open", "--listen", "127.0.0.1:0", "--name", "node"];
        let (node, _) = here.start(&[&up[..], &["--acp-agent", &agent, "--project", project]].concat()).await?;
        let offer = there.run(&["--json", "pair"]).await?;
        let code = offer["code"].as_str().ok_or("no code")?;
        let add = ["--json", "link", "add", &url, "--code", code];
        let allow = async {
            let pairing = offer["pairing"].as_str().ok_or("no pairing")?;
            while there.run(&["--json", "pair", "allow", pairing]).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok::<_, Failure>(())
        };
        tokio::time::timeout(PATIENCE, async { tokio::try_join!(here.run(&add), allow) }).await??;

        let credential = std::fs::read_to_string(there.data.join("local.token"))?.trim().to_owned();
        let remote = Remote::new(&url, Some(credential.clone()), Dialer::tcp())?;
        let api = Api::new(remote.clone());
        let (host, project) = tokio::time::timeout(PATIENCE, online(&api)).await??;
        let options = Options { client: "push".to_owned(), first_pause: Duration::from_millis(100), seed: 1 };
        let socket = Socket::open(remote, options);
        socket.live().await?;
        let account = api.me().await?.account;
        let session = SessionId::from_uuid(uuid::Uuid::now_v7());
        let port = url.rsplit_once(':').ok_or("no port")?.1.trim_end_matches('/').parse()?;
        let yard = Self { hub, node, api, socket, port, credential, account, session, host };
        let content = StartContent::default();
        let (agent, model, mode, effort) = ("stamps".to_owned(), None, None, None);
        yard.send(CommandBody::StartSession {
            session,
            project,
            new_project: false,
            agent,
            model,
            mode,
            effort,
            content,
        })
        .await?;
        let standing = async {
            while yard.api.transcript(session, None, 1).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, standing).await?;
        // The first prompt starts the agent.
        yard.prompt(0).await?.1.await??;
        Ok(yard)
    }

    async fn send(&self, body: CommandBody) -> Result<CommandId, Failure> {
        let id = CommandId::from_uuid(uuid::Uuid::now_v7());
        self.socket.command(CommandRequest { id, host: self.host, ttl_ms: None, retry_of: None, body }).await?;
        Ok(id)
    }

    /// Sends a prompt, and reads its turn over the socket.
    pub(crate) async fn prompt(&self, round: usize) -> Result<(CommandId, JoinHandle<Result<Told, Failure>>), Failure> {
        let tail = self.api.transcript(self.session, None, 1).await?.tail;
        let mut mailbox = self.socket.mailbox(64);
        mailbox.subscribe(StreamPath::journal(self.session), From::Offset(tail)).await?;
        // Its first word comes a little after it has read the prompt; each time another while.
        let text = format!("5 {}", 25_000 + round * 1_000);
        let content = PromptContent { text, attachments: Vec::new() };
        let watching = tokio::spawn(async move { tokio::time::timeout(PATIENCE, told(&mut mailbox)).await? });
        let id = self.send(CommandBody::SendPrompt { session: self.session, content }).await?;
        Ok((id, watching))
    }

    pub(crate) async fn stop(self) -> Result<(), Failure> {
        for mut child in [self.node, self.hub] {
            let pid = child.id().ok_or("it has ended")?.to_string();
            Command::new("kill").arg(pid).status().await?;
            tokio::time::timeout(PATIENCE, child.wait()).await??;
        }
        Ok(())
    }
}

/// Waits until the machine is online with its project.
async fn online(api: &Api) -> Result<(DeviceId, ProjectId), Failure> {
    loop {
        let (mut there, mut project) = (None, None);
        for fact in api.lists().await?.facts {
            match FeedFact::parse(fact.get().as_bytes())? {
                FeedFact::Host { id, value: Some(host), .. } if host.presence == Presence::Online => there = Some(id),
                FeedFact::Project { id, .. } => project = Some(id),
                _ => {}
            }
        }
        if let (Some(there), Some(project)) = (there, project) {
            return Ok((there, project));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn told(mailbox: &mut client::Mailbox) -> Result<Told, Failure> {
    let mut joined: Option<TurnId> = None;
    let (mut words, mut ended): (Vec<(f64, f64)>, bool) = (Vec::new(), false);
    loop {
        let (_, update) = mailbox.next().await?;
        let Update::Batch { messages, .. } = update else { continue };
        let now = now_ms();
        for message in messages {
            let mut note = |text: &str| words.extend(stamps(text).map(|stamp| (stamp, now)));
            match SessionFact::parse(message.get().as_bytes())? {
                SessionFact::Turn { id, value: Some(turn), .. } => {
                    if joined.is_none() && !turn.state.is_final() && turn.low_water.is_some() {
                        joined = Some(id);
                        mailbox.subscribe(StreamPath::turn(id), From::Start).await?;
                    }
                    ended |= turn.state.is_final() && joined == Some(id);
                }
                SessionFact::Delta { value: Some(delta), .. } => note(&delta.content.text),
                SessionFact::Item { value: Some(item), .. } if item.settled_at_ms.is_none() => {
                    if let protocol::item::ItemContent::Text { text } = &item.content {
                        note(text);
                    }
                }
                _ => {}
            }
        }
        // The end, which is in the journal, may come before the words, which are in a stream of their own.
        if let (true, [(read, _), (word, heard), ..]) = (ended, &words[..]) {
            return Ok(Told { read: *read, word: *word, heard: *heard });
        }
    }
}
