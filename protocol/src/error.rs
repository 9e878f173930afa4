//! Error codes: one closed, alphabetical list for every door, and the problem body that carries them (RFC 9457).

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $retryable:literal, $title:literal, $hint:literal;)*) => {
        /// What went wrong, stable for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ts_rs::TS)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// Every code, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Whether the same request may succeed later without a change.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)* }
            }

            /// What happened, in a few words for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What to do next, when nothing better is known.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)* }
            }
        }
    };
}

codes! {
    /// The agent ended before it took the prompt.
    AgentDied = 502, true, "The agent ended before it took the prompt", "Send the prompt again; if it happens again, run the agent by hand on the host and see what it says.";
    /// The agent could not be started just now.
    AgentNotStarted = 503, true, "The agent could not be started", "Nothing was run. Towline has tried it three times; start the agent by hand on the host and see what it says, then send it again.";
    /// The agent is not installed, or does not start.
    AgentUnavailable = 409, false, "This agent cannot be started on the host", "Install it or log in to it on the host, or choose another agent.";
    /// Somebody has tried the command again.
    AlreadyRetried = 409, false, "This was sent again already", "Look at the newer one; nothing was sent twice.";
    /// What was asked is not what was shown to whoever consented.
    ApprovalChanged = 409, false, "What was asked has changed meanwhile", "Nothing was allowed. Look at what is asked now, and answer that.";
    /// The approval was answered already, or its agent is gone.
    ApprovalNotPending = 409, false, "This question is no longer open", "Look at the session: it shows who answered, or that the agent has gone on.";
    /// A file of a prompt is not there.
    AttachmentMissing = 409, false, "A file of this prompt is no longer there", "Attach the file again.";
    /// An invalid request body.
    BadRequest = 400, false, "The request is not understood", "Compare the request with the protocol reference.";
    /// The body or frame is larger than the limit.
    BodyTooLarge = 413, false, "This is larger than what is taken", "Send less at a time.";
    /// The command id was used for something else.
    CommandConflict = 409, false, "This command id was used for another command", "Mint a new id for a new command.";
    /// The command cannot be taken back any more.
    CommandNotCancellable = 409, false, "The command has started or ended", "Stop the turn instead.";
    /// The command's id is older than what the hub remembers of commands that ended.
    CommandTooOld = 409, false, "This was made too long ago to know whether it ran", "Look whether it ran, and send it under a new id if not. Was it made just now? Then set the clock of the device that made it.";
    /// The disk of the hub is full.
    DiskFull = 507, true, "The disk is full", "Free some space in the data directory's file system; nothing that was acknowledged is lost.";
    /// The command expired before it started.
    Expired = 409, false, "The command expired before the host took it", "Send it again, with a longer life if the host sleeps.";
    /// The device may not do this.
    Forbidden = 403, false, "This device may not do that", "Use a device with that right, or have the right given to this one.";
    /// The host vanished in the middle.
    HostLost = 503, true, "The host vanished before it could say", "See whether Towline still runs on the host.";
    /// The name in the Host header is not one of this server's.
    HostNotAllowed = 421, false, "This server is not known by that name", "Open it by the address that `towline up` printed.";
    /// The device of the host was revoked before the command ended.
    HostRevoked = 409, false, "The host was revoked", "Send it to another host, or link this one again: `towline link add` on it.";
    /// A bug of ours.
    Internal = 500, true, "Something went wrong inside Towline", "Try again; if it stays, send the request id and the log to the people who make it.";
    /// A field of a command is not usable.
    Invalid = 422, false, "The command has a part that cannot be used", "Correct the part that the detail names.";
    /// The lease was lost before the command began.
    LeaseLost = 409, true, "The host ended each time before it began with this", "Nothing was run. See why Towline ends on the host (`towline logs`), then send it again.";
    /// Two nodes with the same key and generation.
    LinkCloned = 409, false, "Another copy of this node's disk is linked to the hub", "Use only one of the two; give the other a data directory of its own and link it anew.";
    /// A newer start of the node is linked.
    LinkReplaced = 409, true, "A newer start of this node is linked to the hub", "Nothing, if that is so; otherwise stop the other one.";
    /// What the node has does not fit what the hub has.
    LinkRestored = 409, false, "This node's disk is older than what the hub has of it", "See `towline link ls`: restore the newer disk, or link this one anew as another machine.";
    /// The file is of a kind that is not taken.
    MediaUnsupported = 415, false, "Files of this kind are not taken", "Attach a PNG, JPEG, GIF or WebP image, or text in UTF-8.";
    /// The permission mode is not allowed from afar.
    ModeNotAllowed = 403, false, "This permission mode may not be chosen from afar", "Allow it in the host's configuration, or choose a mode that asks.";
    /// The model is not in the agent's catalogue.
    ModelUnavailable = 409, false, "The agent does not have this model", "Choose a model from the host's catalogue.";
    /// The host makes no projects.
    NewProjectsOff = 409, false, "This machine makes no new projects", "Choose a project that is there, or set `host.projects_root` on the machine: `towline config edit`.";
    /// There is no such thing, or this device may not know of it.
    NotFound = 404, false, "There is no such thing here", "Check the id; it may have been deleted.";
    /// The offset is older than what is kept.
    OffsetGone = 410, false, "What was at this offset is no longer kept", "Start again from the snapshot.";
    /// The offset is not a position of the stream.
    OffsetInvalid = 400, false, "This offset is not a position of the stream", "Read the stream from its start, or from its snapshot.";
    /// The page that sent the request is of another origin.
    OriginNotAllowed = 403, false, "Requests from that page are not taken", "Open Towline by the address that `towline up` printed.";
    /// The pairing code is wrong, used or expired.
    PairingInvalid = 403, false, "This code is not valid", "Ask the host for a new code: `towline pair`.";
    /// The pairing was refused on the host.
    PairingRejected = 403, false, "The host refused this device", "Ask the person at the host.";
    /// A directory with the name of the new project is there.
    ProjectExists = 409, false, "There is a directory with this name already", "Choose another name, or start the session in that project.";
    /// The directory is not allowed, or not there.
    ProjectUnavailable = 409, false, "This project cannot be used", "See on the host whether its directory is still there and inside the allowed roots.";
    /// Too many commands wait for the host.
    QueueFull = 429, true, "Too many commands wait for this host or this chat", "Wait until some have started, or take some back.";
    /// The account keeps too many files.
    QuotaExceeded = 507, false, "There is no room for more files", "Delete sessions whose files are no longer needed, or wait until unfinished uploads have run out.";
    /// Too many requests.
    RateLimited = 429, true, "Too many tries", "Wait as long as Retry-After says.";
    /// Remote access is switched off.
    RemoteAccessDisabled = 403, true, "Remote access is switched off on this machine", "Switch it on at the machine itself: `towline access on`, or under Devices in a browser there.";
    /// The reader was too slow.
    ResyncRequired = 409, true, "The connection could not keep up", "Connect again from the last offset; nothing is lost.";
    /// The session exists already with another body.
    SessionExists = 409, false, "A session with this id exists", "Mint a new id for a new session.";
    /// The hub is shutting down.
    ShuttingDown = 503, true, "Towline is shutting down here", "Connect again in a moment.";
    /// The store failed.
    StoreBroken = 503, false, "The disk failed, so nothing more is taken", "Look at the disk and restart Towline; nothing that was acknowledged is lost.";
    /// The turn has begun, so its prompt cannot be changed.
    TurnStarted = 409, false, "This prompt no longer waits: it has begun or ended", "Send another prompt, or stop the turn.";
    /// No credential, or one that is not valid any more.
    Unauthenticated = 401, false, "This device is not enrolled here", "Pair it: run `towline pair` on the host and enter the code.";
    /// The kind is not known.
    Unsupported = 422, false, "This kind of command is not known here", "Update Towline on the side that is older.";
    /// The versions do not overlap.
    UpgradeRequired = 426, false, "One side is too old to talk to the other", "Update the older side.";
    /// The piece does not begin where the upload stands.
    UploadOffset = 409, true, "The upload stands somewhere else", "Go on from the offset that the header Upload-Offset of this answer names.";
}

/// The body of an error over HTTP, and in an `error` frame of the socket: `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The code.
    pub code: ErrorCode,
    /// What happened, in a few words for people.
    pub title: String,
    /// What happened this time; null when the title says it all.
    pub detail: Option<String>,
    /// What to do next.
    pub hint: String,
    /// The request, for the log; null where there is none.
    pub request_id: Option<String>,
}

impl Problem {
    /// The problem of a code, with its own title and hint.
    pub fn new(code: ErrorCode) -> Self {
        Self {
            status: code.status(),
            code,
            title: code.title().to_owned(),
            detail: None,
            hint: code.hint().to_owned(),
            request_id: None,
        }
    }

    /// Says what happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says what to do next, better than the code's own hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{}: {detail}", self.title),
            None => f.write_str(&self.title),
        }
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_alphabetical() {
        let names: Vec<_> = ErrorCode::ALL.iter().map(|code| format!("{code:?}")).collect();
        assert!(names.is_sorted(), "{names:?}");
    }

    #[test]
    fn every_code_has_a_client_or_server_status_a_title_and_a_next_step() {
        for code in ErrorCode::ALL {
            assert!((400..600).contains(&code.status()), "{code:?}");
            assert!(!code.title().is_empty() && !code.title().ends_with('.'), "{code:?}");
            assert!(code.hint().ends_with('.'), "{code:?}");
        }
    }
}
