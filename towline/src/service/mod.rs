//! `service`: Towline starts with its user's login, by whatever this system has for it.

mod unit;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::ask::{Answer, ask};
use crate::cli::Service;
use crate::config::{Layers, Origin};
use crate::data_dir::{self, DataDir};
use crate::env::Env;
use crate::error::{CommandError, Kind};
use crate::output::{self, Output};
use unit::Wanted;

/// Longest that the system's own program may take.
const LIMIT: Duration = Duration::from_secs(20);
/// What the service is called everywhere.
const NAME: &str = "towline";

/// What starts services here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Systemd,
    Launchd,
    Windows,
}

impl System {
    const fn here() -> Self {
        if cfg!(target_os = "macos") {
            Self::Launchd
        } else if cfg!(windows) {
            Self::Windows
        } else {
            Self::Systemd
        }
    }

    /// The file that tells it of the service.
    fn file(self, env: &Env, dir: &DataDir) -> Result<PathBuf, CommandError> {
        let lost = || CommandError::say(Kind::Config, "there is no home directory to install a service in");
        Ok(match self {
            Self::Systemd => env.config_home.as_ref().ok_or_else(lost)?.join("systemd/user/towline.service"),
            Self::Launchd => env.home.as_ref().ok_or_else(lost)?.join("Library/LaunchAgents/towline.plist"),
            Self::Windows => dir.path().join("towline-task.xml"),
        })
    }

    /// What the file says.
    fn text(self, wanted: &Wanted) -> String {
        match self {
            Self::Systemd => unit::systemd(wanted),
            Self::Launchd => unit::launchd(wanted, NAME),
            Self::Windows => unit::windows(wanted),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    installed: bool,
    file: PathBuf,
    /// What the system says; null when it was not asked, or does not answer.
    state: Option<String>,
}

/// Does what was asked about the service.
pub(crate) async fn service(
    wish: Service,
    layers: &Layers,
    dir: &DataDir,
    env: &Env,
    out: Output,
) -> Result<(), CommandError> {
    let system = System::here();
    let file = system.file(env, dir)?;
    match wish {
        Service::Install { print, hub } => {
            let text = system.text(&wanted(layers, env, hub)?);
            if print {
                output::note(format!("# {}", file.display()));
                return out.raw(&text);
            }
            out.waiting("Installing the service", install(system, &file, &text, dir, env, out)).await
        }
        Service::Status => {
            let installed = file.is_file();
            let state = if installed { state(system).await } else { None };
            let status = Status { installed, file, state };
            out.either(&status, || match (&status.state, installed) {
                (_, false) => "not installed; install it with `towline service install`".to_owned(),
                (Some(state), true) => format!("installed: {state}\n{}", status.file.display()),
                (None, true) => format!("installed, and the system does not say how it is\n{}", status.file.display()),
            })
        }
        Service::Uninstall => out.waiting("Removing the service", uninstall(system, &file, env, out)).await,
    }
}

/// What is to be started: this program, with the places that were named now.
fn wanted(layers: &Layers, env: &Env, hub: bool) -> Result<Wanted, CommandError> {
    let lost = |what: &str| CommandError::say(Kind::Config, format!("it is not known where {what} is"));
    let mut args = Vec::new();
    let absolute = |path: &Path| match &env.current_dir {
        Some(current) if path.is_relative() => written(&current.join(path)),
        _ => written(path),
    };
    if let Some(place) = layers.place.as_ref().filter(|place| place.named_by.is_some()) {
        args.extend(["--config".to_owned(), absolute(&place.path)?]);
    }
    // A variable of this shell is not there when the service starts.
    if let Some((crate::config::Value::Text(path), Origin::Flag(_) | Origin::Variable(_))) =
        layers.get("data.directory")
    {
        args.extend(["--data-dir".to_owned(), absolute(Path::new(path))?]);
    }
    let verb: &[&str] = if hub { &["hub"] } else { &["up", "--no-open"] };
    args.extend(verb.iter().map(|word| (*word).to_owned()));
    let program = env.program.clone().ok_or_else(|| lost("this program"))?;
    let home = env.home.clone().ok_or_else(|| lost("the home directory"))?;
    let path = env.get("PATH").and_then(|path| path.to_str()).map(str::to_owned);
    written(&program)?;
    written(&home)?;
    if let Some(path) = &path {
        written(Path::new(path))?;
    }
    let said = |name: &str| env.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty());
    let user = said("USERNAME").map(|user| match said("USERDOMAIN") {
        Some(domain) => format!("{domain}\\{user}"),
        None => user.to_owned(),
    });
    Ok(Wanted { program, args, path, home, user })
}

/// A path as it can stand in a file of a service: text, without characters that XML does not have.
fn written(path: &Path) -> Result<String, CommandError> {
    match path.to_str() {
        Some(text) if !text.contains(|c: char| c.is_control()) => Ok(text.to_owned()),
        _ => Err(CommandError::say(
            Kind::Config,
            format!(
                "{} cannot be written into the file of a service: it has characters that are no text",
                path.display()
            ),
        )
        .hint("Give it another name, or start `towline up` from your own init system.")),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Installed<'a> {
    file: &'a Path,
}

async fn install(
    system: System,
    file: &Path,
    text: &str,
    dir: &DataDir,
    env: &Env,
    out: Output,
) -> Result<(), CommandError> {
    // Asked first, so that nothing is left behind where there is no such system.
    reachable(system).await?;
    let failed = |error| CommandError::new(Kind::Config, error).during(format!("cannot write {}", file.display()));
    if system == System::Windows {
        dir.make()?;
    } else if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let bytes = match system {
        System::Windows => unit::windows_file(text),
        System::Systemd | System::Launchd => text.as_bytes().to_vec(),
    };
    data_dir::replace_exactly(file, &bytes).map_err(failed)?;
    match system {
        System::Systemd => {
            told("systemctl", &["--user", "daemon-reload"]).await?;
            told("systemctl", &["--user", "enable", "--now", "towline.service"]).await?;
        }
        System::Launchd => {
            // One that is loaded already is replaced; none is no error.
            let _unloaded = ask("launchctl", &["bootout", &launchd_target().await?], LIMIT).await;
            told("launchctl", &[OsString::from("bootstrap"), launchd_domain().await?.into(), file.into()]).await?;
        }
        System::Windows => {
            told(
                "schtasks",
                &[OsString::from("/Create"), "/F".into(), "/TN".into(), NAME.into(), "/XML".into(), file.into()],
            )
            .await?;
            told("schtasks", &["/Run", "/TN", NAME]).await?;
        }
    }
    out.either(&Installed { file }, || format!("installed: {}", file.display()))?;
    if !out.json {
        output::note(
            "Towline runs now, and starts with every login. How it is: towline service status; its log: towline logs",
        );
        if system == System::Systemd {
            let user = env.get("USER").and_then(|user| user.to_str()).unwrap_or("$USER");
            output::note(format!("To run also while nobody is logged in: loginctl enable-linger {user}"));
        }
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Uninstalled {
    removed: bool,
}

async fn uninstall(system: System, file: &Path, env: &Env, out: Output) -> Result<(), CommandError> {
    if !file.is_file() {
        return out.either(&Uninstalled { removed: false }, || "it is not installed".to_owned());
    }
    // What the system does not stop ends with the next logout; the file goes in any case.
    let stopped = match system {
        System::Systemd => told("systemctl", &["--user", "disable", "--now", "towline.service"]).await,
        System::Launchd => told("launchctl", &["bootout", &launchd_target().await?]).await,
        System::Windows => told("schtasks", &["/Delete", "/F", "/TN", NAME]).await,
    };
    std::fs::remove_file(file)
        .map_err(|error| CommandError::new(Kind::Config, error).during(format!("cannot remove {}", file.display())))?;
    if system == System::Systemd && stopped.is_ok() {
        told("systemctl", &["--user", "daemon-reload"]).await?;
    }
    if let Err(error) = stopped {
        output::note(format!("note: {:#}; it is gone after the next login", error.source));
    }
    let data = env.data_home.as_ref().map(|home| home.join("towline").display().to_string()).unwrap_or_default();
    out.either(&Uninstalled { removed: true }, || format!("removed: {}", file.display()))?;
    if !out.json {
        output::note(format!("What Towline remembers stays: {data}"));
    }
    Ok(())
}

/// What the system says of the service.
async fn state(system: System) -> Option<String> {
    let answer = match system {
        System::Systemd => ask("systemctl", &["--user", "is-active", "towline.service"], LIMIT).await,
        System::Launchd => ask("launchctl", &["print", &launchd_target().await.ok()?], LIMIT).await,
        System::Windows => ask("schtasks", &["/Query", "/TN", NAME, "/FO", "LIST"], LIMIT).await,
    };
    let text = answer.ok()?.text;
    let line = text.lines().map(str::trim).find(|line| match system {
        System::Systemd => !line.is_empty(),
        System::Launchd => line.starts_with("state ="),
        System::Windows => line.starts_with("Status:"),
    });
    line.map(str::to_owned)
}

/// Whether this system takes services at all.
async fn reachable(system: System) -> Result<(), CommandError> {
    let missing = |why: String| {
        CommandError::say(Kind::Config, format!("services of a user cannot be installed here: {why}"))
            .hint("See what would be written: towline service install --print")
            .hint("Without a service: keep `towline up` running in a terminal multiplexer, or start it from your own init system.")
    };
    let asked = match system {
        System::Systemd => ask("systemctl", &["--user", "show-environment"], LIMIT).await,
        System::Launchd => ask("launchctl", &["version"], LIMIT).await,
        System::Windows => ask("schtasks", &["/Query", "/?"], LIMIT).await,
    };
    match asked {
        Ok(Answer { good: true, .. }) => Ok(()),
        Ok(Answer { text, .. }) => {
            let said = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing");
            Err(missing(format!("systemd does not take them for this user ({said})")))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(missing(match system {
            System::Systemd => "there is no systemd".to_owned(),
            System::Launchd => "there is no launchd".to_owned(),
            System::Windows => "there is no task scheduler".to_owned(),
        })),
        Err(error) => Err(missing(error.to_string())),
    }
}

/// Tells the system something; what it says when it does not like it is the error.
async fn told<A: AsRef<std::ffi::OsStr>>(program: &str, args: &[A]) -> Result<(), CommandError> {
    let answer = ask(program, args, LIMIT).await;
    let answer =
        answer.map_err(|error| CommandError::new(Kind::No, error).during(format!("{program} does not answer")))?;
    if answer.good {
        return Ok(());
    }
    let said =
        answer.text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it does not say why").to_owned();
    Err(CommandError::say(Kind::No, format!("{program} refused: {said}")).hint("See `towline service status`."))
}

/// The domain of this user's graphical login.
async fn launchd_domain() -> Result<String, CommandError> {
    let answer = ask("id", &["-u"], LIMIT).await;
    let answer = answer.map_err(|error| CommandError::new(Kind::No, error).during("cannot ask who this is"))?;
    Ok(format!("gui/{}", answer.text.trim()))
}

async fn launchd_target() -> Result<String, CommandError> {
    Ok(format!("{}/{NAME}", launchd_domain().await?))
}
