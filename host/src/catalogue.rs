//! The live catalogue: what each agent of this host offers, asked at the start, now and then, and on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use protocol::agent_limits::AgentLimits;
use protocol::host::{AgentEntry, AgentState, HostContent, SlashCommand};
use protocol::id::ProjectId;
use protocol::limits::MAX_SLASH_COMMANDS;
use protocol::port::PortError;
use tokio::sync::Notify;

use crate::context::Context;
use crate::options::Options;
use crate::project::place;

pub(crate) use protocol::host::bypasses_approval;

/// First pause before an agent that did not answer is asked again; it doubles up to the usual one. A machine that is busy, as when
/// it has just started, must not keep an agent out for long.
const AGAIN: Duration = Duration::from_secs(15);

/// What the agents offer, as they last said.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// Held for moments only, never across an await.
    entries: Mutex<BTreeMap<String, AgentEntry>>,
    /// Somebody wants the agents asked now.
    pub(crate) asked: Notify,
    /// An agent has said something that the hub does not know yet.
    heard: Notify,
    /// Held while the hub is told, so that what is older never comes after what is newer; whether it did not take what it was told last.
    telling: tokio::sync::Mutex<bool>,
}

impl Catalogue {
    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, AgentEntry>> {
        // Entries are replaced whole, so a poisoned map is still a good one.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an agent last said of itself.
    pub(crate) fn entry(&self, agent: &str) -> Option<AgentEntry> {
        self.entries().get(agent).cloned()
    }

    /// Takes what an agent says of itself; returns whether that is news.
    fn learn(&self, agent: &str, mut entry: AgentEntry, project: Option<ProjectId>, options: &Options) -> bool {
        agent.clone_into(&mut entry.id);
        if let Some(program) = &mut entry.health.program {
            *program = place::display(Path::new(program.as_str()), options.home.as_deref());
        }
        if !options.bypass_modes_allowed {
            entry.modes.retain(|mode| !bypasses_approval(&mode.id));
        }
        let mut entries = self.entries();
        // Agents tell their limits with an answer only, not when they are asked what they are.
        let limits = entries.get(agent).and_then(|entry| entry.health.limits.clone());
        entry.health.limits = entry.health.limits.or(limits);
        let before = entries.get(agent).map(|entry| entry.commands.as_slice()).unwrap_or_default();
        entry.commands = match entry.state {
            // It may say so only after it was opened ([`Catalogue::learn_commands`]).
            AgentState::Ready if entry.commands.is_empty() => before.to_vec(),
            _ => commands(before, entry.commands, project),
        };
        if entries.get(agent) == Some(&entry) {
            return false;
        }
        entries.insert(agent.to_owned(), entry);
        true
    }

    /// Takes what an agent says of its vendor's limits in the middle of its work.
    pub(crate) fn learn_limits(&self, agent: &str, limits: AgentLimits) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(agent) else { return };
        if entry.health.limits.as_ref().is_none_or(|known| known.windows != limits.windows) {
            entry.health.limits = Some(limits);
            self.heard.notify_one();
        }
    }

    /// Takes what an agent says in the middle of its work of what it takes after a slash.
    pub(crate) fn learn_commands(&self, agent: &str, now: Vec<SlashCommand>, project: ProjectId) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(agent) else { return };
        let known = commands(&entry.commands, now, Some(project));
        if entry.commands != known {
            entry.commands = known;
            self.heard.notify_one();
        }
    }

    /// Whether every agent that was found answers.
    fn is_whole(&self) -> bool {
        self.entries().values().all(|entry| entry.state != AgentState::Broken)
    }

    /// What the host says of itself.
    pub(crate) fn about(&self, options: &Options) -> HostContent {
        HostContent {
            name: options.name.clone(),
            platform: options.platform.clone(),
            version: options.version.clone(),
            agents: self.entries().values().cloned().collect(),
            projects_root: options.projects_root.as_deref().map(|root| place::display(root, options.home.as_deref())),
        }
    }
}

/// Takes what an agent said of itself when it was opened, and tells the hub when that is news.
/// `project` says where it was opened: what it takes after a slash may be there only.
pub(crate) async fn learn(context: &Context, agent: &str, entry: AgentEntry, project: Option<ProjectId>) {
    let news = context.catalogue.learn(agent, entry, project, &context.options);
    if news || *context.catalogue.telling.lock().await {
        tell(context).await;
    }
}

/// Asks the agents now and then, until the host stops; sooner while one that is there does not answer, or the hub did not take what
/// they said.
pub(crate) async fn keep(context: &Context) {
    let usual = context.options.probe_every;
    let mut again = AGAIN;
    loop {
        probe(context).await;
        let well = context.catalogue.is_whole() && !*context.catalogue.telling.lock().await;
        let wait = if well { usual } else { again.min(usual) };
        again = if wait < usual { again.saturating_mul(2) } else { AGAIN };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = context.catalogue.asked.notified() => {}
        }
    }
}

/// Tells the hub what agents say in the middle of their work, until the host stops. What comes while it is told goes together.
pub(crate) async fn spread(context: &Context) {
    loop {
        context.catalogue.heard.notified().await;
        tell(context).await;
    }
}

/// What the processes of every probe of this host are tagged below, in all its lives: no note tells of a probe, and the next life
/// must find what this one left.
pub(crate) fn probe_tag(context: &Context) -> String {
    format!("probe/{}", context.me.host)
}

/// Asks every agent at once; each answer is told as it comes.
async fn probe(context: &Context) {
    let tag = &probe_tag(context);
    let mut asked: FuturesUnordered<_> =
        context.agents.iter().map(|(id, agent)| async move { (id, agent.probe(tag).await) }).collect();
    while let Some((id, entry)) = asked.next().await {
        learn(context, id, entry, None).await;
    }
}

/// What an agent takes after a slash, from what was known and what it says now: looked for outside of every project (`None`), or in
/// one.
fn commands(before: &[SlashCommand], now: Vec<SlashCommand>, project: Option<ProjectId>) -> Vec<SlashCommand> {
    let everywhere = |list: &[SlashCommand]| list.iter().filter(|command| command.project.is_none()).cloned().collect();
    let mut found: Vec<SlashCommand> =
        if project.is_none() || before.is_empty() { now.clone() } else { everywhere(before) };
    let common: BTreeSet<String> = found.iter().map(|command| command.name.clone()).collect();
    let own = now.into_iter().map(|command| SlashCommand { project, ..command });
    let others = before.iter().filter(|command| command.project.is_some() && command.project != project).cloned();
    found.extend(others.chain(own).filter(|command| !common.contains(&command.name)));
    found.truncate(MAX_SLASH_COMMANDS);
    found
}

async fn tell(context: &Context) {
    let mut refused = context.catalogue.telling.lock().await;
    let about = context.catalogue.about(&context.options);
    let told = context.port.update(context.me.generation, about).await;
    *refused = told.is_err();
    match told {
        Ok(()) => {}
        Err(error @ (PortError::Replaced { .. } | PortError::Broken { .. })) => context.fail(error),
        // The next probe tells it again.
        Err(error) => tracing::warn!(%error, "the hub did not take the catalogue"),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_only_a_project_has_is_its_own_and_stays_when_the_agent_is_asked_elsewhere() {
        let known = |names: &[&str]| -> Vec<SlashCommand> {
            let command = |name: &&str| SlashCommand {
                name: (*name).to_owned(),
                description: String::new(),
                hint: None,
                project: None,
            };
            names.iter().map(command).collect()
        };
        let project = |number: u128| Some(ProjectId::from_uuid(uuid::Uuid::from_u128(number)));
        let shown = |list: &[SlashCommand]| -> Vec<(String, Option<ProjectId>)> {
            list.iter().map(|command| (command.name.clone(), command.project)).collect()
        };
        let probed = commands(&[], known(&["compact"]), None);
        let opened = commands(&probed, known(&["compact", "deploy"]), project(1));
        assert_eq!(shown(&opened), [("compact".to_owned(), None), ("deploy".to_owned(), project(1))]);
        let other = commands(&opened, known(&["compact", "paint"]), project(2));
        let again = commands(&other, known(&["compact", "context"]), None);
        let expected = [("compact", None), ("context", None), ("deploy", project(1)), ("paint", project(2))];
        assert_eq!(shown(&again), expected.map(|(name, project)| (name.to_owned(), project)));
        let gone = commands(&again, known(&["compact", "context"]), project(1));
        assert_eq!(shown(&gone).len(), 3, "a skill that its project has no more goes");
        assert_eq!(shown(&commands(&[], known(&["compact"]), project(1))), [("compact".to_owned(), None)]);
    }

    #[test]
    fn what_is_told_after_the_opening_is_known_and_told_on_once() {
        let catalogue = Catalogue::default();
        let project = ProjectId::from_uuid(uuid::Uuid::from_u128(1));
        let plan = SlashCommand { name: "plan".to_owned(), description: String::new(), hint: None, project: None };
        let is_news = || catalogue.heard.notified().now_or_never().is_some();
        catalogue.learn_commands("nobody", vec![plan.clone()], project);
        assert!(!is_news());
        let entry: AgentEntry =
            serde_json::from_value(serde_json::json!({ "id": "a", "name": "A", "version": null, "state": "ready", "hint": null, "models": [], "modes": [] }))
                .unwrap();
        catalogue.entries().insert("a".to_owned(), entry);
        catalogue.learn_commands("a", vec![plan.clone()], project);
        assert!(is_news());
        assert_eq!(catalogue.entry("a").unwrap().commands, std::slice::from_ref(&plan));
        catalogue.learn_commands("a", vec![plan], project);
        assert!(!is_news(), "the same again is none");
    }

    #[test]
    fn modes_that_never_ask_are_known_however_an_agent_writes_them() {
        for mode in [
            "bypassPermissions",
            "BYPASS_PERMISSIONS",
            "dontAsk",
            "yolo",
            "YOLO-mode",
            "full-access",
            "agent-full-access",
            "full_access",
            "dangerously-skip-permissions",
            " bypassPermissions ",
        ] {
            assert!(bypasses_approval(mode), "{mode}");
        }
        for mode in ["default", "manual", "acceptEdits", "plan", "auto", "read-only", "ask", "code", "architect"] {
            assert!(!bypasses_approval(mode), "{mode}");
        }
    }
}
