//! The node that runs on this machine, as the command line talks to it.

use std::collections::BTreeMap;
use std::time::Duration;

use client::socket::Options;
use client::{Api, Dialer, Remote, Socket};
use protocol::api::{CommandAck, Me};
use protocol::approval::Approval;
use protocol::command::{Command, CommandBody, CommandRequest, CommandState};
use protocol::device::Device;
use protocol::fact::FeedFact;
use protocol::host::{Host, Project};
use protocol::id::{ApprovalId, CommandId, DeviceId, ParticipantId, ProjectId, RuleId, SessionId};
use protocol::participant::Participant;
use protocol::rule::Rule;
use protocol::session::Session;
use protocol::time::Clock;

use crate::clock::SystemClock;
use crate::connection::tell;
use crate::data_dir::{DataDir, NodeFile};
use crate::error::{CommandError, Kind};
use crate::hubs::OtherHub;
use crate::near::did_you_mean;
use crate::output::Output;

/// Between two looks at a command that has not ended.
const LOOK: Duration = Duration::from_millis(50);

/// The running node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) api: Api,
    pub(crate) file: NodeFile,
    remote: Remote,
    out: Output,
    /// What `--hub` calls it, where it is not the one on this machine.
    elsewhere: Option<String>,
}

/// The account's lists, by id.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) hosts: BTreeMap<DeviceId, Host>,
    pub(crate) projects: BTreeMap<ProjectId, Project>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) commands: BTreeMap<CommandId, Command>,
    pub(crate) approvals: BTreeMap<ApprovalId, Approval>,
    pub(crate) rules: BTreeMap<RuleId, Rule>,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    pub(crate) participants: BTreeMap<ParticipantId, Participant>,
}

/// What to do when nothing runs.
pub(crate) fn not_running(dir: &DataDir) -> CommandError {
    CommandError::say(
        Kind::Unreachable,
        format!("Towline does not run with the data directory {}", dir.path().display()),
    )
    .hint("Start it with `towline up`.")
}

impl Node {
    /// Finds the node that runs with a data directory. Nothing is asked of it yet.
    pub(crate) fn find(dir: &DataDir, out: Output) -> Result<Self, CommandError> {
        let file = dir.node().ok_or_else(|| not_running(dir))?;
        let token = dir.token().map_err(|error| {
            CommandError::new(Kind::Denied, error)
                .during("cannot read the credential of the command line")
                .hint("Run this as the user who started Towline.")
        })?;
        let remote = Remote::new(&file.url, Some(token), Dialer::tcp()).map_err(|error| {
            CommandError::new(Kind::Config, error).hint("Start Towline again: it writes the file anew.")
        })?;
        Ok(Self { api: Api::new(remote.clone()), file, remote, out, elsewhere: None })
    }

    /// Another hub, by its credential there. Nothing is asked of it yet.
    pub(crate) fn other(hub: &OtherHub, out: Output) -> Result<Self, CommandError> {
        let remote = hub.file.remote().map_err(|words| {
            CommandError::say(Kind::Config, words).hint("Pair with it anew: towline pair with URL --code CODE")
        })?;
        let url = hub.file.url.clone();
        let file = NodeFile { url: url.clone(), public_url: url, pid: 0, version: String::new() };
        let elsewhere = Some(hub.name.clone());
        Ok(Self { api: Api::new(remote.clone()), file, remote, out, elsewhere })
    }

    /// Whether a machine is this one, whose directories can be looked at.
    pub(crate) fn is_here(&self, own: Option<DeviceId>, host: DeviceId) -> bool {
        self.elsewhere.is_none() && own == Some(host)
    }

    /// What stands behind a command of ours that is shown to be typed: which hub it is for.
    pub(crate) fn at(&self) -> String {
        self.elsewhere.as_ref().map(|name| format!(" --hub {name}")).unwrap_or_default()
    }

    /// Asks the node something; when it takes long, a person at a terminal sees that.
    pub(crate) async fn ask<T, E>(&self, asked: impl Future<Output = Result<T, E>>) -> Result<T, CommandError>
    where
        CommandError: From<E>,
    {
        Ok(self.out.waiting("Asking Towline", asked).await?)
    }

    /// Opens a socket to it.
    pub(crate) fn socket(&self) -> Socket {
        let seed = SystemClock.fresh().as_u128();
        let options = Options {
            client: format!("towline/{}", env!("CARGO_PKG_VERSION")),
            first_pause: Duration::from_millis(250),
            seed: u64::try_from(seed & u128::from(u64::MAX)).unwrap_or_default(),
        };
        let socket = Socket::open(self.remote.clone(), options);
        tokio::spawn(tell(socket.state()));
        socket
    }

    /// Who we are there, and which host is in that node, if one is.
    pub(crate) async fn me(&self) -> Result<Me, CommandError> {
        self.ask(self.api.me()).await
    }

    /// The account's lists.
    pub(crate) async fn known(&self) -> Result<Known, CommandError> {
        let mut known = Known::default();
        for raw in self.ask(self.api.lists()).await?.facts {
            let fact = FeedFact::parse(raw.get().as_bytes()).map_err(|error| CommandError::new(Kind::Bug, error))?;
            match fact {
                FeedFact::Host { id, value: Some(value), .. } => drop(known.hosts.insert(id, value)),
                FeedFact::Project { id, value: Some(value), .. } => drop(known.projects.insert(id, value)),
                FeedFact::Session { id, value: Some(value), .. } => drop(known.sessions.insert(id, value)),
                FeedFact::Command { id, value: Some(value), .. } => drop(known.commands.insert(id, value)),
                FeedFact::Approval { id, value: Some(value), .. } => drop(known.approvals.insert(id, value)),
                FeedFact::Rule { id, value: Some(value), .. } => drop(known.rules.insert(id, value)),
                FeedFact::Device { id, value: Some(value), .. } => drop(known.devices.insert(id, value)),
                FeedFact::Participant { id, value: Some(value), .. } => drop(known.participants.insert(id, value)),
                _ => {}
            }
        }
        Ok(known)
    }

    /// Sends a command to the host; it is on disk when this returns.
    pub(crate) async fn send(&self, host: DeviceId, body: CommandBody) -> Result<CommandAck, CommandError> {
        self.send_for(host, body, None).await
    }

    /// Sends a command that may wait so long for its host; `None` is what the hub thinks right.
    pub(crate) async fn send_for(
        &self,
        host: DeviceId,
        body: CommandBody,
        keep: Option<Duration>,
    ) -> Result<CommandAck, CommandError> {
        self.submit(host, body, keep, None).await
    }

    /// Sends a command that is another try of one that is over.
    pub(crate) async fn send_again(
        &self,
        host: DeviceId,
        body: CommandBody,
        keep: Option<Duration>,
        old: CommandId,
    ) -> Result<CommandAck, CommandError> {
        self.submit(host, body, keep, Some(old)).await
    }

    async fn submit(
        &self,
        host: DeviceId,
        body: CommandBody,
        keep: Option<Duration>,
        retry_of: Option<CommandId>,
    ) -> Result<CommandAck, CommandError> {
        body.validate().map_err(|error| {
            CommandError::new(Kind::Usage, error).hint("Correct it; `towline send --help` says what can be sent.")
        })?;
        let id = CommandId::from_uuid(SystemClock.fresh());
        let ttl_ms = keep.map(|keep| u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
        self.ask(self.api.send(&CommandRequest { id, host, ttl_ms, retry_of, body })).await
    }

    /// Waits until a command has ended, at most as long as it may wait.
    pub(crate) async fn ended(&self, command: CommandId) -> Result<CommandAck, CommandError> {
        loop {
            let ack = self.api.command(command).await?;
            if ack.state.is_final() {
                return Ok(ack);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends a command and waits until it has succeeded.
    pub(crate) async fn done(&self, host: DeviceId, body: CommandBody) -> Result<CommandAck, CommandError> {
        let ack = self.send(host, body).await?;
        let limit = Duration::from_millis(protocol::limits::ACK_TIMEOUT_MS);
        let ended = tokio::time::timeout(limit, self.ended(ack.command));
        let ended = self.out.waiting("Waiting for the host", ended).await;
        let ended = ended.unwrap_or_else(|_| {
            Err(CommandError::say(Kind::No, "the host has not taken the command yet")
                .hint(format!("It waits as {}; see `towline commands`.", ack.command)))
        })?;
        succeeded(&ended)?;
        Ok(ended)
    }
}

/// Whether a command that has ended succeeded; why not, if it did not.
pub(crate) fn succeeded(ack: &CommandAck) -> Result<(), CommandError> {
    if ack.state == CommandState::Succeeded {
        return Ok(());
    }
    let code = ack.error.unwrap_or(match ack.state {
        CommandState::Expired => protocol::error::ErrorCode::Expired,
        _ => protocol::error::ErrorCode::HostLost,
    });
    let mut problem = protocol::error::Problem::new(code);
    problem.detail.clone_from(&ack.detail);
    Err(CommandError::from(problem))
}

impl Known {
    /// The session that a person means: `last`, an id, a title, or the beginning of a title that no other begins with.
    pub(crate) fn session(&self, text: &str) -> Result<SessionId, CommandError> {
        if text == "last" {
            let newest = self.sessions.iter().max_by_key(|(id, session)| (session.updated_at_ms, **id));
            return newest.map(|(id, _)| *id).ok_or_else(|| {
                CommandError::say(Kind::No, "there is no session yet").hint("Start one: towline send \"…\"")
            });
        }
        if text.starts_with("ses_") {
            return text.parse().map_err(|error: protocol::id::ParseIdError| {
                CommandError::new(Kind::Usage, error).hint("`towline sessions` lists them; `last` is the newest.")
            });
        }
        let wanted = text.trim().to_lowercase();
        let titled = |fits: fn(&str, &str) -> bool| -> Vec<SessionId> {
            let all = self.sessions.iter();
            all.filter(|(_, session)| fits(&session.content.title.to_lowercase(), &wanted)).map(|(id, _)| *id).collect()
        };
        let mut found = titled(|title, wanted| title == wanted);
        if found.is_empty() && !wanted.is_empty() {
            found = titled(|title, wanted| title.starts_with(wanted));
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => {
                let names = self.sessions.values().map(|session| session.content.title.as_str()).chain(["last"]);
                let error = CommandError::say(Kind::Usage, format!("there is no session called `{text}`"));
                let error = did_you_mean(text, names).into_iter().fold(error, CommandError::hint);
                Err(error.hint("`towline sessions` lists them; `last` is the newest."))
            }
            several => {
                let error = CommandError::say(Kind::Usage, format!("several sessions are called `{text}`"));
                let shown = several.iter().take(5).map(|id| {
                    let title = self.sessions.get(id).map(|session| session.content.title.as_str()).unwrap_or_default();
                    format!("{id}  {title}")
                });
                Err(shown.fold(error, CommandError::hint))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_what_a_person_remembers_of_it() {
        let id =
            |number: u8| SessionId::from_uuid(uuid::Builder::from_unix_timestamp_millis(7, &[number; 10]).into_uuid());
        let mut known = Known::default();
        assert_eq!(known.session("last").unwrap_err().kind, Kind::No);
        for (number, title) in [(1, "Fix the gauge"), (2, "Fix the tests"), (3, "Fix"), (4, "Write docs")] {
            let session: Session = serde_json::from_value(serde_json::json!({
                "v": 1, "account": id(9).to_string().replace("ses", "acc"), "host": id(9).to_string().replace("ses", "dev"),
                "project": id(9).to_string().replace("ses", "prj"), "agent": "demo", "model": null, "mode": null,
                "activity": "idle", "lastTurn": null, "queuedTurns": 0, "createdAtMs": 1, "updatedAtMs": number,
                "archivedAtMs": null, "endedTurns": 0, "content": {"title": title, "doing": null},
            }))
            .unwrap();
            known.sessions.insert(id(number), session);
        }
        let found = |text: &str| known.session(text).map_err(|error| error.hints);
        assert_eq!(found("last"), Ok(id(4)));
        assert_eq!(found(&id(2).to_string()), Ok(id(2)));
        assert_eq!(found("fix"), Ok(id(3)), "the whole title goes before the beginning of others");
        assert_eq!(found("Write"), Ok(id(4)));
        assert_eq!(found("fix the").unwrap_err().len(), 2);
        assert_eq!(found("Fix the guage").unwrap_err()[0], "Did you mean `Fix the gauge`?");
        assert_eq!(found("lst").unwrap_err()[0], "Did you mean `last`?");
        assert!(found("ses_1").is_err() && found("").is_err());
    }
}
