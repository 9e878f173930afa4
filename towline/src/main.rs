//! The one program: arguments, configuration, composition, lifecycle, terminal output.
//!
//! Only this crate reads the environment (`env.rs`), and only `output.rs` writes to the terminal.

mod ask;
mod cli;
mod clock;
mod config;
mod connection;
mod data_dir;
mod doctor;
mod env;
mod error;
mod hubs;
mod links;
mod listen;
mod log_file;
mod near;
mod node;
mod node_key;
mod output;
mod people;
mod qr;
mod server;
mod service;
mod serving;
mod streams_access;
mod streams_server;
mod up;
mod verbs;
mod which_host;

use std::process::ExitCode;
use std::time::Duration;

use clap::FromArgMatches;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use cli::{Cli, Config, Devices, Pair, PairVerb, Policy, Projects, Rules, Sessions, SettingFlags, Verb};
use config::{Layers, Settings};
use data_dir::DataDir;
use env::Env;
use error::{CommandError, Kind};
use log_file::LogFile;
use node::Node;
use output::Output;

/// Longest that threads which wait for a key or a disk are waited for at the end.
const LAST: Duration = Duration::from_millis(100);
/// Libraries whose finest levels hold what people and agents say, which is never logged (W-124): frames as they come and go.
const QUIET: [&str; 1] = ["tungstenite=info"];

fn main() -> ExitCode {
    let parsed = cli::command().try_get_matches().and_then(|found| {
        let cli = Cli::from_arg_matches(&found)?;
        Ok(Cli { hub: cli::named_hub(&found), ..cli })
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(said) = cli::slip(&error) {
                let env = Env::read();
                output::error(&said, env.colours(env.stderr_is_terminal));
                return said.exit();
            }
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
            output::error(&error, env.colours(env.stderr_is_terminal));
            error.exit()
        }
    }
}

/// Reads the configuration, then does what was typed.
fn start(mut cli: Cli, env: &Env) -> Result<(), CommandError> {
    let place = config::place(cli.config.take(), env);
    let out = Output {
        json: cli.json,
        colour: env.colours(env.stdout_is_terminal),
        progress: env.stderr_is_terminal && !cli.json,
    };
    // What needs no setting works whatever the file says.
    match cli.verb {
        Some(Verb::DemoAgent { state_dir }) => {
            log("warn", None)?;
            return block_on(demo_agent(state_dir));
        }
        Some(Verb::Completions { shell }) => return verbs::completions(shell, out),
        Some(Verb::Man { markdown: true, .. }) => return verbs::cli_page(out),
        Some(Verb::Man { dir, .. }) => return verbs::man(dir.as_deref(), out),
        Some(Verb::Config { verb: Config::Edit }) => return verbs::edit_config(place, env, out),
        Some(Verb::Config { verb: Config::Path }) => return verbs::config_path(place, out),
        Some(Verb::Policy { verb: Policy::Reference }) => return verbs::policy_reference(out),
        Some(Verb::Config { verb: Config::Reference { form } }) => return verbs::config_reference(form, out),
        _ => {}
    }
    let mut flags = match &cli.verb {
        Some(Verb::Up(up)) => up.settings.clone(),
        Some(Verb::Hub(hub)) => hub.settings(),
        Some(Verb::Config { verb: Config::Show(flags) }) => SettingFlags::clone(flags),
        _ => SettingFlags::default(),
    };
    flags.data_dir = cli.data_dir.take();
    let layers = Layers::read(place, &flags, env);
    if let Some(Verb::Doctor) = cli.verb {
        return examine(layers, env, out);
    }
    let layers = layers?;
    let mut settings = Settings::resolve(&layers, env)?;
    settings.pair_once = matches!(&cli.verb, Some(Verb::Up(up)) if up.pair_once);
    if let Some(Verb::Config { verb: Config::Show(_) }) = cli.verb {
        return verbs::show_config(&layers, &settings, env, out);
    }
    let file = LogFile::default();
    let is_node = match &cli.verb {
        Some(Verb::Up(_)) => true,
        Some(Verb::Hub(hub)) => hub.verb.is_none(),
        _ => false,
    };
    log(&settings.log, is_node.then_some((&file, settings.file_log.as_str())))?;
    let Some(named) = cli.hub else { return block_on(run(cli.verb, None, &layers, &settings, file, env, out)) };
    let other = hubs::find(&DataDir::choose(settings.data_dir.clone(), env)?, &named)?;
    block_on(run(cli.verb, Some(&other), &layers, &settings, file, env, out))
        .map_err(|error| hubs::explain(&other, error))
}

/// Looks at this machine, whatever is wrong with its configuration.
fn examine(layers: Result<Layers, CommandError>, env: &Env, out: Output) -> Result<(), CommandError> {
    let read = layers.and_then(|layers| Settings::resolve(&layers, env));
    let (settings, wrong) = match read {
        Ok(settings) => (settings, None),
        Err(error) => (Settings::resolve(&Layers::default(), env)?, Some(error)),
    };
    log(&settings.log, None)?;
    let dir = DataDir::choose(settings.data_dir.clone(), env)?;
    block_on(doctor::doctor(&settings, wrong, &dir, env, out))
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

/// Logs to standard error, and to the file of a node.
fn log(filter: &str, file: Option<(&LogFile, &str)>) -> Result<(), CommandError> {
    let parse = |filter: &str| {
        let mut filter = EnvFilter::try_new(filter).map_err(|error| CommandError::new(Kind::Config, error))?;
        for quiet in QUIET {
            filter = filter.add_directive(quiet.parse().map_err(|error| CommandError::new(Kind::Bug, error))?);
        }
        Ok::<_, CommandError>(filter)
    };
    let terminal = fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_filter(parse(filter)?);
    let file = match file {
        Some((file, filter)) => {
            Some(fmt::layer().with_writer(file.clone()).with_ansi(false).with_filter(parse(filter)?))
        }
        None => None,
    };
    tracing_subscriber::registry().with(terminal).with(file).init();
    Ok(())
}

async fn run(
    verb: Option<Verb>,
    other: Option<&hubs::OtherHub>,
    layers: &Layers,
    settings: &Settings,
    log: LogFile,
    env: &Env,
    out: Output,
) -> Result<(), CommandError> {
    let dir = DataDir::choose(settings.data_dir.clone(), env)?;
    let node = || match other {
        Some(hub) => Node::other(hub, out),
        None => Node::find(&dir, out),
    };
    let Some(verb) = verb else { return verbs::state(&dir, out).await };
    match verb {
        Verb::Up(_) => up::up(settings, &dir, &log, env, out).await,
        Verb::Hub(wish) => match wish.verb {
            None => server::serve(settings, &dir, &log, env, out).await,
            Some(verb) => verbs::hub(&node()?, verb, env, out).await,
        },
        Verb::Open { session } => verbs::open(&node()?, session.as_deref(), env, out).await,
        Verb::Streams(wish) => streams_server::serve(*wish, &dir, out).await,
        Verb::Link { verb } => verbs::link(verb, &dir, out).await,
        Verb::Pair(Pair { verb: Some(verb @ (PairVerb::With { .. } | PairVerb::Hubs { .. } | PairVerb::Leave { .. })), .. }) => {
            verbs::hubs(verb, &dir, env, out).await
        }
        Verb::Pair(wish) => verbs::pair(&node()?, wish, env, out).await,
        Verb::Send(wish) => verbs::send(&node()?, wish, env, out).await,
        Verb::Tail(wish) => verbs::tail(&node()?, wish, out).await,
        Verb::Answer(wish) => verbs::answer(&node()?, wish, out).await,
        Verb::Cancel { session } => verbs::cancel(&node()?, &session, out).await,
        Verb::Sessions(Sessions { verb: Some(verb), .. }) => verbs::people(&node()?, verb, out).await,
        Verb::Sessions(wish) => verbs::sessions(&node()?, wish.all, out).await,
        Verb::Rename { session, title } => verbs::rename(&node()?, &session, &title, out).await,
        Verb::Archive { session, undo } => verbs::archive(&node()?, &session, undo, out).await,
        Verb::Delete { session, yes } => verbs::delete(&node()?, &session, yes, env, out).await,
        Verb::Export(wish) => verbs::export(&node()?, wish, out).await,
        Verb::Projects { verb: None } => verbs::projects(&node()?, out).await,
        Verb::Projects { verb: Some(Projects::Add { .. }) } if other.is_some() => {
            Err(CommandError::say(Kind::Usage, "a project is a directory of the machine that it is on, and is added there")
                .hint("On that machine: towline projects add DIRECTORY. From here, a session can begin in a new one: towline send --new-project"))
        }
        Verb::Projects { verb: Some(Projects::Add { path }) } => verbs::add_project(&dir, &path, env, out).await,
        Verb::Hosts => verbs::hosts(&node()?, out).await,
        Verb::Commands(wish) => verbs::commands(&node()?, wish, env, out).await,
        Verb::Devices { verb: None } => verbs::devices(&node()?, out).await,
        Verb::Devices { verb: Some(Devices::Revoke { device }) } => verbs::revoke(&node()?, device, out).await,
        Verb::Rules { verb: None | Some(Rules::Ls) } => verbs::rules(&node()?, out).await,
        Verb::Rules { verb: Some(Rules::Revoke { rule }) } => verbs::revoke_rule(&node()?, rule, out).await,
        Verb::Policy { verb: Policy::Test(wish) } => verbs::test_policy(&wish, settings, &dir, env, out),
        Verb::Policy { verb: Policy::Show } => verbs::show_policy(settings, out),
        Verb::Policy { verb: Policy::Edit } => verbs::edit_policy(settings, env, out),
        Verb::Access { verb } => verbs::access(&node()?, verb, out).await,
        Verb::Audit { limit } => verbs::audit(&node()?, limit, out).await,
        Verb::Logs(wish) => verbs::logs(wish, &dir, out).await,
        Verb::Service { verb } => service::service(verb, layers, &dir, env, out).await,
        // They were done before there was a configuration.
        Verb::Policy { verb: Policy::Reference }
        | Verb::Doctor
        | Verb::DemoAgent { .. }
        | Verb::Config { .. }
        | Verb::Completions { .. }
        | Verb::Man { .. } => Ok(()),
    }
}

/// Be the demo agent.
async fn demo_agent(state: Option<std::path::PathBuf>) -> Result<(), CommandError> {
    let options = host::demo_agent::DemoOptions { state, version: env!("CARGO_PKG_VERSION").to_owned() };
    host::demo_agent::run(tokio::io::stdin(), tokio::io::stdout(), options)
        .await
        .map_err(|error| CommandError::new(Kind::No, error))
}
