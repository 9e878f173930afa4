//! A whole run with planted secrets: none of them is in what the hub sends, what is logged, or what is kept (W-071, W-074, W-076), and
//! what people and agents say is not logged (W-124).
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use client::socket::Options;
use client::{Api, Dialer, Io, Remote, SessionFollow, Socket};
use protocol::api::{ClaimRequest, ClaimStatus, ClaimStatusRequest};
use protocol::approval::{ApprovalState, OptionKind};
use protocol::command::{AnswerContent, CommandBody, CommandRequest, StartContent};
use protocol::device::DeviceKind;
use protocol::fact::FeedFact;
use protocol::id::{CommandId, SessionId};
use protocol::path::StreamPath;
use protocol::socket::From;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use world::{PATIENCE, World};

/// Secrets that lie around on a machine: in the environment, and in files of the home directory.
const VARIABLES: [(&str, &str); 3] = [
    ("ANTHROPIC_API_KEY", "sk-ant-api03-PLANTEDplantedPLANTED0001"),
    ("AWS_SECRET_ACCESS_KEY", "PLANTEDaws/planted+PLANTED0002"),
    ("GITHUB_TOKEN", "ghp_PLANTEDplantedPLANTEDplanted0003"),
];
const FILES: [(&str, &str); 2] =
    [(".claude/.credentials.json", "sk-ant-oat01-PLANTEDoauthPLANTED0004"), (".netrc", "PLANTEDnetrcPLANTED0005")];
/// What a person says, what the agent says, and what is written: theirs, and to be found where it belongs only.
const WORDS: [&str; 4] = ["CANARYtitle", "CANARYanswer", "CANARYfile", "CANARYpath"];

/// A connection that keeps what the hub says on it.
struct Overheard {
    inner: tokio::net::TcpStream,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Overheard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.heard.lock().unwrap().extend_from_slice(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

fn overhearing(heard: &Arc<Mutex<Vec<u8>>>) -> Dialer {
    let heard = heard.clone();
    Dialer::new(move |host, port| {
        let (address, heard) = ((host.to_owned(), port), heard.clone());
        Box::pin(async move {
            let inner = tokio::net::TcpStream::connect(address).await?;
            Ok(Box::new(Overheard { inner, heard }) as Box<dyn Io>)
        })
    })
}

/// A node that ends with its test.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn up(world: &World, log: &str) -> (Node, Value) {
    let errors = std::fs::File::create(world.folder.path().join("log")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_towline"))
        .args(["up", "--json", "--no-open", "--listen", "127.0.0.1:0", "--pair-once"])
        .args(["--agent-env", "ANTHROPIC_API_KEY"])
        .env_clear()
        .envs(VARIABLES)
        .env("HOME", world.home())
        .env("PATH", "/usr/bin:/bin")
        .env("TOWLINE_LOG", log)
        .current_dir(world.project())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Node(child), serde_json::from_str(&line).unwrap())
}

/// Where in some bytes something stands, with what is around it.
fn find(bytes: &[u8], needle: &str) -> Option<String> {
    let at = bytes.windows(needle.len()).position(|window| window == needle.as_bytes())?;
    let around = &bytes[at.saturating_sub(120)..(at + needle.len() + 60).min(bytes.len())];
    Some(String::from_utf8_lossy(around).into_owned())
}

fn none_of(what: &str, bytes: &[u8], secrets: &[String]) {
    for secret in secrets {
        assert_eq!(find(bytes, secret), None, "{secret} is in {what}");
    }
}

/// Every file below a folder.
fn files(folder: &Path, take: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, take);
        } else {
            take(&path, &std::fs::read(&path).unwrap_or_default());
        }
    }
}

/// A phone that comes in by its code; what was said to it, and its credential.
async fn enrol(url: &str, code: &str) -> (String, String) {
    let stranger = Api::new(Remote::new(url, None, Dialer::tcp()).unwrap());
    let request = ClaimRequest {
        code: code.to_owned(),
        name: "Phone".to_owned(),
        platform: "test".to_owned(),
        kind: DeviceKind::Program,
        public_key: None,
    };
    let claimed = stranger.claim(&request).await.unwrap();
    let ask =
        ClaimStatusRequest { pairing: claimed.pairing, claim_token: claimed.claim_token.clone(), wait_ms: 10_000 };
    match stranger.claim_status(&ask).await.unwrap() {
        ClaimStatus::Approved { credential: Some(credential), .. } => (claimed.claim_token, credential),
        other => panic!("{other:?}"),
    }
}

/// A session from the first prompt to the last word, with everything open that a client can open.
async fn talk(remote: Remote) {
    let api = Api::new(remote.clone());
    let me = api.me().await.unwrap();
    let lists = api.lists().await.unwrap().facts;
    let project = lists.iter().find_map(|raw| match FeedFact::parse(raw.get().as_bytes()).unwrap() {
        FeedFact::Project { id, .. } => Some(id),
        _ => None,
    });
    let options = Options { client: "secrets/0".to_owned(), first_pause: Duration::from_millis(20), seed: 1 };
    let socket = Socket::open(remote, options);
    let feed = socket.mailbox(64);
    feed.subscribe(StreamPath::feed(me.account), From::Start).await.unwrap();
    let session = SessionId::from_uuid(uuid::Uuid::now_v7());
    let command = |body| CommandRequest {
        id: CommandId::from_uuid(uuid::Uuid::now_v7()),
        host: me.host.unwrap(),
        ttl_ms: None,
        retry_of: None,
        body,
    };
    let text = "CANARYtitle [[rate 1]] [[say CANARYanswer]] [[write CANARYpath.txt CANARYfile]] [[words 5]]";
    let content = StartContent { title: None, text: Some(text.to_owned()), ..StartContent::default() };
    let (agent, project) = ("demo".to_owned(), project.unwrap());
    let start = CommandBody::StartSession {
        session,
        project,
        new_project: false,
        agent,
        model: None,
        mode: None,
        effort: None,
        content,
    };
    let start = command(start);
    socket.command(start.clone()).await.unwrap();
    while !api.command(start.id).await.unwrap().state.is_final() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut follow = SessionFollow::open(api.clone(), &socket, session, true).await.unwrap();
    let mut answered = false;
    while !follow.transcript().turns().iter().any(|(_, turn)| turn.state.is_final()) {
        let approvals = follow.transcript().approvals();
        let pending = approvals.into_iter().find(|(_, approval)| approval.state == ApprovalState::Pending);
        if let Some((approval, about)) = pending.filter(|_| !answered) {
            answered = true;
            let option = about.options.iter().find(|option| option.kind == OptionKind::AllowOnce).unwrap().id.clone();
            let content = AnswerContent { shown: Some(about.content.shown.clone()), ..AnswerContent::default() };
            socket.command(command(CommandBody::AnswerApproval { session, approval, option, content })).await.unwrap();
        }
        follow.next().await.unwrap();
    }
    assert!(answered, "the agent never asked");
    api.transcript(session, None, 100).await.unwrap();
    api.devices().await.unwrap();
    api.audit(None, 100).await.unwrap();
    api.pairings().await.unwrap();
    socket.close().await;
}

fn run(log: &str) -> (World, Vec<u8>, Vec<String>) {
    let world = World::new();
    for (file, secret) in FILES {
        let path = world.home().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, secret).unwrap();
    }
    let (mut node, ready) = up(&world, log);
    let url = ready["localUrl"].as_str().unwrap();
    let code = ready["code"].as_str().unwrap();
    let secret = ready["pairUrl"].as_str().unwrap().split_once('#').unwrap().1;
    let local = std::fs::read_to_string(world.data().join("local.token")).unwrap().trim().to_owned();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let own = runtime.block_on(async {
        let (claim, credential) = enrol(url, code).await;
        let remote = Remote::new(url, Some(credential.clone()), overhearing(&heard)).unwrap();
        tokio::time::timeout(PATIENCE, talk(remote)).await.expect("a run in time");
        [claim, credential]
    });
    rustix::process::kill_process(rustix::process::Pid::from_child(&node.0), rustix::process::Signal::TERM).unwrap();
    node.0.wait().unwrap();
    let planted = VARIABLES.iter().chain(&FILES).map(|(_, secret)| (*secret).to_owned());
    let made = [code.to_owned(), code.replace('-', ""), secret.to_owned(), local].into_iter().chain(own);
    let heard = std::mem::take(&mut *heard.lock().unwrap());
    (world, heard, planted.chain(made).collect())
}

#[test]
fn no_secret_is_sent_logged_or_kept() {
    let (world, heard, secrets) = run("trace");
    none_of("what the hub sends", &heard, &secrets);
    let log = std::fs::read(world.folder.path().join("log")).unwrap();
    assert!(log.len() > 1000, "nothing was logged, so nothing was looked at");
    none_of("the log", &log, &secrets);
    let mut kept = 0;
    files(&world.data(), &mut |path, bytes| {
        if path.file_name().is_some_and(|name| name == "local.token") {
            return;
        }
        none_of(&path.display().to_string(), bytes, &secrets);
        kept += usize::from(WORDS.iter().any(|word| find(bytes, word).is_some()));
    });
    // What is looked for in the same way and must be there is found.
    assert!(kept > 0, "the words are kept somewhere");
    for word in WORDS {
        assert!(find(&heard, word).is_some(), "{word} was never sent");
    }
    assert_eq!(std::fs::read_to_string(world.project().join("CANARYpath.txt")).unwrap(), "CANARYfile\n");
    world.expect_nothing_left();
}

#[test]
fn what_is_said_is_not_logged() {
    let (world, heard, secrets) = run("info");
    let log = std::fs::read(world.folder.path().join("log")).unwrap();
    let words: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
    none_of("the log", &log, &words);
    none_of("the log", &log, &secrets);
    assert!(find(&heard, WORDS[1]).is_some());
}
