//! Readers that look every so often by plain HTTP: at the account's feed, as a machine that looks for its commands would, and at the journal
//! and the turn that runs, as a screen would.

use std::time::Duration;

use protocol::fact::SessionFact;
use protocol::id::{AccountId, CommandId, SessionId, TurnId};
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Failure;
use crate::measure::now_ms;
use crate::yard::Yard;

/// When a reader had seen both; Unix times in milliseconds.
pub(crate) struct Look {
    pub(crate) command: f64,
    pub(crate) word: f64,
}

/// The way to the hub of one reader, and where it has read to.
#[derive(Clone)]
struct Reader {
    port: u16,
    credential: String,
    account: AccountId,
    session: SessionId,
    feed: String,
    journal: String,
}

/// Everything that a reader has seen, each look with its time.
struct Seen {
    at: f64,
    feed: String,
    words: String,
}

/// Readers that look at the same things, evenly apart, from the moment on that they are started.
pub(crate) struct Lookers {
    looking: JoinSet<Result<Look, Failure>>,
    wanted: watch::Sender<Option<(String, String)>>,
}

impl Lookers {
    /// Readers that are at the end of everything; the first looks half a part of `every` from now, so that on the average they are as late
    /// as any who looks so often.
    pub(crate) async fn start(yard: &Yard, count: u32, every: Duration) -> Result<Self, Failure> {
        let mut reader = Reader {
            port: yard.port,
            credential: yard.credential.clone(),
            account: yard.account,
            session: yard.session,
            feed: "now".to_owned(),
            journal: "now".to_owned(),
        };
        reader.look().await?;
        let (wanted, knows) = watch::channel(None);
        let (begun, mut looking) = (Instant::now(), JoinSet::new());
        for n in 1..=count {
            looking.spawn(look_until_seen(
                reader.clone(),
                begun + every * (2 * n - 1) / (2 * count),
                every,
                knows.clone(),
            ));
        }
        Ok(Self { looking, wanted })
    }

    /// When each had seen the command and the word.
    pub(crate) async fn saw(mut self, command: CommandId, word: f64) -> Result<Vec<Look>, Failure> {
        self.wanted.send_replace(Some((command.to_string(), format!("{:.0}", word * 1_000.0))));
        let mut looks = Vec::new();
        while let Some(look) = self.looking.join_next().await {
            looks.push(look??);
        }
        Ok(looks)
    }
}

/// Looks at its times, and keeps what it saw until it knows what it was to see.
async fn look_until_seen(
    mut reader: Reader,
    first: Instant,
    every: Duration,
    knows: watch::Receiver<Option<(String, String)>>,
) -> Result<Look, Failure> {
    let (mut seen, mut next) = (Vec::new(), first);
    for _ in 0..6 {
        tokio::time::sleep_until(next).await;
        seen.push(reader.look().await?);
        next += every;
        let wanted = knows.borrow().clone();
        let Some((command, word)) = wanted else { continue };
        let has_command = seen.iter().find(|seen| seen.feed.contains(&command));
        let has_word = seen.iter().find(|seen| seen.words.contains(&word));
        if let (Some(command), Some(word)) = (has_command, has_word) {
            return Ok(Look { command: command.at, word: word.at });
        }
    }
    Err("a reader has not seen what there was".into())
}

impl Reader {
    /// Looks once at everything.
    async fn look(&mut self) -> Result<Seen, Failure> {
        let (next, feed) = self.get(&format!("accounts/{}/feed", self.account), &self.feed).await?;
        self.feed = next;
        let (next, mut words) = self.get(&format!("sessions/{}/journal", self.session), &self.journal).await?;
        self.journal = next;
        let mut running: Option<TurnId> = None;
        for fact in serde_json::from_str::<Vec<Box<RawValue>>>(&words)? {
            if let SessionFact::Turn { id, value: Some(turn), .. } = SessionFact::parse(fact.get().as_bytes())? {
                running = (!turn.state.is_final()).then_some(id);
            }
        }
        if let Some(turn) = running {
            words += &self.get(&format!("turns/{turn}/live"), "-1").await?.1;
        }
        Ok(Seen { at: now_ms(), feed, words })
    }

    /// What a stream has after an offset, and where it ends.
    async fn get(&self, stream: &str, offset: &str) -> Result<(String, String), Failure> {
        let mut line = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let ask = format!(
            "GET /v1/stream/{stream}?offset={offset} HTTP/1.0\r\nhost: localhost:{}\r\nauthorization: Bearer {}\r\n\r\n",
            self.port, self.credential
        );
        line.write_all(ask.as_bytes()).await?;
        let mut answer = Vec::new();
        line.read_to_end(&mut answer).await?;
        let answer = String::from_utf8(answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        let head = head.to_ascii_lowercase();
        if !head.starts_with("http/1.0 20") && !head.starts_with("http/1.1 20") {
            return Err(format!("{stream}: {head}").into());
        }
        let next = head.lines().find_map(|line| line.strip_prefix("stream-next-offset:")).ok_or("no offset")?;
        Ok((next.trim().to_owned(), if body.is_empty() { "[]".to_owned() } else { body.to_owned() }))
    }
}
