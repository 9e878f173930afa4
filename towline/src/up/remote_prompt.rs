//! What happens on this machine when a prompt comes from another device: nothing, unless its owner asked for something (F-46, W-018).
//!
//! It is a reader of the account's feed like any other, so nothing here can hold up a prompt, and a machine without a screen loses nothing.

use std::collections::VecDeque;
use std::time::Duration;

use client::Api;
use client::socket::{Mailbox, Update};
use protocol::api::Me;
use protocol::command::{Command, CommandState};
use protocol::fact::FeedFact;
use protocol::id::CommandId;
use protocol::path::StreamPath;
use protocol::socket::From;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::reaction::{Prompt, Reaction};
use crate::error::{CommandError, Kind};
use crate::node::Node;

/// Messages of the feed that wait for us; beyond that the socket waits.
const ROOM: usize = 64;
/// How many prompts are remembered, so that none is told of twice.
const REMEMBERED: usize = 256;
/// Reactions at once; a prompt that comes while so many go on is passed over, and the log says so.
const AT_ONCE: usize = 4;
/// Pause before the feed is read anew.
const AGAIN: Duration = Duration::from_secs(2);

/// Reacts to prompts of other devices until the node stops.
pub(super) async fn react(node: Node, reaction: Reaction, stop: CancellationToken) {
    let mut begun = Begun::default();
    let mut running = JoinSet::new();
    while !stop.is_cancelled() {
        let followed = tokio::select! {
            () = stop.cancelled() => break,
            followed = follow(&node, &reaction, &mut begun, &mut running) => followed,
        };
        if let Err(error) = followed {
            tracing::debug!(?error, "prompts of other devices are not heard of for now");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
    // Each of them hears of the stop, and ends what it started.
    while running.join_next().await.is_some() {}
}

/// Reads the feed from where the lists stand.
async fn follow(
    node: &Node,
    reaction: &Reaction,
    begun: &mut Begun,
    running: &mut JoinSet<()>,
) -> Result<(), CommandError> {
    let me = node.me().await?;
    let lists = node.api.lists().await?;
    let socket = node.socket();
    let mailbox: Mailbox = socket.mailbox(ROOM);
    let closed = |error| CommandError::new(Kind::Unreachable, error);
    mailbox.subscribe(StreamPath::feed(me.account), From::Offset(lists.offset)).await.map_err(closed)?;
    let mut mailbox = mailbox;
    loop {
        let (_, update) = mailbox.next().await.map_err(closed)?;
        let messages = match update {
            Update::Batch { messages, .. } => messages,
            Update::Started { .. } => continue,
            Update::Ended { .. } | Update::Refused(_) => return Ok(()),
        };
        for raw in messages {
            let Ok(FeedFact::Command { id, value: Some(command), .. }) = FeedFact::parse(raw.get().as_bytes()) else {
                continue;
            };
            if !is_remote_prompt(&command, &me) || !begun.first(id) {
                continue;
            }
            while running.try_join_next().is_some() {}
            if running.len() >= AT_ONCE {
                tracing::warn!(command = %id, "a remote prompt was not told of: too many reactions go on");
                continue;
            }
            let (reaction, api) = (reaction.clone(), node.api.clone());
            running.spawn(async move { reaction.to(&about(&api, id, &command).await).await });
        }
    }
}

/// Whether it is a prompt that this machine has begun with, from a device that is not this machine's own.
fn is_remote_prompt(command: &Command, me: &Me) -> bool {
    me.host == Some(command.host)
        && command.sender.device != me.device
        && command.content.text.is_some()
        && (command.kind.makes_session() || command.kind == protocol::command::CommandKind::SendPrompt)
        && matches!(command.state, CommandState::Running | CommandState::Succeeded)
}

/// What is known of it; what cannot be asked is empty.
async fn about(api: &Api, id: CommandId, command: &Command) -> Prompt {
    let mut prompt = Prompt {
        command: id.to_string(),
        session: command.session.to_string(),
        device: command.sender.device.to_string(),
        // The devices of others are not known here, their names are.
        device_name: command.participant.as_ref().map(|by| by.name.clone()).unwrap_or_default(),
        text: command.content.text.clone().unwrap_or_default(),
        ..Prompt::default()
    };
    let Ok(lists) = api.lists().await else { return prompt };
    let mut project = None;
    let facts = || lists.facts.iter().filter_map(|raw| FeedFact::parse(raw.get().as_bytes()).ok());
    for fact in facts() {
        match fact {
            FeedFact::Session { id, value: Some(session), .. } if id == command.session => {
                prompt.title = session.content.title;
                prompt.agent = session.agent;
                project = Some(session.project);
            }
            FeedFact::Device { id, value: Some(device), .. } if id == command.sender.device => {
                prompt.device_name = device.content.name;
            }
            _ => {}
        }
    }
    for fact in facts() {
        if let FeedFact::Project { id, value: Some(value), .. } = fact
            && Some(id) == project
        {
            prompt.project = value.content.name;
        }
    }
    prompt
}

/// The prompts that were told of.
#[derive(Debug, Default)]
struct Begun(VecDeque<CommandId>);

impl Begun {
    /// Whether it is the first that is heard of it.
    fn first(&mut self, id: CommandId) -> bool {
        if self.0.contains(&id) {
            return false;
        }
        self.0.push_back(id);
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
        true
    }
}
