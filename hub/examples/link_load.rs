//! How much many linked machines cost a hub: a hub over SQLite in a process of its own, and nodes that speak the contract.
//!
//! `cargo run --release -p hub --example link_load -- [HOSTS] [TURNS] [SECONDS]` links so many hosts, leaves them idle, then has so many of
//! them push a word of a live turn ten times a second, and prints memory, processor time and how long a push took.
#![expect(clippy::print_stdout, reason = "its lines of output are what it is for")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures to look at, of small numbers"
)]

use std::io::{BufRead as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use protocol::account::NewInvitation;
use protocol::api::{ClaimRequest, ClaimStatus, ClaimStatusRequest};
use protocol::device::{DeviceKind, Right};
use protocol::host::{HostContent, RemoteAccess};
use protocol::id::{AccountId, DeviceId, SessionId, TurnId};
use protocol::link::{Chain, HubFrame, NodeFrame, NodeHello, Piece, Push};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::time::{Clock, UnixMs};
use serde_json::value::RawValue;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Hosts of one account: an account has at most 200 devices.
const HOSTS_PER_ACCOUNT: usize = 150;
/// Links of one source: a source may have 64.
const LINKS_PER_SOURCE: usize = 60;
/// How often a node says that it is there.
const RENEW: Duration = Duration::from_secs(15);
/// Longest wait for a node to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two words of a turn.
const WORD: Duration = Duration::from_millis(100);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug)]
struct Wall;

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "an example is its own edge")]
    fn now(&self) -> UnixMs {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "an example is its own edge")]
    fn fresh(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

/// Another account: invited, and come in.
async fn account(hub: &hub::Hub) -> Result<AccountId, Failure> {
    let offer = hub.invite(&hub.node_identity(), NewInvitation { name: None }).await.map_err(|p| p.to_string())?;
    let claim = ClaimRequest {
        code: offer.link.secret,
        name: "load".to_owned(),
        platform: "none".to_owned(),
        kind: DeviceKind::Program,
        public_key: None,
    };
    let claimed = hub.claim_pairing("load", claim).await.map_err(|error| format!("{error:?}"))?;
    let ask = ClaimStatusRequest { pairing: claimed.pairing, claim_token: claimed.claim_token, wait_ms: 1_000 };
    let told = hub.claim_status("load", &ask).await.map_err(|error| format!("{error:?}"))?;
    let ClaimStatus::Approved { credential: Some(credential), .. } = told.status else {
        return Err("not let in".into());
    };
    let who = hub.authenticate(&credential, hub::Via::Bearer, "load").await.map_err(|p| p.to_string())?;
    Ok(who.account)
}

/// The hub: prints its address and the credentials of its hosts, and serves until its input ends.
async fn serve(folder: &str, hosts: usize) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(Wall);
    let sqlite = store::SqliteStore::open(folder, Arc::clone(&clock))?;
    let options = hub::Options {
        node_name: "hub".to_owned(),
        node_platform: "none".to_owned(),
        node_public_key: None,
        host: false,
        version: "0".to_owned(),
        allowed_hosts: vec!["localhost".to_owned()],
        allowed_origins: Vec::new(),
        secure: false,
        trusted_proxies: Vec::new(),
    };
    let streams = streams::Streams::new(Arc::new(sqlite));
    let hub = hub::Hub::open(streams, clock, Arc::new(hub::SystemRandom), options).await?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let mut owner = hub.account();
    for n in 0..hosts {
        if n % HOSTS_PER_ACCOUNT == 0 {
            owner = account(&hub).await?;
        }
        let new = hub::NewDevice {
            account: owner,
            kind: DeviceKind::Node,
            rights: Right::ALL.to_vec(),
            name: format!("host {n}"),
            platform: "none".to_owned(),
            public_key: None,
        };
        println!("{}", hub.enrol(new).await.map_err(|p| p.to_string())?.1);
    }
    std::io::stdout().flush()?;
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().lines().next().is_none());
    let shutdown = async { drop(ended.await) };
    hub::serve(&hub, listener, shutdown, Duration::from_secs(1)).await;
    hub.stop().await;
    Ok(())
}

/// A field of the process's status, in MiB, and the processor time that it has taken, in seconds.
fn cost(child: &Child) -> Result<(f64, f64), Failure> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let rss: f64 = rss.trim().trim_end_matches(" kB").parse()?;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok((rss / 1024.0, ticks / 100.0))
}

/// A linked host.
struct Node {
    wire: WebSocketStream<TcpStream>,
    req: u32,
}

impl Node {
    async fn link(n: usize, port: u16, credential: &str) -> Result<Self, Failure> {
        let socket = TcpSocket::new_v4()?;
        let source = u8::try_from(n / LINKS_PER_SOURCE + 2)?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, source), 0)))?;
        let line = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        line.set_nodelay(true)?;
        let mut request = "ws://localhost/v1/link".into_client_request()?;
        request.headers_mut().insert(http::header::AUTHORIZATION, format!("Bearer {credential}").parse()?);
        let (wire, _) = client_async(request, line).await?;
        let mut node = Self { wire, req: 0 };
        let hello = NodeHello {
            protocol_min: 1,
            protocol_max: 1,
            capabilities: Vec::new(),
            version: "0".to_owned(),
            host: DeviceId::from_uuid(Wall.fresh()),
            generation: 1,
            boot: "load".to_owned(),
            turns_at_once: 5,
            remote_access: RemoteAccess::Active,
            about: HostContent { name: format!("host {n}"), ..HostContent::default() },
            holds: Vec::new(),
        };
        node.say(&NodeFrame::Hello(Box::new(hello))).await?;
        match node.hear().await? {
            HubFrame::Welcome { .. } => Ok(node),
            other => Err(format!("{other:?}").into()),
        }
    }

    async fn say(&mut self, frame: &NodeFrame) -> Result<(), Failure> {
        Ok(self.wire.send(Message::text(serde_json::to_string(frame)?)).await?)
    }

    async fn hear(&mut self) -> Result<HubFrame, Failure> {
        loop {
            if let Message::Text(text) = self.wire.next().await.ok_or("closed")?? {
                return Ok(serde_json::from_str(&text)?);
            }
        }
    }

    /// Renews, and hears what there is, until there is something else to do. A node is never left alone: the hub takes whoever does not
    /// answer for dead after ten seconds.
    async fn idle(&mut self, phase: &mut watch::Receiver<Phase>) -> Result<(), Failure> {
        let mut renewal = Instant::now() + RENEW;
        loop {
            tokio::select! {
                frame = self.hear() => self.answer(&frame?).await?,
                () = tokio::time::sleep_until(renewal.into()) => {
                    self.renew().await?;
                    renewal = Instant::now() + RENEW;
                }
                changed = phase.changed() => return Ok(changed?),
            }
        }
    }

    async fn renew(&mut self) -> Result<(), Failure> {
        self.req += 1;
        self.say(&NodeFrame::Renew { req: self.req, remote_access: RemoteAccess::Active }).await
    }

    async fn answer(&mut self, frame: &HubFrame) -> Result<(), Failure> {
        match frame {
            HubFrame::News { news } => {
                let number = news.last().map_or(0, |last| last.0);
                self.say(&NodeFrame::Heard { number }).await
            }
            HubFrame::Error { .. } | HubFrame::Mismatch { .. } | HubFrame::Refused { .. } => {
                Err(format!("{frame:?}").into())
            }
            _ => Ok(()),
        }
    }

    /// Until `until`: a live turn, word by word; how long each push took, in milliseconds.
    async fn speak(&mut self, until: Instant) -> Result<Vec<f64>, Failure> {
        let session = SessionId::from_uuid(Wall.fresh());
        let stream = StreamPath::turn(TurnId::from_uuid(Wall.fresh()));
        let (mut at, mut before, mut took) = (Offset::ZERO, Chain::START, Vec::new());
        while Instant::now() < until {
            let begun = Instant::now();
            let word = format!("{{\"text\":\"{}\"}}", "word ".repeat(20));
            let messages = vec![RawValue::from_string(word.clone())?];
            let piece = Piece { stream: stream.clone(), session, at, before, messages, close: false };
            self.req += 1;
            let req = self.req;
            let push = Push { req, facts: Vec::new(), whole: None, cursor: None, pieces: vec![piece] };
            self.say(&NodeFrame::Push(push)).await?;
            loop {
                match self.hear().await? {
                    HubFrame::Pushed { req: of } if of == req => break,
                    other => self.answer(&other).await?,
                }
            }
            took.push(begun.elapsed().as_secs_f64() * 1_000.0);
            (at, before) = (at.plus(word.len() as u64), before.after(word.as_bytes()));
            tokio::time::sleep(WORD.saturating_sub(begun.elapsed())).await;
        }
        Ok(took)
    }

    /// Everything that a node does here; how long its pushes took.
    async fn live(mut self, n: usize, mut phase: watch::Receiver<Phase>) -> Result<Vec<f64>, Failure> {
        let mut took = Vec::new();
        loop {
            let now = *phase.borrow_and_update();
            match now {
                Phase::Talk { turns, until } if n < turns && Instant::now() < until => {
                    took.extend(self.speak(until).await?);
                }
                Phase::End => return Ok(took),
                _ => self.idle(&mut phase).await?,
            }
        }
    }
}

/// What the nodes do.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Idle,
    /// So many of them have a live turn, until then.
    Talk {
        turns: usize,
        until: Instant,
    },
    End,
}

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "one child, which ends with its input and is waited for")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [serves, folder, hosts] = &arguments[..]
        && serves == "serve"
    {
        return serve(folder, hosts.parse()?).await;
    }
    let number = |n: usize, default: usize| arguments.get(n).map_or(Ok(default), |text| text.parse());
    let (hosts, turns, seconds) = (number(0, 2_000)?, number(1, 200)?, number(2, 40)?);
    let folder = std::env::temp_dir().join(format!("link-load-{}", std::process::id()));
    let mut child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg(&folder)
        .arg(hosts.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let result = measure(&mut child, hosts, turns, seconds).await;
    drop(child.stdin.take());
    child.wait()?;
    std::fs::remove_dir_all(&folder)?;
    result
}

async fn measure(child: &mut Child, hosts: usize, turns: usize, seconds: usize) -> Result<(), Failure> {
    let lines = std::io::BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let lines: Vec<String> = lines.take(hosts + 1).collect::<Result<_, _>>()?;
    let (port, credentials) = lines.split_first().ok_or("no port")?;
    let port: u16 = port.parse()?;
    let empty = cost(child)?;
    let begun = Instant::now();
    let (phase, phases) = watch::channel(Phase::Idle);
    let mut nodes = Vec::new();
    for (n, credential) in credentials.iter().enumerate() {
        let node = Node::link(n, port, credential).await?;
        nodes.push(tokio::spawn(node.live(n, phases.clone())));
    }
    println!("{hosts} links came up in {:.1} s", begun.elapsed().as_secs_f64());
    let time = Duration::from_secs(seconds as u64);
    for round in ["idle", "idle, again"] {
        let before = cost(child)?;
        tokio::time::sleep(time).await;
        let after = cost(child)?;
        let (each, busy) = ((after.0 - empty.0) * 1024.0 / hosts as f64, (after.1 - before.1) / seconds as f64 * 100.0);
        println!("{round}: {:.0} MiB, {each:.0} KiB a link, {busy:.1} % of a processor", after.0);
    }
    let before = cost(child)?;
    phase.send_replace(Phase::Talk { turns, until: Instant::now() + time });
    // The last word of each is answered before it ends.
    tokio::time::sleep(time).await;
    let after = cost(child)?;
    phase.send_replace(Phase::End);
    let mut took = Vec::new();
    let mut lost = 0;
    for node in nodes {
        match tokio::time::timeout(PATIENCE, node).await?? {
            Ok(pushes) => took.extend(pushes),
            Err(error) => {
                lost += 1;
                println!("a link was lost: {error}");
            }
        }
    }
    took.sort_by(f64::total_cmp);
    let at = |part: f64| took.get((took.len() as f64 * part) as usize).copied().unwrap_or_default();
    println!(
        "{turns} live turns, {:.0} pushes a second: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms; {:.0} MiB, {:.0} % of a processor; \
         {lost} of {hosts} links lost",
        took.len() as f64 / seconds as f64,
        at(0.5),
        at(0.99),
        took.last().copied().unwrap_or_default(),
        after.0,
        (after.1 - before.1) / seconds as f64 * 100.0
    );
    if lost == 0 { Ok(()) } else { Err(format!("{lost} links were lost").into()) }
}
