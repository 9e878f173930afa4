//! An idempotent producer: sends each append until it is acknowledged, whatever happens in between.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use protocol::offset::Offset;
use sim::{Answer, Dice, Exchange};

use super::ledger::Ledger;
use super::{PRODUCERS, SERVER, path};

/// Messages of each producer.
const MESSAGES: u64 = 80;

struct Producer {
    who: String,
    dice: Dice,
    ledger: Ledger,
}

/// An append's place and content.
struct Append {
    epoch: u64,
    seq: u64,
    body: String,
    close: bool,
}

pub(crate) async fn run(who: String, seed: u64, ledger: Ledger) -> turmoil::Result {
    let mut producer = Producer { dice: Dice::new(seed, &who), who, ledger };
    producer.create().await;
    let (mut epoch, mut seq, mut number) = (0, 0, 0);
    while number < MESSAGES {
        let pause = producer.dice.millis(0..1_000);
        tokio::time::sleep(pause).await;
        let count = producer.dice.within(1..5).min(MESSAGES - number);
        let messages: Vec<String> = (number..number + count).map(|n| producer.message(n)).collect();
        let reborn = seq > 0 && producer.dice.chance(80);
        let before = (epoch, seq);
        if reborn {
            (epoch, seq) = (epoch + 1, 0);
        }
        let append = Append { epoch, seq, body: format!("[{}]", messages.join(",")), close: false };
        producer.deliver(&append, &messages).await;
        (seq, number) = (seq + 1, number + count);
        if reborn {
            let (epoch, seq) = before;
            producer.refused(epoch, seq, StatusCode::FORBIDDEN, number).await;
        }
        if producer.dice.chance(100) {
            producer.refused(epoch, seq + 1, StatusCode::CONFLICT, number).await;
        }
    }
    producer.ledger.pages().finished += 1;
    Ok(())
}

/// Closes the stream when all producers are done, and then finds it closed for good.
pub(crate) async fn close(seed: u64, ledger: Ledger) -> turmoil::Result {
    let who = "closer".to_owned();
    let mut producer = Producer { dice: Dice::new(seed, &who), who, ledger };
    while producer.ledger.pages().finished < PRODUCERS {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let last = r#"{"p":"closer"}"#.to_owned();
    let append = Append { epoch: 0, seq: 0, body: last.clone(), close: true };
    let end = producer.deliver(&append, &[last]).await;
    producer.ledger.pages().closed_at = Some(end);
    for _ in 0..3 {
        producer.refused(0, 1, StatusCode::CONFLICT, 0).await;
        let pause = producer.dice.millis(1..500);
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

impl Producer {
    fn message(&mut self, number: u64) -> String {
        let length = usize::try_from(self.dice.within(0..200)).expect("small");
        format!(r#"{{"p":"{}","n":{number},"pad":"{}"}}"#, self.who, "x".repeat(length))
    }

    async fn create(&mut self) {
        let answer = self
            .insist(|| {
                request(Method::PUT).header("content-type", "application/json").body(Bytes::new()).expect("a request")
            })
            .await;
        assert!(matches!(answer.status, StatusCode::OK | StatusCode::CREATED), "{} creates: {answer:?}", self.who);
    }

    /// Sends an append until it is acknowledged; tells where the stream ended then.
    async fn deliver(&mut self, append: &Append, messages: &[String]) -> Offset {
        let answer = self.insist(|| self::append(&self.who, append)).await;
        let what = format!("{} appends {}.{}", self.who, append.epoch, append.seq);
        let end: Offset =
            answer.header("stream-next-offset").and_then(|t| t.parse().ok()).expect("an ack names the end");
        self.ledger.history.note(&self.who, format_args!("{}.{} {} {end:?}", append.epoch, append.seq, answer.status));
        let header = |name| answer.header(name).and_then(|text| text.parse::<u64>().ok());
        assert_eq!(header("producer-epoch"), Some(append.epoch), "{what}: {answer:?}");
        assert_eq!(header("producer-seq"), Some(append.seq), "{what}: {answer:?}");
        assert_eq!(answer.header("stream-closed").is_some(), append.close, "{what}: {answer:?}");
        let mut pages = self.ledger.pages();
        pages.acked.entry(self.who.clone()).or_default().extend_from_slice(messages);
        match answer.status {
            StatusCode::OK => {
                pages.ends.insert(end, messages.last().expect("an append has messages").clone());
            }
            // The first attempt had taken effect, and its ack was lost.
            StatusCode::NO_CONTENT => {}
            _ => panic!("{what}: {answer:?}"),
        }
        end
    }

    /// Sends an append that the server must refuse.
    async fn refused(&mut self, epoch: u64, seq: u64, status: StatusCode, number: u64) {
        let body = format!(r#"{{"p":"{}","refused":"{epoch}.{seq} after {number}"}}"#, self.who);
        self.ledger.pages().refused.insert(body.clone());
        let append = Append { epoch, seq, body, close: false };
        let answer = self.insist(|| self::append(&self.who, &append)).await;
        self.ledger.history.note(&self.who, format_args!("{epoch}.{seq} refused with {}", answer.status));
        assert_eq!(answer.status, status, "{} tries {epoch}.{seq}: {answer:?}", self.who);
        let closed = self.ledger.pages().closed_at.is_some();
        assert_eq!(answer.header("stream-closed").is_some(), closed, "{answer:?}");
        if status == StatusCode::CONFLICT && !closed {
            assert_eq!(answer.header("producer-expected-seq"), Some((seq - 1).to_string().as_str()), "{answer:?}");
        }
    }

    /// Sends a request until the server has said something final.
    async fn insist(&self, request: impl Fn() -> Request<Bytes>) -> Answer {
        // Dice of their own: how often the network makes us try again must not change what we say.
        let mut dice = self.dice.clone();
        loop {
            let patience = dice.millis(200..2_500);
            match Exchange::whole(SERVER, request(), patience).await {
                Ok(answer) if !answer.status.is_server_error() => return answer,
                Ok(answer) => self.ledger.history.note(&self.who, format_args!("tries again after {}", answer.status)),
                Err(error) => self.ledger.history.note(&self.who, format_args!("tries again after {error:?}")),
            }
            let pause = dice.millis(10..300);
            tokio::time::sleep(pause).await;
        }
    }
}

fn request(method: Method) -> http::request::Builder {
    Request::builder().method(method).uri(format!("/v1/stream/{}", path())).header("host", SERVER)
}

fn append(who: &str, append: &Append) -> Request<Bytes> {
    let mut request = request(Method::POST)
        .header("content-type", "application/json")
        .header("producer-id", who)
        .header("producer-epoch", append.epoch)
        .header("producer-seq", append.seq);
    if append.close {
        request = request.header("stream-closed", "true");
    }
    request.body(append.body.clone().into()).expect("a request")
}
