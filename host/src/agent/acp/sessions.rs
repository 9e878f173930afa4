//! How a session with an agent begins, goes on and is forked: in whichever way the agent offers.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::codec::{self, Call};
use super::mapper::AcpMapper;
use super::turns::AUTH_REQUIRED;
use super::{AcpAgent, STEP};
use crate::agent::link::{Link, Refusal};
use crate::agent::words::{list, maybe, text};
use crate::agent::{OpenError, OpenSpec};

/// Longest that loading an old session may take: some agents tell all of it again.
const LOAD: Duration = Duration::from_mins(1);
/// Longest that it may take to find out whether the agent still has a session.
const LOOK: Duration = Duration::from_secs(10);
/// Most pages of its list that are looked at.
const PAGES: usize = 50;

/// Where an agent's greeting offers what not every agent has.
const RESUME: &str = "/agentCapabilities/sessionCapabilities/resume";
const LOAD_SESSION: &str = "/agentCapabilities/loadSession";
const LIST: &str = "/agentCapabilities/sessionCapabilities/list";
pub(super) const FORK: &str = "/agentCapabilities/sessionCapabilities/fork";

pub(super) fn offers(hello: &Value, path: &str) -> bool {
    hello.pointer(path).is_some_and(|offer| !matches!(offer, Value::Null | Value::Bool(false)))
}

impl AcpAgent {
    /// Begins a session, or goes on with one.
    pub(super) async fn session(
        &self,
        link: &Link<AcpMapper>,
        hello: &Value,
        spec: &OpenSpec,
        fork: bool,
    ) -> Result<String, OpenError> {
        let cwd = spec.cwd.to_string_lossy();
        let not_saved = |session: &str| OpenError::NotSaved { program: self.program(), session: session.to_owned() };
        let Some(session) = &spec.resume else {
            return match self.begun(link, &codec::new_session(&cwd), STEP).await? {
                Ok(session) => {
                    *self.defaults() = link.with(|mapper| mapper.offer.defaults());
                    Ok(session)
                }
                Err(refusal) => Err(self.refused(hello, refusal)),
            };
        };
        if fork {
            if !offers(hello, FORK) {
                return Err(self.no_fork("it cannot go on from another conversation"));
            }
            // Some agents tell the old conversation again, under the new id.
            link.with(|mapper| mapper.loading = true);
            let forked = match self.begun(link, &codec::fork_session(session, &cwd), LOAD).await? {
                Ok(forked) => forked,
                Err(refusal) => {
                    return Err(match self.has(link, hello, session, &cwd).await {
                        Some(false) => not_saved(session),
                        _ => self.refused(hello, refusal),
                    });
                }
            };
            link.with(|mapper| mapper.loading = false);
            return Ok(forked);
        }
        let call = if offers(hello, RESUME) {
            codec::resume_session(session, &cwd)
        } else if offers(hello, LOAD_SESSION) {
            codec::load_session(session, &cwd)
        } else {
            return Err(not_saved(session));
        };
        link.with(|mapper| {
            mapper.loading = true;
            mapper.session = Some(session.clone());
        });
        match self.step(link, &call, LOAD).await? {
            Ok(result) => link.with(|mapper| {
                mapper.loading = false;
                mapper.offer.opened(&result);
            }),
            Err(refusal) if refusal.code == Some(AUTH_REQUIRED) => return Err(self.logged_out(hello, &refusal)),
            Err(refusal) => {
                return Err(match self.has(link, hello, session, &cwd).await {
                    // It is not lost: another prompt tries again.
                    Some(true) => self.failed(refusal.message),
                    _ => not_saved(session),
                });
            }
        }
        Ok(session.clone())
    }

    /// Asks for a session that has no id yet.
    async fn begun(
        &self,
        link: &Link<AcpMapper>,
        call: &Call,
        limit: Duration,
    ) -> Result<Result<String, Refusal>, OpenError> {
        let result = match self.step(link, call, limit).await? {
            Ok(result) => result,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let session = maybe(&result, "sessionId").ok_or_else(|| self.failed("it gave its session no id".to_owned()))?;
        link.with(|mapper| {
            mapper.session = Some(session.clone());
            mapper.offer.opened(&result);
        });
        Ok(Ok(session))
    }

    fn refused(&self, hello: &Value, refusal: Refusal) -> OpenError {
        match refusal.code {
            Some(AUTH_REQUIRED) => self.logged_out(hello, &refusal),
            _ => self.failed(refusal.message),
        }
    }

    /// Whether the agent lists a session among those that it has; `None` when it does not say.
    async fn has(&self, link: &Link<AcpMapper>, hello: &Value, session: &str, cwd: &str) -> Option<bool> {
        if !offers(hello, LIST) {
            return None;
        }
        let look = async {
            let mut cursor = None;
            for _ in 0..PAGES {
                let call = codec::list_sessions(cwd, cursor.as_deref());
                let page = self.step(link, &call, LOOK).await.ok()?.ok()?;
                if list(&page, "sessions").iter().any(|known| text(known, "sessionId") == session) {
                    return Some(true);
                }
                cursor = maybe(&page, "nextCursor");
                if cursor.is_none() {
                    return Some(false);
                }
            }
            None
        };
        timeout(LOOK, look).await.ok().flatten()
    }
}
