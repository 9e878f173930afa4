//! The task that serves one link.

use std::time::Duration;

use protocol::error::{ErrorCode, Problem};
use protocol::host::AwayReason;
use protocol::limits::HELLO_TIMEOUT_MS;
use protocol::link::{HubFrame, NodeFrame, NodeHello};
use protocol::socket::CloseCode;
use tokio::time::{sleep_until, timeout};

use super::admission::{Seat, admit, version};
use super::line::{Beat, Ending, Line, part};
use super::news::Lane;
use super::presence::Hold;
use super::push::Refusal;
use super::wire::Wire;
use crate::hub::Hub;
use crate::identity::Identity;

const HELLO_TIMEOUT: Duration = Duration::from_millis(HELLO_TIMEOUT_MS);

/// Serves a link until either side ends it, a newer one is let in, the device is revoked, or the hub stops.
pub(super) async fn serve(hub: Hub, who: Identity, mut wire: Wire) {
    let (leash, stop, far) = (who.leash.clone(), hub.stopping(), who.far);
    let gate = hub.clone();
    let ending = tokio::select! {
        biased;
        () = leash.cancelled() => {
            if far && gate.is_shut() { Ending::Refuse(gate.shut()) } else { Ending::refuse(ErrorCode::Unauthenticated) }
        }
        () = stop.cancelled() => Ending::Close(CloseCode::Draining),
        Err(ending) = talk(hub, who, &mut wire) => ending,
    };
    tracing::debug!(?ending, "a link ends");
    part(&mut wire, ending).await;
}

/// The conversation; it goes on until something ends it.
async fn talk(hub: Hub, who: Identity, wire: &mut Wire) -> Result<std::convert::Infallible, Ending> {
    let mut line = Line::new(wire);
    let (seat, hold) = greet(&hub, &who, &mut line).await?;
    let mut connection = Connection { seat, line };
    let Hold { cut, mut bell } = hold;
    bell.mark_changed();
    loop {
        let (at, beat) = connection.line.next();
        tokio::select! {
            biased;
            () = cut.cancelled() => return Err(connection.cut()),
            text = connection.line.hear() => {
                if let Some(text) = text? {
                    connection.follow(&text).await?;
                }
            }
            _ = bell.changed() => connection.look().await?,
            () = sleep_until(at) => match beat {
                Beat::Probe => connection.line.probe().await?,
                Beat::Dead => return Err(Ending::Close(CloseCode::ResyncRequired)),
            },
        }
    }
}

/// Waits for `hello` and answers it.
async fn greet(hub: &Hub, who: &Identity, line: &mut Line<'_>) -> Result<(Seat, Hold), Ending> {
    let first = async {
        loop {
            if let Some(text) = line.hear().await? {
                return Ok::<_, Ending>(text);
            }
        }
    };
    let Ok(first) = timeout(HELLO_TIMEOUT, first).await else { return Err(Ending::Close(CloseCode::ResyncRequired)) };
    let hello: Box<NodeHello> = match NodeFrame::parse(&first?) {
        Ok(NodeFrame::Hello(hello)) => hello,
        Ok(_) => return Err(bad("the first frame must be `hello`")),
        Err(error) => return Err(bad(error.to_string())),
    };
    let (seat, hold) = admit(hub, who, &hello).await.map_err(Ending::Refuse)?;
    let welcome = HubFrame::Welcome {
        protocol: version(&hello).map_err(Ending::Refuse)?,
        capabilities: Vec::new(),
        version: hub.version().to_owned(),
        account: who.account,
        device: who.device,
        hub_at_ms: hub.now(),
        cursor: seat.link.value.cursor,
    };
    line.say(&welcome).await?;
    Ok((seat, hold))
}

fn bad(detail: impl Into<String>) -> Ending {
    Ending::Refuse(Problem::new(ErrorCode::BadRequest).detail(detail))
}

struct Connection<'a> {
    seat: Seat,
    line: Line<'a>,
}

impl Connection<'_> {
    /// Why it was cut.
    fn cut(&self) -> Ending {
        let Seat { hub, host, link, .. } = &self.seat;
        // Its lease was over: it comes again and says what it holds.
        let lapsed = hub.inner.links.sits(*host, link.value.seat);
        if lapsed { Ending::Close(CloseCode::ResyncRequired) } else { Ending::refuse(ErrorCode::LinkReplaced) }
    }

    async fn follow(&mut self, text: &str) -> Result<(), Ending> {
        let frame = NodeFrame::parse(text).map_err(|error| bad(error.to_string()))?;
        let access = match &frame {
            NodeFrame::Renew { remote_access, .. } => Some(*remote_access),
            _ => None,
        };
        self.renew(access).await?;
        match frame {
            NodeFrame::Hello(_) => {
                let problem = Problem::new(ErrorCode::BadRequest).detail("`hello` was said before");
                self.line.say(&HubFrame::Error { req: None, problem }).await
            }
            NodeFrame::Replicas { req, after } => match self.seat.replicas(after).await {
                Ok((streams, more)) => self.line.say(&HubFrame::Replicas { req, streams, more }).await,
                Err(refusal) => self.refuse(Some(req), refusal).await,
            },
            NodeFrame::Push(push) => match self.seat.push(&push).await {
                Ok(()) => {
                    self.line.say(&HubFrame::Pushed { req: push.req }).await?;
                    let proved = std::mem::replace(&mut self.seat.proved, true);
                    // What has begun there makes room for what waits here.
                    let room = std::mem::take(&mut self.seat.advanced);
                    if proved && !room { Ok(()) } else { self.look().await }
                }
                Err(refusal) => self.refuse(Some(push.req), refusal).await,
            },
            NodeFrame::Taken { commands } => {
                if let Err(refusal) = self.seat.take(&commands).await {
                    self.refuse(None, refusal).await?;
                }
                self.look().await
            }
            NodeFrame::Declined { commands } => {
                if let Err(refusal) = self.seat.decline(&commands).await {
                    self.refuse(None, refusal).await?;
                }
                self.look().await
            }
            NodeFrame::Heard { number } => {
                if let Err(refusal) = self.seat.hear(number).await {
                    self.refuse(None, refusal).await?;
                }
                self.look().await
            }
            NodeFrame::Renew { req, .. } => {
                let hub_at_ms = self.seat.hub.now();
                self.line.say(&HubFrame::Renewed { req, hub_at_ms }).await?;
                // A ring that was lost costs time, never a command (rule 9).
                self.look().await
            }
            NodeFrame::Bye => {
                let Seat { hub, host, link, .. } = &self.seat;
                hub.inner.links.leave(*host, link.value.seat, AwayReason::Stopped, hub.now());
                settle(hub, *host).await;
                Err(Ending::Gone)
            }
            NodeFrame::Unknown => Ok(()),
        }
    }

    /// Whatever the node says is a sign of life.
    async fn renew(&mut self, access: Option<protocol::host::RemoteAccess>) -> Result<(), Ending> {
        let Seat { hub, host, link, .. } = &self.seat;
        if hub.inner.links.renew(*host, link.value.seat, access, hub.now()) {
            settle(hub, *host).await;
        }
        Ok(())
    }

    /// Tells the node what there is for it: what people did first, since it may take back what would be handed over.
    async fn look(&mut self) -> Result<(), Ending> {
        for lane in Lane::ALL {
            match self.seat.next_news(lane).await {
                Ok(news) if news.is_empty() => {}
                Ok(news) => self.line.say(&HubFrame::News { news }).await?,
                Err(refusal) => self.refuse(None, refusal).await?,
            }
        }
        match self.seat.next_hand().await {
            Ok(commands) if commands.is_empty() => {}
            Ok(commands) => self.line.say(&HubFrame::Hand { commands }).await?,
            Err(refusal) => self.refuse(None, refusal).await?,
        }
        let outstanding = !self.seat.handed.is_empty() || self.seat.told.iter().any(|told| !told.is_empty());
        self.line.awaits(outstanding);
        Ok(())
    }

    async fn refuse(&mut self, req: Option<u32>, refusal: Refusal) -> Result<(), Ending> {
        let problem = match refusal {
            Refusal::Replaced => return Err(Ending::refuse(ErrorCode::LinkReplaced)),
            Refusal::Mismatch(mismatch) => {
                if let Some(req) = req {
                    self.line.say(&HubFrame::Mismatch { req, mismatch }).await?;
                }
                return Err(Ending::refuse(ErrorCode::LinkRestored));
            }
            Refusal::Refused(problem) => problem,
            Refusal::Failure(failure) => {
                // Nobody knows what of it was done, and what follows would build on it: the node comes back and asks.
                self.line.say(&HubFrame::Error { req, problem: failure.into() }).await?;
                return Err(Ending::Close(CloseCode::ResyncRequired));
            }
        };
        self.line.say(&HubFrame::Error { req, problem }).await
    }
}

/// A failure is no reason to end the link: the clock of the leases tries again.
async fn settle(hub: &Hub, host: protocol::id::DeviceId) {
    if let Err(error) = hub.settle_presence(host).await {
        tracing::warn!(%error, %host, "whether a host is there cannot be written yet");
    }
}
