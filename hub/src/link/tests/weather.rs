//! Any weather: a node that keeps to the contract, and a hub, through lost connections, lost answers and deaths of either. Every command
//! runs at most once, ends in a state that is true, and the replica is what the node wrote (W-001, W-003, W-012, W-020a, W-020b).

use std::collections::BTreeMap;

use proptest::prelude::*;
use protocol::command::CommandRequest;

use super::*;

/// Life of the commands here, in milliseconds: some expire.
const TTL_MS: u64 = 60_000;

#[derive(Debug, Clone)]
enum Event {
    Submit,
    Cancel(usize),
    /// The node connects anew, whether or not it was.
    Connect,
    Lose,
    /// The node takes in what has come; when it `dies`, after it is on its disk and before it has said so.
    Hear {
        dies: bool,
    },
    /// The node begins the next command, or ends the one that runs.
    Work,
    /// The node pushes what it has; when it is `lost`, it does not hear whether that was stored.
    Push {
        lost: bool,
    },
    NodeDies,
    HubDies,
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => Just(Event::Submit),
        1 => (0..8_usize).prop_map(Event::Cancel),
        4 => Just(Event::Connect),
        1 => Just(Event::Lose),
        4 => Just(Event::Hear { dies: false }),
        1 => Just(Event::Hear { dies: true }),
        5 => Just(Event::Work),
        3 => Just(Event::Push { lost: false }),
        2 => Just(Event::Push { lost: true }),
        1 => Just(Event::NodeDies),
        1 => Just(Event::HubDies),
        2 => (1..50_u64).prop_map(Event::Wait),
    ];
    proptest::collection::vec(event, 10..70)
}

/// A command on the node's disk.
#[derive(Debug, Clone)]
struct Kept {
    command: Command,
    state: CommandState,
    runs: u32,
    expires_at_ms: u64,
    /// Where in its feed its end stands.
    ended_at: Option<usize>,
}

/// A node: its disk, and its connection.
struct Model {
    machine: Machine,
    node: Option<Node>,
    kept: BTreeMap<CommandId, Kept>,
    order: Vec<CommandId>,
    feed: Vec<FeedFact>,
    journal: Owned,
    /// How far the hub has got, as this connection knows.
    considered: usize,
    stored: usize,
}

impl Model {
    fn say_state(&mut self, id: CommandId, state: CommandState) {
        let kept = self.kept.get_mut(&id).expect("it has it");
        kept.state = state;
        self.feed.push(self.machine.told(&kept.command, id, state));
        if state.is_final() {
            kept.ended_at = Some(self.feed.len() - 1);
        }
    }

    async fn connect(&mut self, yard: &Yard) {
        self.node = None;
        let mut node = yard.dial(&self.machine).await.expect("a socket");
        // It says what it holds by what it last knew of the hub.
        let open = |kept: &Kept| kept.ended_at.is_none_or(|at| at >= self.considered);
        let holds: Vec<CommandId> = self.kept.iter().filter(|(_, kept)| open(kept)).map(|(id, _)| *id).collect();
        node.say(&NodeFrame::Hello(Box::new(self.machine.hello(&holds)))).await;
        let HubFrame::Welcome { cursor, .. } = node.hear().await else { panic!("not let in") };
        self.considered = cursor.map_or(0, |cursor| usize::try_from(cursor.offset.byte).expect("small"));
        node.say(&NodeFrame::Replicas { req: 0, after: None }).await;
        let streams = loop {
            match node.hear().await {
                HubFrame::Replicas { streams, .. } => break streams,
                // It comes again, with the next connection at the latest.
                other => self.take_in(yard, &mut node, other, false).await,
            }
        };
        let tail = streams.first().map_or(Offset::ZERO, |replica| replica.tail);
        let ends = |n: &usize| self.journal.from(*n).at == tail;
        self.stored = (0..=self.journal.messages.len()).find(ends).expect("the hub has a prefix");
        self.node = Some(node);
    }

    async fn take_in(&mut self, yard: &Yard, node: &mut Node, frame: HubFrame, dies: bool) {
        match frame {
            HubFrame::Hand { commands } => {
                for handed in &commands {
                    let id = handed.command;
                    if self.kept.keys().all(|kept| *kept != id) {
                        let expires_at_ms = yard.world.clock.now().0 + handed.expires_in_ms;
                        let command = Command { error: None, ..yard.command(id).await };
                        let kept =
                            Kept { command, state: CommandState::Queued, runs: 0, expires_at_ms, ended_at: None };
                        self.kept.insert(id, kept);
                        self.order.push(id);
                    }
                }
                if !dies {
                    let taken =
                        |h: &Handed| Taken { command: h.command, token: h.token, state: self.kept[&h.command].state };
                    node.try_say(&NodeFrame::Taken { commands: commands.iter().map(taken).collect() }).await;
                }
            }
            HubFrame::News { news } => {
                for (_, news) in &news {
                    if let LinkNews::Cancelled { command, .. } = news
                        && self.kept.get(command).is_some_and(|kept| kept.state == CommandState::Queued)
                    {
                        self.say_state(*command, CommandState::Cancelled);
                    }
                }
                if !dies {
                    node.try_say(&NodeFrame::Heard { number: news[news.len() - 1].0 }).await;
                }
            }
            HubFrame::Pushed { .. } | HubFrame::Renewed { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    /// Takes in everything that has come.
    async fn hear(&mut self, yard: &Yard, dies: bool) {
        let Some(mut node) = self.node.take() else { return };
        while let Ok(frame) = tokio::time::timeout(Duration::from_millis(5), node.hear_any()).await {
            // Cut for its silence, which it finds out with its next word.
            let Ok(frame) = frame else { return };
            self.take_in(yard, &mut node, frame, dies).await;
        }
        self.node = Some(node);
    }

    fn work(&mut self, now: u64) {
        let running = self.kept.iter().find(|(_, kept)| kept.state == CommandState::Running).map(|(id, _)| *id);
        if let Some(id) = running {
            return self.say_state(id, CommandState::Succeeded);
        }
        let next = self.order.iter().find(|id| self.kept[id].state == CommandState::Queued).copied();
        let Some(id) = next else { return };
        let kept = self.kept.get_mut(&id).expect("it has it");
        if now >= kept.expires_at_ms {
            return self.say_state(id, CommandState::Expired);
        }
        kept.runs += 1;
        self.journal.messages.push(format!("[\"{id}\"]"));
        self.say_state(id, CommandState::Running);
    }

    async fn push(&mut self, yard: &Yard, lost: bool) {
        let Some(mut node) = self.node.take() else { return };
        let facts: Vec<Box<RawValue>> =
            self.feed[self.considered..].iter().map(|fact| raw(&fact.encode().expect("a fact"))).collect();
        let cursor = facts.last().map(|last| Cursor {
            offset: Offset::new(0, self.feed.len() as u64),
            last: Chain::START.after(last.get().as_bytes()),
        });
        let pieces = vec![self.journal.from(self.stored)];
        let reached = (self.feed.len(), self.journal.messages.len());
        let frame = NodeFrame::Push(Push { req: 1, facts, whole: None, cursor, pieces });
        if !node.try_say(&frame).await || lost {
            return;
        }
        loop {
            match node.hear_any().await {
                Ok(HubFrame::Pushed { .. }) => break,
                Ok(other) => self.take_in(yard, &mut node, other, false).await,
                Err(_) => return,
            }
        }
        (self.considered, self.stored) = reached;
        self.node = Some(node);
    }

    /// Its next start: what ran is over, as the host says of a turn that was interrupted.
    fn die(&mut self) {
        self.node = None;
        self.machine = self.machine.started(&format!("b{}", self.machine.generation));
        let running: Vec<CommandId> =
            self.kept.iter().filter(|(_, kept)| kept.state == CommandState::Running).map(|(id, _)| *id).collect();
        for id in running {
            self.say_state(id, CommandState::Failed);
        }
    }
}

async fn submit(yard: &Yard, model: &Model) -> CommandId {
    let prompt = yard.world.prompt(model.journal.session, "a");
    let request = CommandRequest { host: model.machine.device, ttl_ms: Some(TTL_MS), ..prompt };
    yard.world.hub.submit(&yard.world.owner, request.clone()).await.expect("it is taken in").command
}

async fn holds_in(events: &[Event]) -> Result<(), TestCaseError> {
    let mut yard = Yard::new().await;
    let machine = yard.machine().await;
    let session = yard.world.session();
    let mut journal = Owned::journal(session);
    journal.messages.push("[1]".to_owned());
    let feed = vec![machine.session(&yard.world, session, "one")];
    let (kept, order) = (BTreeMap::new(), Vec::new());
    let mut model = Model { machine, node: None, kept, order, feed, journal, considered: 0, stored: 0 };
    model.connect(&yard).await;
    model.push(&yard, false).await;
    let mut sent = Vec::new();
    for event in events {
        match event {
            Event::Submit => sent.push(submit(&yard, &model).await),
            Event::Cancel(n) => {
                if let Some(id) = sent.get(*n) {
                    // It may have begun or ended.
                    let _answer = yard.world.hub.cancel(&yard.world.owner, *id).await;
                }
            }
            Event::Connect => model.connect(&yard).await,
            Event::Lose => model.node = None,
            Event::Hear { dies } => {
                model.hear(&yard, *dies).await;
                if *dies {
                    model.die();
                }
            }
            Event::Work => model.work(yard.world.clock.now().0),
            Event::Push { lost } => model.push(&yard, *lost).await,
            Event::NodeDies => model.die(),
            Event::HubDies => {
                model.node = None;
                yard = yard.again().await;
            }
            Event::Wait(seconds) => tokio::time::sleep(Duration::from_secs(*seconds)).await,
        }
        let held = yard.held(&model.journal.stream).await;
        prop_assert_eq!(&held, &model.journal.messages[..held.len()].to_vec());
    }
    // The weather clears up.
    for _ in 0..4 {
        model.connect(&yard).await;
        for _ in 0..sent.len() * 2 + 2 {
            model.hear(&yard, false).await;
            model.work(yard.world.clock.now().0);
            model.push(&yard, false).await;
        }
        model.hear(&yard, false).await;
    }
    model.node = None;
    tokio::time::sleep(Duration::from_millis(TTL_MS + 62_000)).await;
    prop_assert_eq!(yard.held(&model.journal.stream).await, model.journal.messages.clone());
    for id in sent {
        let state = yard.state(id).await;
        match model.kept.get(&id) {
            Some(kept) => {
                prop_assert!(kept.runs <= 1, "{} ran {} times", id, kept.runs);
                prop_assert_eq!(state, kept.state, "{}", id);
            }
            None => {
                prop_assert!(matches!(state, CommandState::Expired | CommandState::Cancelled), "{}: {:?}", id, state);
            }
        }
        prop_assert!(state.is_final());
    }
    prop_assert_eq!(yard.presence(&model.machine).await.0, Presence::Offline);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]
    #[test]
    fn every_command_runs_at_most_once_and_ends_as_it_did(events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        runtime.block_on(holds_in(&events))?;
    }
}
