//! The machine of the node: what its process does from each start until it is killed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use host::{Host, HostHandle, Reaper};
use hub::{Hub, NewDevice};
use protocol::device::{DeviceKind, Right};
use protocol::time::Clock;
use sim::{Disk, Listener, PORT, SimClock, SimRandom};
use streams::Streams;

use super::actor::Actor;
use super::desk::{Desk, Setup};
use super::{NODE, PEOPLE, TURNS};

#[derive(Clone)]
pub(crate) struct Machine {
    seed: u64,
    drive: Disk,
    clock: Arc<dyn Clock>,
    random: Arc<SimRandom>,
    desk: Desk,
}

impl Machine {
    pub(crate) fn new(seed: u64, drive: Disk, clock: Arc<SimClock>, desk: Desk) -> Self {
        Self { seed, drive, clock, random: Arc::new(SimRandom::new(seed, NODE)), desk }
    }

    /// The process; when it cannot start it is started again, as a supervisor would.
    pub(crate) async fn run(self) -> turmoil::Result {
        loop {
            let Err(error) = self.live().await else { return Ok(()) };
            self.desk.history.note(NODE, format_args!("could not start: {error}"));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn live(&self) -> turmoil::Result {
        let streams = Streams::new(Arc::new(self.drive.clone()));
        let hub = Hub::open(streams, self.clock.clone(), self.random.clone(), hub_options()).await?;
        let up = self.up(&hub).await;
        let host = match up {
            Ok(host) => host,
            Err(error) => {
                hub.stop().await;
                return Err(error);
            }
        };
        self.desk.history.note(NODE, format_args!("generation {}", host.started().generation));
        let listener = Listener::bind(PORT).await?;
        tokio::select! {
            biased;
            error = host.failed() => assert!(self.drive.is_broken(), "the host failed on a whole disk: {error}"),
            () = hub::serve(&hub, listener, std::future::pending(), Duration::from_secs(1)) => panic!("the hub ended"),
        }
        // Whoever runs the node sees that its disk is broken, and starts it again.
        std::future::pending().await
    }

    async fn up(&self, hub: &Hub) -> Result<HostHandle, Box<dyn std::error::Error>> {
        let port = hub.host_port().expect("the node has a host");
        let actor = Arc::new(Actor::new(self.seed, self.desk.clone()));
        let host = Host::start(port, self.clock.clone(), vec![actor], host_options()).await?;
        let project = host.register_project(directory()).await?;
        if self.desk.pages().setup.is_none() {
            let mut credentials = Vec::new();
            for number in 0..=PEOPLE {
                let device = NewDevice {
                    account: hub.account(),
                    kind: DeviceKind::Program,
                    rights: vec![Right::Read, Right::Prompt, Right::Approve],
                    name: format!("person {number}"),
                    platform: "sim".to_owned(),
                    public_key: None,
                };
                let (_, credential) = hub.enrol(device).await.map_err(|problem| problem.to_string())?;
                credentials.push(credential);
            }
            let setup = Setup { account: hub.account(), host: host.started().host, project, credentials };
            self.desk.pages().setup = Some(setup);
        }
        Ok(host)
    }
}

/// A directory that is there; nothing is written to it.
fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn hub_options() -> hub::Options {
    hub::Options {
        node_name: NODE.to_owned(),
        node_platform: "sim".to_owned(),
        node_public_key: None,
        host: true,
        version: "0".to_owned(),
        allowed_hosts: vec![NODE.to_owned()],
        allowed_origins: Vec::new(),
        secure: false,
        trusted_proxies: Vec::new(),
    }
}

fn host_options() -> host::Options {
    host::Options {
        name: NODE.to_owned(),
        platform: "sim".to_owned(),
        version: "0".to_owned(),
        turns_at_once: TURNS,
        allowed_roots: vec![directory()],
        projects_root: None,
        home: None,
        files_dir: None,
        lines_dir: None,
        agent_idle: Duration::from_secs(20),
        bypass_modes_allowed: false,
        participants: host::Participants::Ask,
        policy_file: None,
        approval_expiry: None,
        quiet_after: Duration::from_mins(2),
        silence_limit: None,
        tonight: host::Tonight::new(|now| now.plus_ms(3_600_000)),
        probe_every: Duration::from_mins(1),
        stop_budget: Duration::from_secs(5),
        threads: false,
        // Agents here live in the node's process and die with it.
        reaper: Reaper::new(|_| Box::pin(async {})),
    }
}
