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
    for name in named {
        match env.get(name) {
            Some(value) => environment = environment.with(name, value),
            None => {
                output::note(format!(
                    "There is no variable {name} here, so agents do not get it (--agent-env, `agents.environment`)."
                ));
            }
        }
    }
    environment
}

/// Every agent.
pub(crate) fn all(env: &Env, environment: &Environment, dir: &DataDir, settings: &Settings) -> Vec<Arc<dyn Agent>> {
    // Before the first start there is no data directory, and asking makes none.
    let made = dir.path().is_dir();
    let elsewhere = || env.home.clone().or_else(|| env.current_dir.clone()).unwrap_or_else(std::env::temp_dir);
    let probe_cwd: PathBuf = if made { dir.path().to_owned() } else { elsewhere() };
    let mut agents: Vec<Arc<dyn Agent>> = vec![
        Arc::new(ClaudeAgent::new(ClaudeOptions {
            id: "claude".to_owned(),
            program: "claude".into(),
            environment: environment.clone(),
            extra_args: Vec::new(),
            allow_bypass: settings.bypass_modes_allowed,
            probe_cwd: probe_cwd.clone(),
        })),
        Arc::new(CodexAgent::new(CodexOptions {
            id: "codex".to_owned(),
            program: "codex".into(),
            environment: environment.clone(),
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
            environment: environment.clone(),
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
