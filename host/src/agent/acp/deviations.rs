//! What published agents do otherwise than the protocol says, and where that is met. Found with the real programs against the fake model
//! server, and in their recordings.
//!
//! * Gemini CLI 0.61 — tells of a call first in its request for permission, and no more of one that was refused (`mapper.rs`: the request is
//!   the call's beginning; what is refused settles with its turn). Does not understand that a file is missing when its client says so, and
//!   then writes no new file: it is told that we do not read (here). Passes on its server's JSON as an error's message (`mapper.rs`). Loads no
//!   conversation in the minute in which an earlier process of it went on with the same one: it has written over its own record. That cannot
//!   be mended from outside; it is told as a session that was not saved.
//! * OpenCode 1.18 — has written a file itself when it asks its client to (`shown.rs`: what changes nothing is not shown), and did so before
//!   there was a client that could. Told to stop while it waits to ask its model again, it ends the turn as if it were done (`turns.rs`).
//! * Codex ACP 2.6 — tells of a failure of its server as the agent's own words, and ends the turn as if it were done; a refusal ends the turn
//!   as cancelled. Both are shown as they come.
//! * Claude Agent ACP 0.100 — has no `session/set_model`: its models are a configuration option (`choices.rs`).

use serde_json::Value;

use crate::agent::words::text;

/// Whether an agent must do its own reading.
pub(super) fn must_read_itself(hello: &Value) -> bool {
    hello.get("agentInfo").is_some_and(|info| text(info, "name") == "gemini-cli")
}
