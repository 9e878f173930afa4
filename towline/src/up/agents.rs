//! The agents that a host can run: what is installed, and the one that is built in.

use std::path::PathBuf;
use std::sync::Arc;

use host::agent::Agent;
use host::agent::acp::{AcpAgent, AcpOptions};
use host::agent::claude::{ClaudeAgent, ClaudeOptions};
use host::agent::codex::{CodexAgent, CodexOptions, NETWORK_PATIENCE};
use host::process::Environment;

use crate::config::Settings;
use crate::data_dir::DataDir;
use crate::env::Env;
use crate::output;

/// What agents may know of our environment: the short list, and what a person named.
pub(super) fn environment(env: &Env, named: &[String]) -> Environment {
    let mut environment = Environment::cleaned(env.all.iter().cloned());
    for entry in named {
        let (agent, name) = wish(entry);
        match (env.get(name), agent) {
            (Some(value), None) => environment = environment.with(name, value),
            // Whose it is gets it (`of_agent`).
            (Some(_), Some(_)) => {}
            (None, _) => {
                output::note(format!(
                    "There is no variable {name} here, so agents do not get it (--agent-env, `agents.environment`)."
                ));
            }
        }
    }
    environment
}

/// A variable that a person named, and the agent that alone gets it: `claude:NAME`, or `NAME` for all of them.
fn wish(entry: &str) -> (Option<&str>, &str) {
    entry.split_once(':').map_or((None, entry), |(agent, name)| (Some(agent), name))
}

/// What one agent may know: what all of them may, and what was named for it. A key for one agent must not go before the plan that another
/// one is logged in with.
fn of_agent(agent: &str, env: &Env, environment: &Environment, named: &[String]) -> Environment {
    let own = named.iter().map(|entry| wish(entry)).filter(|(whose, _)| *whose == Some(agent));
    own.filter_map(|(_, name)| Some((name, env.get(name)?)))
        .fold(environment.clone(), |environment, (name, value)| environment.with(name, value))
}

/// Every agent.
pub(crate) fn all(env: &Env, environment: &Environment, dir: &DataDir, settings: &Settings) -> Vec<Arc<dyn Agent>> {
    // Before the first start there is no data directory, and asking makes none.
    let made = dir.path().is_dir();
    let elsewhere = || env.home.clone().or_else(|| env.current_dir.clone()).unwrap_or_else(std::env::temp_dir);
    let probe_cwd: PathBuf = if made { dir.path().to_owned() } else { elsewhere() };
    let known_to = |agent: &str| of_agent(agent, env, environment, &settings.agent_env);
    let mut agents: Vec<Arc<dyn Agent>> = vec![
        Arc::new(ClaudeAgent::new(ClaudeOptions {
            id: "claude".to_owned(),
            program: "claude".into(),
            environment: known_to("claude"),
            extra_args: Vec::new(),
            allow_bypass: settings.bypass_modes_allowed,
            probe_cwd: probe_cwd.clone(),
        })),
        Arc::new(CodexAgent::new(CodexOptions {
            id: "codex".to_owned(),
            program: "codex".into(),
            environment: known_to("codex"),
            extra_args: Vec::new(),
            allow_bypass: settings.bypass_modes_allowed,
            cwd: probe_cwd.clone(),
            network_patience: NETWORK_PATIENCE,
        })),
    ];
    for agent in &settings.acp_agents {
        let [program, args @ ..] = agent.command.as_slice() else { continue };
        agents.push(Arc::new(AcpAgent::new(AcpOptions {
            id: agent.name.clone(),
            name: agent.name.clone(),
            program: program.into(),
            args: args.iter().map(Into::into).collect(),
            environment: known_to(&agent.name),
            allow_bypass: settings.bypass_modes_allowed,
            probe_cwd: probe_cwd.clone(),
            install_hint: None,
        })));
    }
    if let Some(program) = &env.program {
        agents.push(Arc::new(AcpAgent::new(AcpOptions {
            id: "demo".to_owned(),
            name: "Demo agent".to_owned(),
            program: program.into(),
            args: if made {
                vec!["demo-agent".into(), "--state-dir".into(), dir.demo().into()]
            } else {
                vec!["demo-agent".into()]
            },
            environment: environment.clone(),
            allow_bypass: settings.bypass_modes_allowed,
            probe_cwd,
            install_hint: None,
        })));
    }
    agents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_named_for_one_agent_reaches_no_other() {
        let all = [("PATH", "/bin"), ("KEY", "hush"), ("PROXY", "p"), ("OTHER", "o")];
        let env = Env { all: all.map(|(name, value)| (name.into(), value.into())).to_vec(), ..Env::read() };
        let named = ["opencode:KEY".to_owned(), "PROXY".to_owned(), "nobody:MISSING".to_owned()];
        let environment = environment(&env, &named);
        let of = |agent: &str| {
            let own = of_agent(agent, &env, &environment, &named);
            own.iter().map(|(name, _)| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of("claude"), ["PATH", "PROXY", "TERM"]);
        assert_eq!(of("opencode"), ["KEY", "PATH", "PROXY", "TERM"]);
    }
}
