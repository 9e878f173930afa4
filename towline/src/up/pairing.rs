//! Letting devices in: codes that are renewed while nobody is paired, and the question at the terminal.

use std::collections::VecDeque;
use std::time::Duration;

use hub::Hub;
use protocol::api::{NewPairing, PairingClaim, PairingOffer};
use protocol::device::DeviceKind;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio_util::sync::CancellationToken;

use super::screen;
use crate::listen::policy::Public;
use crate::output;
use crate::verbs::{claim_line, is_yes};

/// How often is looked whether somebody came in, while nobody is in yet.
const LOOK: Duration = Duration::from_secs(2);

/// Who is at the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// A program, which has had its one line.
    Program,
    /// Somebody who reads and cannot type.
    Reader,
    /// Somebody who can be asked.
    Person,
}

/// The door of a node.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) hub: Hub,
    pub(super) url: String,
    pub(super) public: Option<Public>,
    /// Whether the first claim is let in by itself.
    pub(super) once: bool,
    /// Who is at the terminal.
    pub(super) audience: Audience,
    pub(super) offer: Option<PairingOffer>,
    /// Whether somebody is in, as far as is known.
    pub(super) paired: bool,
    /// Whether it was said that there is no code.
    pub(super) complained: bool,
}

impl Door {
    /// Whether a browser or program is enrolled; unknown counts as yes, so that no code is shown without need.
    pub(super) async fn is_paired(&self) -> bool {
        let devices = self.hub.device_list(self.hub.account()).await;
        devices.map_or(true, |list| list.devices.iter().any(|row| row.about.kind != DeviceKind::Node))
    }

    /// Makes a code, if nobody is in yet.
    pub(super) async fn renew(&mut self) {
        self.offer = None;
        self.paired = self.is_paired().await;
        if !self.paired {
            self.make().await;
        }
    }

    async fn make(&mut self) {
        match self.hub.offer_at_terminal(NewPairing { once: self.once }).await {
            Ok(offer) => (self.offer, self.complained) = (Some(offer), false),
            // Others make codes as well; when some of them are over there is a new one.
            Err(problem) if !std::mem::replace(&mut self.complained, true) => {
                output::note(format!("There is no pairing code now: {problem}. {}", problem.hint));
            }
            Err(problem) => tracing::debug!(%problem, "there is still no pairing code"),
        }
    }

    fn show(&self) {
        if let Some(offer) = self.offer.as_ref().filter(|_| self.audience != Audience::Program) {
            output::note(screen::code(
                &self.url,
                self.public,
                self.audience == Audience::Person,
                offer,
                self.hub.now(),
            ));
        }
    }

    /// Answers for as long as the node runs.
    pub(super) async fn keep(mut self, stop: CancellationToken) {
        let mut claims = self.hub.pairing_claims();
        let mut lines: Option<Lines<BufReader<Stdin>>> =
            (self.audience == Audience::Person).then(|| BufReader::new(tokio::io::stdin()).lines());
        // One question at a time: an answer is for the claim that was shown, whatever came in since.
        let mut asking: VecDeque<PairingClaim> = VecDeque::new();
        loop {
            let looks = !self.paired;
            tokio::select! {
                () = stop.cancelled() => return,
                claim = claims.next() => match claim {
                    Ok(Some(claim)) => {
                        if asking.is_empty() || self.audience != Audience::Person {
                            self.tell(&claim);
                        }
                        if self.audience == Audience::Person {
                            asking.push_back(claim);
                        }
                    }
                    Ok(None) => return,
                    Err(problem) => {
                        tracing::warn!(%problem, "claims cannot be read");
                        tokio::time::sleep(LOOK).await;
                    }
                },
                line = typed(&mut lines), if lines.is_some() => match (line, asking.pop_front()) {
                    (None, _) => lines = None,
                    (Some(line), Some(claim)) => {
                        self.answer(&claim, is_yes(&line)).await;
                        if let Some(next) = asking.front() {
                            self.tell(next);
                        }
                    }
                    (Some(_), None) => {
                        self.make().await;
                        self.show();
                    }
                },
                () = tokio::time::sleep(LOOK), if looks => self.look().await,
            }
        }
    }

    fn tell(&self, claim: &PairingClaim) {
        output::note(format!("\nA device asks to be let in: {}", claim_line(claim)));
        if self.audience == Audience::Person {
            output::ask("Let it in? [y/N] ");
        } else {
            let pairing = claim.pairing;
            output::note(format!(
                "Let it in with `towline pair allow {pairing}`, or refuse it with `towline pair deny {pairing}`."
            ));
        }
    }

    async fn answer(&mut self, claim: &PairingClaim, allow: bool) {
        match self.hub.answer_pairing(&self.hub.node_identity(), claim.pairing, allow).await {
            Ok(()) if allow => output::note(format!("{} is in.", claim.name)),
            Ok(()) => output::note(format!("{} was refused.", claim.name)),
            Err(problem) => output::note(format!("{problem}. {}", problem.hint)),
        }
        self.renew().await;
        self.show();
    }

    /// While a code is out: whether somebody came in with it, or it is over.
    async fn look(&mut self) {
        self.paired = self.is_paired().await;
        if self.paired {
            self.offer = None;
            if self.audience != Audience::Program {
                output::note("  A device is in. For one more: `towline pair`.");
            }
        } else if self.offer.as_ref().is_none_or(|offer| offer.expires_at_ms <= self.hub.now()) {
            self.make().await;
            self.show();
        }
    }
}

/// The next line that was typed; `None` when there will be none.
async fn typed(lines: &mut Option<Lines<BufReader<Stdin>>>) -> Option<String> {
    lines.as_mut()?.next_line().await.ok().flatten()
}
