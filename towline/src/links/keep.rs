//! The links of a node that runs: each that is kept is run, each that is removed says goodbye.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hub::{Hub, Random as _, SystemRandom};
use link::{Link, LinkState};
use protocol::time::Clock;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Address, Asked, Folder, LinkFile, Wish, enrol, hex};
use crate::clock::SystemClock;
use crate::config::Settings;
use crate::data_dir::DataDir;
use crate::output;

/// How often the directory is looked at for links that came or went, and their states are shown.
const LOOK: Duration = Duration::from_millis(500);
/// Pause before a node that was not let in asks again.
const ASK_AGAIN: Duration = Duration::from_mins(1);
/// The ceiling of the first pause before dialling again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Keeps the links of a node.
#[derive(Debug)]
pub(crate) struct Keeper {
    hub: Hub,
    dir: DataDir,
    folder: Folder,
    /// A random number of this start.
    boot: String,
    running: HashMap<String, Running>,
    tasks: JoinSet<()>,
    shown: BTreeMap<String, LinkState>,
}

#[derive(Debug)]
struct Running {
    file: LinkFile,
    stop: CancellationToken,
    state: watch::Receiver<LinkState>,
}

impl Keeper {
    pub(crate) fn new(hub: Hub, dir: &DataDir) -> Self {
        let mut boot = [0_u8; 16];
        SystemRandom.fill(&mut boot);
        Self {
            hub,
            folder: Folder::of(dir),
            dir: dir.clone(),
            boot: hex(&boot),
            running: HashMap::new(),
            tasks: JoinSet::new(),
            shown: BTreeMap::new(),
        }
    }

    /// Runs every link that is kept, and enrols this node where the settings name a hub, until it is told to stop; then each says
    /// goodbye.
    pub(crate) async fn run(mut self, settings: Settings, stop: CancellationToken) {
        for url in settings.links.clone() {
            let (hub, dir, settings, stop) = (self.hub.clone(), self.dir.clone(), settings.clone(), stop.clone());
            self.tasks.spawn(async move {
                tokio::select! {
                    () = ask(&hub, &dir, &settings, &url) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        loop {
            self.look();
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        self.running.values().for_each(|running| running.stop.cancel());
        while self.tasks.join_next().await.is_some() {}
        for name in self.shown.keys() {
            self.folder.show(name, None);
        }
    }

    /// Starts what came, stops what went, and shows how the others are.
    fn look(&mut self) {
        let kept: BTreeMap<String, LinkFile> = self.folder.all().into_iter().collect();
        self.running.retain(|name, running| {
            let stays = kept.get(name).is_some_and(|file| file.is_same_way(&running.file));
            if !stays {
                running.stop.cancel();
            }
            stays
        });
        self.shown.retain(|name, _| {
            let stays = self.running.contains_key(name);
            if !stays {
                self.folder.show(name, None);
            }
            stays
        });
        for (name, file) in kept {
            if !self.running.contains_key(&name) {
                let running = self.start(&name, file);
                self.running.insert(name, running);
            }
        }
        for (name, running) in &self.running {
            let state = running.state.borrow().clone();
            if self.shown.get(name) != Some(&state) {
                self.folder.show(name, Some(&state));
                self.shown.insert(name.clone(), state);
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }

    fn start(&mut self, name: &str, file: LinkFile) -> Running {
        let mut seed = [0_u8; 8];
        SystemRandom.fill(&mut seed);
        let options = link::Options {
            boot: self.boot.clone(),
            first_pause: FIRST_PAUSE,
            seed: u64::from_be_bytes(seed),
            source: file.url.clone(),
        };
        let (folder, of) = (self.folder.clone(), name.to_owned());
        // Read at each dial: a credential that was made anew is used from the next one on.
        let way: link::Way = Arc::new(move || match folder.read(&of) {
            Ok(Some(file)) => file.remote(),
            Ok(None) => Err("the link was removed".to_owned()),
            Err(error) => Err(error.to_string()),
        });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let link = Link::new(self.hub.clone(), way, clock, options);
        let (state, stop) = (link.state(), CancellationToken::new());
        let stopped = stop.clone();
        self.tasks.spawn(async move { link.run(stopped).await });
        tracing::info!(name, "a link is kept");
        Running { file, stop, state }
    }
}

/// Enrols this node at a hub that the settings name, unless it is; asks again until somebody lets it in.
async fn ask(hub: &Hub, dir: &DataDir, settings: &Settings, url: &str) {
    let address = match Address::read(url, settings.lan, None) {
        Ok(address) => address,
        // The settings were checked when they were read.
        Err(error) => return tracing::warn!(?error, "a hub cannot be linked to"),
    };
    loop {
        if matches!(Folder::of(dir).read(&address.name), Ok(Some(_))) {
            return;
        }
        let wish = Wish {
            address: address.clone(),
            code: None,
            pin: None,
            lan: settings.lan,
            device: hub.node(),
            name: settings.name.clone(),
        };
        match enrol(dir, &wish, |asked| output::note(shown(&address.url, asked))).await {
            Ok(_) => return output::note(format!("  This machine is linked to {}.", address.url)),
            Err(error) => {
                tracing::warn!(?error, "this machine is not linked");
                output::note(format!("  Not linked to {}: {:#}", address.url, error.source));
            }
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// What a person sees while a hub has not let this machine in.
pub(crate) fn shown(url: &str, asked: &Asked) -> String {
    let Asked { code, words, fingerprint, .. } = asked;
    match code {
        Some(code) => format!(
            "\n  Link     {url}\n  Code     {code}\n  Key      {fingerprint}\n\n  Type the code there: under Devices in a browser, or `towline pair accept {code}` on the hub's machine.\n  It shows the same key, and the words \"{words}\"."
        ),
        None => format!(
            "\n  Link     {url}\n  Key      {fingerprint}\n\n  Confirm this machine there; it shows the same key, and the words \"{words}\"."
        ),
    }
}
