//! Exactly once through a crash, beside the official server: each is killed right after it acknowledged, started again, and asked again.
//!
//! `cargo xtask soak streams --rounds 200` builds what it needs. By hand: `TOWLINE_BIN=… [OFFICIAL_STREAMS_BIN=…] [TOWLINE_ROUNDS=…] cargo run
//! --example streams_crash -p streams`. Ends with an error when ours lost or doubled anything; the other one's numbers are only told.
#![expect(clippy::disallowed_methods, reason = "it is told by its environment what to start, and starts and kills it")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Longest that a server may take to listen or to answer, on a machine that builds something else meanwhile.
const PATIENCE: Duration = Duration::from_mins(1);
const TYPE: &str = "content-type: text/plain";

/// What is acknowledged before the server is killed, in each round.
#[derive(Clone, Copy)]
enum Kind {
    One,
    Fifty,
    Close,
}

const KINDS: [(Kind, &str); 3] = [(Kind::One, "one append"), (Kind::Fifty, "fifty"), (Kind::Close, "append and close")];

/// What came of all rounds of a kind.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    acked: usize,
    /// Acknowledged, and not there after the restart; or closed, and open again.
    lost: usize,
    /// There more often than once after the retry.
    doubled: usize,
    /// Retries that were answered neither as done nor as done before.
    refused: usize,
}

impl Sum {
    fn is_clean(self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.refused == 0
    }
}

struct Server<'a> {
    program: &'a Path,
    official: bool,
    folder: &'a Path,
    running: Option<(Child, SocketAddr)>,
}

impl Server<'_> {
    fn start(&mut self) -> Result<(), Error> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(self.program);
        if self.official {
            command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
        } else {
            command.args(["streams", "--open", "--listen", &address.to_string()]);
        }
        command.arg("--data-dir").arg(self.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.running = Some((command.spawn()?, address));
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("the server does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// `kill -9`.
    fn kill(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            // One that has ended already needs no more.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Asks once on a connection of its own: status, headers in lower case, body.
    fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Result<(u16, String, String), Error> {
        let (_, address) = self.running.as_ref().ok_or("the server runs")?;
        let mut io = TcpStream::connect(address)?;
        io.set_read_timeout(Some(PATIENCE))?;
        let fields: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
        let length = body.len();
        let head = format!("{method} /v1/stream/{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        io.write_all(format!("{head}{fields}content-length: {length}\r\n\r\n{body}").as_bytes())?;
        let mut text = String::new();
        io.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or("an answer has a head")?;
        let status = head.split(' ').nth(1).ok_or("an answer has a status")?.parse()?;
        Ok((status, head.to_ascii_lowercase(), body.to_owned()))
    }

    fn append(&self, path: &str, seq: usize, close: bool) -> Result<u16, Error> {
        let number = format!("producer-seq: {seq}");
        let mut headers = vec![TYPE, "producer-id: p", "producer-epoch: 0", &number];
        headers.extend(close.then_some("stream-closed: true"));
        Ok(self.ask("POST", path, &headers, &message(seq))?.0)
    }

    /// Everything in a stream, and whether it is closed. It fits one page.
    fn contents(&self, path: &str) -> Result<(String, bool), Error> {
        let (status, head, body) = self.ask("GET", &format!("{path}?offset=-1"), &[], "")?;
        Ok(if status == 200 { (body, head.contains("stream-closed: true")) } else { (String::new(), false) })
    }

    fn round(&mut self, kind: Kind, path: &str, sum: &mut Sum) -> Result<(), Error> {
        let made = self.ask("PUT", path, &[TYPE], "")?.0;
        if made != 201 {
            return Err(format!("a stream is made with 201, not {made}").into());
        }
        let (count, last) = match kind {
            Kind::One => (1, false),
            Kind::Fifty => (50, false),
            Kind::Close => (1, true),
        };
        for seq in 0..count {
            let status = self.append(path, seq, last)?;
            if !matches!(status, 200 | 204) {
                return Err(format!("an append is acknowledged, not answered with {status}").into());
            }
        }
        // No breath between the last acknowledgement and this.
        self.kill();
        self.start()?;
        sum.acked += count;
        let (there, closed) = self.contents(path)?;
        sum.lost += (0..count).filter(|seq| !there.contains(&message(*seq))).count() + usize::from(last && !closed);
        for seq in 0..count {
            sum.refused += usize::from(!matches!(self.append(path, seq, last)?, 200 | 204));
        }
        let (there, _) = self.contents(path)?;
        sum.doubled += (0..count).filter(|seq| there.matches(&message(*seq)).count() > 1).count();
        Ok(())
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

fn message(seq: usize) -> String {
    format!("<{seq}>")
}

fn torture(program: &Path, official: bool, rounds: usize) -> Result<[Sum; KINDS.len()], Error> {
    let name = format!("streams-crash-{}-{official}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder)?;
    let mut server = Server { program, official, folder: &folder, running: None };
    let mut sums = [Sum::default(); KINDS.len()];
    let ran = (|| {
        server.start()?;
        for round in 0..rounds {
            for (index, (kind, _)) in KINDS.iter().enumerate() {
                server.round(*kind, &format!("crash-{index}-{round}"), &mut sums[index])?;
            }
        }
        Ok(sums)
    })();
    drop(server);
    drop(fs::remove_dir_all(&folder));
    ran
}

fn main() -> Result<(), Error> {
    let ours = std::env::var_os("TOWLINE_BIN").map(PathBuf::from).ok_or("TOWLINE_BIN names the program")?;
    let rounds: usize = std::env::var("TOWLINE_ROUNDS").map_or(Ok(20), |text| text.parse())?;
    let mut servers = vec![("ours", ours)];
    servers.extend(std::env::var_os("OFFICIAL_STREAMS_BIN").map(|path| ("official", path.into())));
    let mut out = std::io::stdout();
    writeln!(out, "| server | killed after | rounds | acknowledged | lost | doubled | retry refused |")?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    let mut clean = true;
    for (name, program) in servers {
        let sums = torture(&program, name == "official", rounds)?;
        for ((_, what), sum) in KINDS.iter().zip(sums) {
            let Sum { acked, lost, doubled, refused } = sum;
            writeln!(out, "| {name} | {what} | {rounds} | {acked} | {lost} | {doubled} | {refused} |")?;
            clean &= name == "official" || sum.is_clean();
        }
    }
    if clean { Ok(()) } else { Err("ours is not exactly once".into()) }
}
