//! The one program: arguments, configuration, composition, lifecycle, terminal output.
//!
//! Only this crate reads the environment (`env.rs`), and only `output.rs` writes to the terminal.

mod cli;
mod clock;
mod config;
mod data_dir;
mod env;
mod error;
mod listen;
mod near;
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

use cli::{Cli, Config, Devices, Projects, SettingFlags, Verb};
use config::{Layers, Settings};
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
    match start(cli, &env) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            error.exit()
        }
    }
}

/// Reads the configuration, then does what was typed.
fn start(mut cli: Cli, env: &Env) -> Result<(), CommandError> {
    let place = config::place(cli.config.take(), env);
    let out = Output { json: cli.json };
    // What needs no setting works whatever the file says.
    match cli.verb {
        Some(Verb::DemoAgent { state_dir }) => {
            log("warn")?;
            return block_on(demo_agent(state_dir));
        }
        Some(Verb::Config { verb: Config::Edit }) => return verbs::edit_config(place, env, out),
        Some(Verb::Config { verb: Config::Path }) => return verbs::config_path(place, out),
        Some(Verb::Config { verb: Config::Reference { form } }) => return verbs::config_reference(form, out),
        _ => {}
    }
    let mut flags = match &cli.verb {
        Some(Verb::Up(up)) => up.settings.clone(),
        Some(Verb::Config { verb: Config::Show(flags) }) => SettingFlags::clone(flags),
        _ => SettingFlags::default(),
    };
    flags.data_dir = cli.data_dir.take();
    let layers = Layers::read(place, &flags, env)?;
    let settings = Settings::resolve(&layers, env)?;
    if let Some(Verb::Config { verb: Config::Show(_) }) = cli.verb {
        return verbs::show_config(&layers, &settings, env, out);
    }
    log(&settings.log)?;
    block_on(run(cli.verb, settings, env, out))
}

fn block_on(work: impl Future<Output = Result<(), CommandError>>) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| CommandError::new(Kind::Config, error).during("the system gives no threads"))?;
    let done = runtime.block_on(work);
    // A thread that waits for somebody to type would wait for ever.
    runtime.shutdown_timeout(LAST);
    done
}

fn log(filter: &str) -> Result<(), CommandError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| CommandError::new(Kind::Config, error))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    Ok(())
}

async fn run(verb: Option<Verb>, settings: Settings, env: &Env, out: Output) -> Result<(), CommandError> {
    let dir = DataDir::choose(settings.data_dir.clone(), env)?;
    let node = || Node::find(&dir);
    let Some(verb) = verb else { return alone(&dir, out).await };
    match verb {
        Verb::Up(wish) => up::up(wish.pair_once, &settings, &dir, env, out).await,
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
        Verb::DemoAgent { .. } | Verb::Config { .. } => Ok(()),
    }
}

/// `towline` alone: whether it runs, and what can be typed.
async fn alone(dir: &DataDir, out: Output) -> Result<(), CommandError> {
    let running = match Node::find(dir) {
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
