//! What comes down: commands for the host, and what people did at the hub. One after the other, in the order in which it came; but what
//! takes something away from somebody has a run of its own, which waits for nothing else.

use std::collections::HashMap;
use std::time::Duration;

use client::ApiError;
use hub::Uplink;
use protocol::command::CommandBody;
use protocol::error::{ErrorCode, Problem};
use protocol::id::DeviceId;
use protocol::limits::MAX_QUEUED_COMMANDS;
use protocol::link::{Handed, HubFrame, LinkNews, NodeFrame, Taken};
use protocol::time::UnixMs;
use tokio::sync::{Mutex, mpsc};

use crate::connection::{Around, End, Outgoing};
use crate::state::Trouble;

/// How often is looked whether the owner lets others in again, while commands wait for that.
const LOOK: Duration = Duration::from_secs(1);

/// The newest news of each device that was acted on over a connection: what takes a right away may overtake what was said before. Held
/// while one is written down.
pub(crate) type Newest = Mutex<HashMap<DeviceId, u64>>;

/// Acts on what comes, until the connection is over.
pub(crate) async fn run(
    uplink: &Uplink,
    around: &Around<'_>,
    newest: &Newest,
    out: mpsc::Sender<Outgoing>,
    mut letters: mpsc::Receiver<HubFrame>,
) -> End {
    // Handed over while remote access is off: they stay the hub's until it is on again, or their life is over.
    let mut shut_out: Vec<(Handed, UnixMs)> = Vec::new();
    loop {
        let letter = tokio::select! {
            letter = letters.recv() => match letter {
                Some(letter) => Some(letter),
                None => return End::Trouble(Trouble::network("the connection is over")),
            },
            () = tokio::time::sleep(LOOK), if !shut_out.is_empty() => None,
        };
        let frames = match letter {
            Some(HubFrame::Hand { commands }) => {
                let now = around.clock.now();
                let commands = commands.into_iter().map(|handed| (handed, now)).collect();
                if uplink.is_shut() {
                    shut_out = keep(shut_out, commands);
                    continue;
                }
                take(uplink, around, commands).await
            }
            Some(HubFrame::News { news }) => hear(uplink, newest, &mut shut_out, news).await,
            None if uplink.is_shut() => continue,
            None => {
                let now = around.clock.now();
                shut_out.retain(|(handed, arrived)| now < arrived.plus_ms(handed.expires_in_ms));
                take(uplink, around, std::mem::take(&mut shut_out)).await
            }
            Some(_) => continue,
        };
        let frames = match frames {
            Ok(frames) => frames,
            Err(end) => return end,
        };
        for frame in frames {
            if out.send(Outgoing { frame, req: None }).await.is_err() {
                return End::Trouble(Trouble::network("the connection is over"));
            }
        }
    }
}

/// Keeps commands that may not be taken now, each once, at most as many as a host's queue holds.
fn keep(kept: Vec<(Handed, UnixMs)>, new: Vec<(Handed, UnixMs)>) -> Vec<(Handed, UnixMs)> {
    let mut all: Vec<(Handed, UnixMs)> =
        kept.into_iter().filter(|(old, _)| !new.iter().any(|(new, _)| new.command == old.command)).collect();
    all.extend(new);
    all.truncate(MAX_QUEUED_COMMANDS);
    all
}

/// Puts commands on this disk, and says so.
async fn take(uplink: &Uplink, around: &Around<'_>, commands: Vec<(Handed, UnixMs)>) -> Result<Vec<NodeFrame>, End> {
    let mut taken = Vec::with_capacity(commands.len());
    for (handed, arrived) in commands {
        let known = uplink.known(handed.command).await?;
        let failure = match known {
            None => fetch(uplink, around, &handed.body).await?,
            Some(_) => None,
        };
        let state = uplink.take(&handed, arrived, failure).await?;
        taken.push(Taken { command: handed.command, token: handed.token, state });
    }
    Ok(if taken.is_empty() { Vec::new() } else { vec![NodeFrame::Taken { commands: taken }] })
}

/// Fetches the files that go with a command; what cannot be had fails it.
async fn fetch(uplink: &Uplink, around: &Around<'_>, body: &CommandBody) -> Result<Option<(ErrorCode, String)>, End> {
    for attachment in body.attachments() {
        if uplink.has_file(attachment.blob).await? {
            continue;
        }
        let kept = match around.api.blob(attachment.blob).await {
            Ok(bytes) => uplink.keep_file(attachment, bytes).await,
            Err(ApiError::Problem(problem)) if !problem.code.is_retryable() => Err(*problem),
            // It comes again with the next connection.
            Err(error) => return Err(End::Trouble(Trouble::network(error.to_string()))),
        };
        if let Err(problem) = kept {
            return Ok(Some(missing(&attachment.name, &problem)));
        }
    }
    Ok(None)
}

fn missing(name: &str, problem: &Problem) -> (ErrorCode, String) {
    let code = match problem.code {
        code @ (ErrorCode::QuotaExceeded | ErrorCode::DiskFull) => code,
        _ => ErrorCode::AttachmentMissing,
    };
    (code, format!("the file `{name}` could not be had from the hub: {problem}"))
}

/// Does what people did at the hub, and says up to which number it is done.
async fn hear(
    uplink: &Uplink,
    newest: &Newest,
    shut_out: &mut Vec<(Handed, UnixMs)>,
    news: Vec<(u64, LinkNews)>,
) -> Result<Vec<NodeFrame>, End> {
    let mut heard = None;
    for (number, news) in news {
        if let LinkNews::Cancelled { command, .. } = news {
            shut_out.retain(|(handed, _)| handed.command != command);
        }
        match &news {
            LinkNews::Device { device, .. } => {
                let mut newest = newest.lock().await;
                let known = newest.entry(*device).or_default();
                if *known < number {
                    uplink.hear(&news).await?;
                    *known = number;
                }
            }
            _ => uplink.hear(&news).await?,
        }
        heard = Some(number);
    }
    Ok(heard.map(|number| NodeFrame::Heard { number }).into_iter().collect())
}
