//! A session that was there before: as long as it says the same, nothing acknowledged was lost.

use client::{Api, ApiError, Dialer, Remote};
use protocol::fact::SessionFact;
use protocol::fold::Transcript;
use protocol::id::SessionId;

use crate::world::{PATIENCE, Running, World};

/// A session, word for word.
#[derive(Debug, Clone)]
pub(crate) struct Canary {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) session: SessionId,
    song: Vec<String>,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

impl Canary {
    /// Makes the session.
    pub(crate) fn sing(world: &World, node: &Running) -> Self {
        let sent = world.run(&["send", "--agent", "demo", "--follow", "[[rate 1]] [[say I sing.]] [[words 5]]"]);
        assert_eq!(sent.code, Some(0), "{sent:?}");
        let session = sent.err.trim().parse().unwrap();
        let token = std::fs::read_to_string(world.data().join("local.token")).unwrap().trim().to_owned();
        let mut canary = Self { url: node.url().to_owned(), token, session, song: Vec::new() };
        canary.song = canary.listen().unwrap();
        assert!(canary.song.iter().any(|line| line.contains("I sing.")), "{:?}", canary.song);
        canary
    }

    /// The same session, found at another address.
    pub(crate) fn at(&self, url: &str, token: &str) -> Self {
        Self { url: url.to_owned(), token: token.to_owned(), ..self.clone() }
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(Remote::new(&self.url, Some(self.token.clone()), Dialer::tcp()).unwrap())
    }

    pub(crate) fn address(&self) -> String {
        self.url.strip_prefix("http://").unwrap().to_owned()
    }

    /// The canonical lines of a session.
    pub(crate) fn lines_of(&self, session: SessionId) -> Result<Vec<String>, ApiError> {
        runtime().block_on(async {
            let page = tokio::time::timeout(PATIENCE, self.api().transcript(session, None, 500)).await.unwrap()?;
            let mut transcript = Transcript::new();
            transcript.older(page.facts.iter().map(|raw| SessionFact::parse(raw.get().as_bytes()).unwrap()));
            Ok(transcript.canonical())
        })
    }

    fn listen(&self) -> Result<Vec<String>, String> {
        self.lines_of(self.session).map_err(|error| format!("the canary is not heard: {error:?}"))
    }

    /// Whether it still says the same.
    pub(crate) fn unharmed(&self) -> Result<(), String> {
        let now = self.listen()?;
        if now == self.song { Ok(()) } else { Err(format!("the canary says {now:?}")) }
    }
}
