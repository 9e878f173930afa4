//! What a participant sees is what the owner sees of that session: always, whatever happens in whatever order, and nothing else.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::api::CommandRelease;
use protocol::participant::ParticipantEdit;
use protocol::participant::ParticipantRole::{Editor, Viewer};
use serde_json::Value;
use store::{CommitFault, Faulty, MemoryStore, SqliteStore, Store};

use super::*;
use crate::rows::ParticipantRow;
use crate::testing::TestClock;

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

type Rows = BTreeMap<(String, String), Value>;

/// What stands in an account's lists.
async fn lists(shared: &Shared, account: AccountId) -> Rows {
    let prefix = crate::keys::every_row(account);
    let entries = shared.world.hub.every(prefix, |_| Ok(true)).await.expect("the lists");
    entries
        .iter()
        .map(|entry| {
            let fact: Value = serde_json::from_slice(&entry.value).expect("a fact");
            let name = |field: &str| fact[field].as_str().expect("a name").to_owned();
            ((name("type"), name("key")), fact["value"].clone())
        })
        .collect()
}

/// What somebody knows who has followed an account's feed from its start.
async fn followed(shared: &Shared, account: AccountId) -> Rows {
    let feed = StreamPath::feed(account);
    let page = shared.world.hub.streams().read(&feed, None, usize::MAX, usize::MAX).await.expect("the feed");
    let mut rows = Rows::new();
    for message in page.messages {
        let fact: Value = serde_json::from_slice(&message.body).expect("a fact");
        let name = |field: &str| fact[field].as_str().expect("a name").to_owned();
        let key = (name("type"), name("key"));
        if fact["headers"]["operation"] == "delete" {
            rows.remove(&key);
        } else {
            rows.insert(key, fact["value"].clone());
        }
    }
    rows
}

/// What of an account's lists is about a session.
fn about(rows: &Rows, session: &str) -> Rows {
    let of = |((kind, key), value): &(&(String, String), &Value)| match kind.as_str() {
        "session" => key == session,
        "command" | "approval" | "participant" => value["session"] == session,
        _ => false,
    };
    rows.iter().filter(of).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The promise, for everybody.
async fn check(shared: &Shared, people: &[&Identity], when: &str) {
    let parts = shared.world.hub.every(crate::keys::PARTICIPANTS.to_owned(), |_| Ok(true)).await.expect("a look");
    let parts: Vec<ParticipantRow> =
        parts.iter().map(|entry| crate::hub::decode::<ParticipantRow>(entry).expect("a row").value).collect();
    let mut all = BTreeMap::new();
    for who in people {
        let rows = lists(shared, who.account).await;
        assert_eq!(rows, followed(shared, who.account).await, "{when}: the feed says what the lists say");
        all.insert(who.account, rows);
    }
    for who in people {
        let mine = who.account.to_string();
        let rows = &all[&who.account];
        let owned = |session: &str| {
            let session = rows.get(&("session".to_owned(), session.to_owned()));
            session.is_some_and(|value| value["account"] == mine.as_str())
        };
        let mut seen = HashSet::new();
        for ((kind, key), value) in rows {
            let session = match kind.as_str() {
                "session" | "read_mark" => key.as_str(),
                "command" | "approval" | "participant" => value["session"].as_str().expect("a session"),
                // Hosts and devices are one's own.
                _ => continue,
            };
            if !owned(session) {
                seen.insert(session.to_owned());
            }
        }
        let takes: HashSet<String> = parts
            .iter()
            .filter(|row| row.about.account == who.account)
            .map(|row| row.about.session.to_string())
            .collect();
        assert_eq!(seen, takes, "{when}: of other accounts' sessions one sees those in which one takes part");
        for row in parts.iter().filter(|row| row.about.account == who.account) {
            let session = row.about.session.to_string();
            let owners = about(&all[&row.about.owner], &session);
            assert!(owners.len() >= 2, "{when}: the session, and who takes part");
            assert_eq!(about(rows, &session), owners, "{when}");
            let leave = shared.world.hub.inner.sharing.leave(who.account, row.about.session);
            assert_eq!(leave.map(|leave| leave.role), Some(row.about.role), "{when}: memory is as the disk");
        }
    }
}

/// One thing that happens.
async fn act(shared: &Shared, dice: &mut Dice, people: &[Identity], sent: &mut Vec<CommandId>) -> String {
    let hub = &shared.world.hub;
    let guest = &people[usize::try_from(dice.below(people.len() as u64)).unwrap()];
    let which = dice.below(16);
    let some = |dice: &mut Dice, sent: &[CommandId]| {
        let place = usize::try_from(dice.below(sent.len().max(1) as u64)).unwrap();
        sent.get(place).copied()
    };
    match which {
        0 | 1 => {
            let request = shared.prompt("the owner's");
            sent.extend(hub.submit(&shared.owner, request.clone()).await.map(|_| request.id));
        }
        2..=4 => {
            let request = shared.prompt("a guest's");
            sent.extend(hub.submit(guest, request.clone()).await.map(|_| request.id));
        }
        5 => {
            if let Some(id) = some(dice, sent) {
                let _late = hub.release_command(&shared.owner, id, CommandRelease::default()).await;
            }
        }
        6 => {
            if let Some(id) = some(dice, sent) {
                let _late = hub.cancel(if dice.below(2) == 0 { guest } else { &shared.owner }, id).await;
            }
        }
        7 => {
            let mut listed = shared.listed(shared.owner.account, shared.host, "tides");
            listed.queued_turns = u32::try_from(dice.below(100)).unwrap();
            shared.tell(&FeedFact::from((shared.session, Operation::Update, listed))).await;
        }
        8 | 9 => {
            let id =
                if dice.below(2) == 0 { shared.approval } else { ApprovalId::from_uuid(shared.world.clock.fresh()) };
            let state = if dice.below(2) == 0 { ApprovalState::Pending } else { ApprovalState::Answered };
            shared.tell(&FeedFact::from((id, Operation::Update, shared.asked(state)))).await;
        }
        10 => {
            let id = shared.approval;
            shared.tell(&FeedFact::Approval { id, operation: Operation::Delete, value: None }).await;
        }
        11 => {
            let role = if dice.below(3) == 0 { Viewer } else { Editor };
            let (_, secret) = shared.invite(role, dice.below(2) == 0).await;
            hub.join_session(guest, JoinSession { secret }).await.unwrap();
            // Of who was in already the invitation is left.
            for invitation in hub.participant_list(&shared.owner, shared.session).await.unwrap().invitations {
                let _used = hub.uninvite_from_session(&shared.owner, shared.session, invitation.invitation).await;
            }
        }
        12 => {
            let who = if dice.below(2) == 0 { guest } else { &shared.owner };
            let _out = hub.remove_participant(who, shared.session, guest.account).await;
        }
        13 => {
            let role = if dice.below(2) == 0 { Viewer } else { Editor };
            let edit = ParticipantEdit { role: Some(role), trusted: Some(dice.below(2) == 0) };
            let _out = hub.edit_participant(&shared.owner, shared.session, guest.account, edit).await;
        }
        14 => drop(hub.mark_read(guest, shared.session, dice.below(4)).await),
        // Some commands expire.
        _ => tokio::time::sleep(Duration::from_secs(400)).await,
    }
    format!("after {which}")
}

#[tokio::test(start_paused = true)]
async fn what_a_participant_sees_is_what_the_owner_sees_after_any_sequence() {
    for seed in 0..8 {
        let mut shared = Shared::new().await;
        let mut dice = Dice(seed);
        let mut people = Vec::new();
        for _ in 0..3 {
            people.push(shared.world.stranger().await.0);
        }
        let mut sent = Vec::new();
        for step in 0..50 {
            let done = act(&shared, &mut dice, &people, &mut sent).await;
            // Everybody, and somebody who never had to do with it.
            let everybody: Vec<&Identity> = people.iter().chain([&shared.owner]).collect();
            check(&shared, &everybody, &format!("seed {seed}, step {step}, {done}")).await;
            if dice.below(30) == 0 {
                shared = shared.again().await;
            }
        }
        if seed == 0 {
            // After days, what has ended is forgotten.
            tokio::time::sleep(Duration::from_hours(8 * 24)).await;
            let everybody: Vec<&Identity> = people.iter().chain([&shared.owner]).collect();
            check(&shared, &everybody, "after days").await;
        }
        shared.world.hub.delete_session(&shared.owner, shared.session).await.unwrap();
        let everybody: Vec<&Identity> = people.iter().chain([&shared.owner]).collect();
        check(&shared, &everybody, "after the session").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_of_a_commit_leaves_all_or_nothing_of_it() {
    for fault in [CommitFault::Before, CommitFault::After, CommitFault::Full] {
        for seed in 100..104 {
            let clock = TestClock::new();
            let store = Arc::new(Faulty::new(MemoryStore::new(clock.clone())));
            let options = Options { host: false, ..crate::testing::options() };
            let hub = crate::testing::open_as(store.clone(), clock.clone(), options).await;
            let owner = hub.node_identity();
            let mut shared = Shared::of(World { hub, clock, store: store.clone(), owner }).await;
            let (ada, _) = shared.guest(Editor, false).await;
            let (bob, _) = shared.world.stranger().await;
            let mut dice = Dice(seed);
            for step in 0..24 {
                store.plan_commit(Some(fault));
                let request = shared.prompt("x");
                let hub = &shared.world.hub;
                let failed = match dice.below(5) {
                    0 => hub.submit(&shared.owner, request).await.is_err(),
                    1 => hub.submit(&ada, request).await.is_err(),
                    2 => hub.remove_participant(&shared.owner, shared.session, ada.account).await.is_err(),
                    3 => {
                        let edit = ParticipantEdit { role: Some(Editor), trusted: Some(dice.below(2) == 0) };
                        hub.edit_participant(&shared.owner, shared.session, ada.account, edit).await.is_err()
                    }
                    _ => {
                        let new = NewSessionInvitation { role: Editor, trusted: true };
                        hub.invite_to_session(&shared.owner, shared.session, new).await.is_err()
                    }
                };
                // Where nothing was to be written the fault is still to come.
                let _at_the_latest = hub.ready().await;
                store.mend();
                if failed {
                    // As when the process ended there.
                    shared = shared.again().await;
                }
                check(&shared, &[&shared.owner, &ada, &bob], &format!("{fault:?} {seed} {step}")).await;
                let (_, secret) = shared.invite(Editor, false).await;
                let back = if dice.below(2) == 0 { &ada } else { &bob };
                shared.world.hub.join_session(back, JoinSession { secret }).await.unwrap();
                for invitation in
                    shared.world.hub.participant_list(&shared.owner, shared.session).await.unwrap().invitations
                {
                    let of = (shared.session, invitation.invitation);
                    shared.world.hub.uninvite_from_session(&shared.owner, of.0, of.1).await.unwrap();
                }
                check(&shared, &[&shared.owner, &ada, &bob], &format!("{fault:?} {seed} {step}, joined")).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_comes_and_goes_while_much_is_told_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(dir.path(), clock.clone()).unwrap());
    let options = Options { host: false, ..crate::testing::options() };
    let hub = crate::testing::open_as(store.clone(), clock.clone(), options).await;
    let owner = hub.node_identity();
    let shared = Arc::new(Shared::of(World { hub, clock, store, owner }).await);
    let (ada, _) = shared.world.stranger().await;
    let (bob, _) = shared.world.stranger().await;
    let mut busy = tokio::task::JoinSet::new();
    for n in 0..4_u64 {
        let shared = Arc::clone(&shared);
        busy.spawn(async move {
            for step in 0..60 {
                let id = ApprovalId::from_uuid(shared.world.clock.fresh());
                let tell = async {
                    shared.tell(&FeedFact::from((id, Operation::Insert, shared.asked(ApprovalState::Pending)))).await;
                    if n == 0 {
                        shared.tell(&FeedFact::Approval { id, operation: Operation::Delete, value: None }).await;
                    }
                };
                if step % 5 == 4 {
                    // Whoever asked leaves in the middle; what was begun is done all the same.
                    let _left = tokio::time::timeout(Duration::from_micros(50), tell).await;
                } else {
                    tell.await;
                }
            }
        });
    }
    for who in [&ada, &bob] {
        let (shared, who) = (Arc::clone(&shared), who.clone());
        busy.spawn(async move {
            for _ in 0..8 {
                shared.join(&who, Editor, false).await;
                let _held = shared.world.hub.submit(&who, shared.prompt("x")).await;
                shared.world.hub.remove_participant(&shared.owner, shared.session, who.account).await.unwrap();
            }
            shared.join(&who, Viewer, false).await;
        });
    }
    while let Some(done) = busy.join_next().await {
        done.unwrap();
    }
    // What was left in the middle is done by nobody's waiting.
    while shared.world.hub.tasks().len() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    check(&shared, &[&shared.owner, &ada, &bob], "in the end").await;
    shared.world.hub.stop().await;
}
