//! The one program: arguments, configuration, composition, lifecycle, terminal output.
//!
//! Only this crate reads the environment (`env.rs`), and only `output.rs` writes to the terminal.

mod cli;
mod clock;
mod data_dir;
mod env;
mod error;
mod listen;
mod node;
mod node_key;
mod output;
mod qr;
mod streams_server;
mod up;
mod verbs;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use cli::{Cli, Devices, Projects, Verb};
use data_dir::DataDir;
use env::Env;
use error::{CommandError, Kind};
use node::Node;
use output::Output;

/// Longest that threads which wait for a key or a disk are waited for at the end.
const LAST: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results, mistakes are not; clap knows which goes where.
            let code = if error.use_stderr() { Kind::Usage.code() } else { 0 };
            let _told = error.print();
            return ExitCode::from(code);
        }
    };
    let env = Env::read();
    log(env.log());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = CommandError::new(Kind::Config, error).during("the system gives no threads");
            output::error(&error);
            return error.exit();
        }
    };
    let done = runtime.block_on(run(cli, &env));
    // A thread that waits for somebody to type would wait for ever.
    runtime.shutdown_timeout(LAST);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            error.exit()
        }
    }
}

fn log(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
        output::note(format!("TOWLINE_LOG is not understood, so it is taken for `warn`: {error}"));
        EnvFilter::new("warn")
    });
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}

async fn run(cli: Cli, env: &Env) -> Result<(), CommandError> {
    let out = Output { json: cli.json };
    let Some(verb) = cli.verb else { return alone(cli.data_dir, env, out).await };
    if let Verb::DemoAgent { state_dir } = verb {
        return demo_agent(state_dir).await;
    }
    let dir = DataDir::choose(cli.data_dir, env)?;
    let node = || Node::find(&dir);
    match verb {
        Verb::Up(wish) => up::up(wish, &dir, env, out).await,
        Verb::Streams(wish) => streams_server::serve(wish, &dir, out).await,
        Verb::Pair(wish) => verbs::pair(&node()?, wish, env, out).await,
        Verb::Send(wish) => verbs::send(&node()?, wish, env, out).await,
        Verb::Tail(wish) => verbs::tail(&node()?, wish, out).await,
        Verb::Answer(wish) => verbs::answer(&node()?, wish, out).await,
        Verb::Cancel { session } => verbs::cancel(&node()?, &session, out).await,
        Verb::Sessions => verbs::sessions(&node()?, out).await,
        Verb::Projects { verb: None } => verbs::projects(&node()?, out).await,
        Verb::Projects { verb: Some(Projects::Add { path }) } => verbs::add_project(&dir, &path, env, out).await,
        Verb::Devices { verb: None } => verbs::devices(&node()?, out).await,
        Verb::Devices { verb: Some(Devices::Revoke { device }) } => verbs::revoke(&node()?, device, out).await,
        Verb::DemoAgent { .. } => Ok(()),
    }
}

/// `towline` alone: whether it runs, and what can be typed.
async fn alone(data_dir: Option<std::path::PathBuf>, env: &Env, out: Output) -> Result<(), CommandError> {
    let running = match DataDir::choose(data_dir, env).and_then(|dir| Node::find(&dir)) {
        Ok(node) => node.api.me().await.is_ok().then_some(node.file),
        Err(_) => None,
    };
    if out.json {
        return out.json(&serde_json::json!({
            "running": running.is_some(),
            "url": running.as_ref().map(|node| &node.public_url),
            "pid": running.as_ref().map(|node| node.pid),
            "version": env!("CARGO_PKG_VERSION"),
        }));
    }
    let state = match &running {
        Some(node) => format!("runs: {}", node.public_url),
        None => "does not run; start it with `towline up`".to_owned(),
    };
    out.line(format!("{}  Towline {state}\n", up::SIGN))?;
    out.raw(&Cli::command().render_help().to_string())
}

/// Be the demo agent.
async fn demo_agent(state: Option<std::path::PathBuf>) -> Result<(), CommandError> {
    let options = host::demo_agent::DemoOptions { state, version: env!("CARGO_PKG_VERSION").to_owned() };
    host::demo_agent::run(tokio::io::stdin(), tokio::io::stdout(), options)
        .await
        .map_err(|error| CommandError::new(Kind::No, error))
}
