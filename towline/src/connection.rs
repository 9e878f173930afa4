//! What a person at a terminal is told of the connection, beside what they asked for: that it is lost, is back, or goes a slow way.

use client::socket::Connection;
use tokio::sync::watch;

use crate::output::note;

/// What was last said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Lost,
    Slow,
}

/// Follows a socket until it ends, and says what changes. Cancellation safe.
pub(crate) async fn tell(mut state: watch::Receiver<Connection>) {
    let (mut said, mut live) = (Said::Nothing, false);
    loop {
        let words = {
            let now = state.borrow_and_update();
            news(&now, &mut said, &mut live)
        };
        if let Some(words) = words {
            note(words);
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

/// What is to be said now, if anything. A connection that was never there is not lost: whoever asked hears of that by themselves.
fn news(now: &Connection, said: &mut Said, live: &mut bool) -> Option<String> {
    match now {
        Connection::Live(welcome) => {
            *live = true;
            let back = std::mem::replace(said, if welcome.slow { Said::Slow } else { Said::Nothing });
            match (back, welcome.slow) {
                (Said::Slow, true) | (Said::Nothing, false) => None,
                (_, true) => Some(
                    "Something on the way lets no WebSocket through: what is new comes a few times a second."
                        .to_owned(),
                ),
                (_, false) => Some("The connection is back.".to_owned()),
            }
        }
        Connection::Waiting { why, .. } if *live && *said != Said::Lost => {
            *said = Said::Lost;
            Some(format!("The connection is lost, and is made again: {why}"))
        }
        Connection::Connecting | Connection::Waiting { .. } | Connection::Closed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use client::socket::Welcome;
    use protocol::id::{AccountId, DeviceId};
    use protocol::time::UnixMs;

    use super::*;

    fn live(slow: bool) -> Connection {
        let uuid = uuid::Builder::from_unix_timestamp_millis(7, &[1; 10]).into_uuid();
        Connection::Live(Welcome {
            account: AccountId::from_uuid(uuid),
            device: DeviceId::from_uuid(uuid),
            host: None,
            hub_at_ms: UnixMs(1),
            version: "0".to_owned(),
            slow,
        })
    }

    #[test]
    fn only_what_changes_is_said() {
        let waiting = || Connection::Waiting { pause: Duration::ZERO, why: "it broke".to_owned() };
        let (mut said, mut alive) = (Said::Nothing, false);
        let mut hear = |now: &Connection| news(now, &mut said, &mut alive).unwrap_or_default();
        assert_eq!([hear(&Connection::Connecting), hear(&waiting()), hear(&live(false))], ["", "", ""]);
        assert_eq!(hear(&waiting()), "The connection is lost, and is made again: it broke");
        assert_eq!([hear(&Connection::Connecting), hear(&waiting())], ["", ""]);
        assert_eq!(hear(&live(false)), "The connection is back.");
        assert!(hear(&live(true)).starts_with("Something on the way"));
        assert_eq!(hear(&live(true)), "");
        assert_eq!(hear(&live(false)), "The connection is back.");
    }
}
