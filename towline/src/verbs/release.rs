//! `commands release`: the owner's word about a participant's message.

use protocol::api::CommandRelease;

use super::commands::{found, said};
use super::pair::asked;
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::node::Node;
use crate::output::{self, Output, printable};

/// Lets a participant's message run, once a person has seen all of it. The hub refuses when its words are others by then, and without a
/// look it lets through only what stands as it was sent.
pub(super) async fn release(node: &Node, wanted: &str, yes: bool, env: &Env, out: Output) -> Result<(), CommandError> {
    let known = node.known().await?;
    let id = found(&known, wanted)?;
    let Some((command, by)) = known.commands.get(&id).and_then(|it| Some((it, it.participant.as_ref()?))) else {
        return Err(CommandError::say(
            Kind::No,
            format!("{id} is no message of a participant, and waits for nobody's word"),
        )
        .hint("`towline commands` says what each one waits for."));
    };
    if !yes {
        let title = known.sessions.get(&command.session).map(|session| session.content.title.as_str());
        let text = command.content.text.as_deref().unwrap_or_default();
        let title = title.unwrap_or_default();
        output::note(printable(&format!(
            "{} asks in \"{title}\" on {}:\n\n{text}\n",
            by.name,
            known.called(command.host)
        )));
        if !env.stdin_is_terminal {
            return Err(CommandError::say(Kind::Usage, "this runs on your machine, and nobody can be asked here")
                .hint("Say it: --yes."));
        }
        if !asked("Let it run? [y/N] ").await? {
            return out.line(format!("It still waits. Refuse it: towline commands cancel {id}{}", node.at()));
        }
    }
    // Whoever was not asked may have read other words: of a message that was changed after it was sent the hub wants to hear which.
    let shown = CommandRelease { updated_at_ms: (!yes).then_some(command.updated_at_ms) };
    said(node.ask(node.api.release(id, shown)).await?, "released", out)
}
