//! A participant's prompt at a linked machine: it reaches it when its owner lets it run, once, and says whose it is.

use protocol::api::CommandRelease;
use protocol::approval::{Approval, ApprovalState, Decision, Via};
use protocol::command::CommandRequest;
use protocol::id::ApprovalId;
use protocol::item::Sender;
use protocol::link::PARTICIPANTS;
use protocol::participant::{JoinSession, NewSessionInvitation, ParticipantEdit, ParticipantRole};

use super::*;
use crate::Identity;

/// A session of the machine, and somebody who takes part in it.
async fn shared(yard: &Yard, machine: &Machine, node: &mut Node, trusted: bool) -> (SessionId, Identity) {
    let session = yard.world.session();
    let mut journal = Owned::journal(session);
    journal.messages.push("[1]".to_owned());
    node.store(&[machine.session(&yard.world, session, "one")], vec![journal.from(0)]).await;
    let (guest, _) = yard.world.stranger().await;
    let new = NewSessionInvitation { role: ParticipantRole::Editor, trusted };
    let offer = yard.world.hub.invite_to_session(&yard.world.owner, session, new).await.expect("an invitation");
    yard.world.hub.join_session(&guest, JoinSession { secret: offer.link.secret }).await.expect("it is good");
    (session, guest)
}

/// A link of a machine that knows participants.
async fn link(yard: &Yard, machine: &Machine, holds: &[CommandId]) -> Node {
    let mut node = enter(yard, machine, holds).await;
    if let Some(news) = node.peek_news().await {
        node.say(&NodeFrame::Heard { number: news.last().expect("some").0 }).await;
    }
    node
}

/// The same, before it has heard anything.
async fn enter(yard: &Yard, machine: &Machine, holds: &[CommandId]) -> Node {
    let mut node = yard.dial(machine).await.expect("a socket");
    let mut hello = machine.hello(holds);
    hello.capabilities.push(PARTICIPANTS.to_owned());
    node.say(&NodeFrame::Hello(Box::new(hello))).await;
    match node.hear().await {
        HubFrame::Welcome { cursor, .. } => node.place = cursor.map_or(0, |cursor| cursor.offset.byte),
        other => panic!("{other:?}"),
    }
    node
}

fn prompt(yard: &Yard, machine: &Machine, session: SessionId) -> CommandRequest {
    CommandRequest { host: machine.device, ..yard.world.prompt(session, "theirs") }
}

#[tokio::test(start_paused = true)]
async fn a_held_prompt_is_handed_over_once_it_is_let_run_and_not_before() {
    let yard = Yard::of(World::shared().await);
    let machine = yard.machine().await;
    let mut node = link(&yard, &machine, &[]).await;
    let (session, guest) = shared(&yard, &machine, &mut node, false).await;
    let request = prompt(&yard, &machine, session);
    yard.world.hub.submit(&guest, request.clone()).await.expect("it is taken in");
    assert!(node.renewed().await.is_empty(), "it waits for the owner");
    drop(node);
    let mut node = link(&yard, &machine, &[]).await;
    assert!(node.renewed().await.is_empty());
    yard.world.hub.release_command(&yard.world.owner, request.id, CommandRelease::default()).await.expect("it may run");
    let handed = node.hear_hand().await;
    let by = handed[0].participant.clone().expect("whose it is");
    assert_eq!((handed.len(), handed[0].command, handed[0].sender), (1, request.id, guest.device));
    assert_eq!((by.account, by.name.as_str(), by.trusted), (guest.account, "somebody else", false));
    assert_eq!(by.released_by, Some(yard.world.owner.device));
    node.take(&handed, CommandState::Queued).await;
    assert!(node.renewed().await.is_empty());
    let command = yard.command(request.id).await;
    node.store(&[machine.told(&command, request.id, CommandState::Succeeded)], Vec::new()).await;
    let ack = yard.world.hub.command(guest.account, request.id).await.expect("it is the guest's to know");
    assert_eq!((ack.state, command.attempt), (CommandState::Succeeded, 1));
    // Whoever answered is who answered, also when it was somebody of another account.
    let id = ApprovalId::from_uuid(yard.world.clock.fresh());
    let decided = |by: Sender| Approval {
        v: FACT_VERSION,
        session,
        turn: yard.world.turn(),
        item: None,
        ord: 1,
        kind: protocol::approval::ApprovalKind::Permission,
        state: ApprovalState::Answered,
        options: Vec::new(),
        decision: Some(Decision {
            option: "no".to_owned(),
            by,
            at_ms: yard.world.clock.now(),
            via: Via::Person,
            rule: None,
        }),
        created_at_ms: yard.world.clock.now(),
        expires_at_ms: None,
        content: protocol::approval::ApprovalContent::default(),
    };
    let there = Sender { account: machine.there, device: machine.host };
    for (by, expected) in [
        (guest.sender(), guest.sender()),
        (there, Sender { account: machine.account, device: machine.device }),
        // Somebody who never took part is nobody here.
        (
            Sender { account: AccountId::from_uuid(yard.world.clock.fresh()), device: guest.device },
            Sender { account: machine.account, device: guest.device },
        ),
    ] {
        node.store(&[FeedFact::from((id, Operation::Update, decided(by)))], Vec::new()).await;
        match yard.fact(&machine, "approval", &id.to_string()).await {
            Some(FeedFact::Approval { value: Some(approval), .. }) => {
                assert_eq!(approval.decision.expect("one").by, expected);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_does_not_know_participants_is_handed_nothing_of_theirs() {
    let yard = Yard::of(World::shared().await);
    let machine = yard.machine().await;
    let mut node = yard.linked(&machine).await;
    let (session, guest) = shared(&yard, &machine, &mut node, true).await;
    let (first, owners) = (prompt(&yard, &machine, session), prompt(&yard, &machine, session));
    yard.world.hub.submit(&guest, first.clone()).await.expect("it is taken in");
    yard.world.hub.submit(&yard.world.owner, owners.clone()).await.expect("it is taken in");
    let handed = node.hear_hand().await;
    assert_eq!(handed.iter().map(|handed| handed.command).collect::<Vec<_>>(), [owners.id]);
    let failed = yard.command(first.id).await;
    assert_eq!(failed.error.map(|error| error.code), Some(ErrorCode::Unsupported));
    assert!(failed.content.detail.expect("why").contains("participants"));
}

#[tokio::test(start_paused = true)]
async fn what_was_leased_to_a_newer_program_is_not_handed_to_an_older_one() {
    let yard = Yard::of(World::shared().await);
    let machine = yard.machine().await;
    let mut node = link(&yard, &machine, &[]).await;
    let (session, guest) = shared(&yard, &machine, &mut node, true).await;
    let request = prompt(&yard, &machine, session);
    yard.world.hub.submit(&guest, request.clone()).await.expect("it is taken in");
    assert_eq!(node.hear_hand().await[0].command, request.id);
    // It never says that it has it, and comes back with a version that would put it down as its owner's.
    drop(node);
    let mut node = yard.linked(&machine).await;
    let owners = prompt(&yard, &machine, session);
    yard.world.hub.submit(&yard.world.owner, owners.clone()).await.expect("it is taken in");
    let handed = node.hear_hand().await;
    assert_eq!(handed.iter().map(|handed| handed.command).collect::<Vec<_>>(), [owners.id]);
    let failed = yard.command(request.id).await;
    assert_eq!(failed.error.map(|error| error.code), Some(ErrorCode::Unsupported));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_its_machine_deletes_is_gone_for_all() {
    let yard = Yard::of(World::shared().await);
    let machine = yard.machine().await;
    let mut node = link(&yard, &machine, &[]).await;
    let (session, guest) = shared(&yard, &machine, &mut node, true).await;
    let lost = yard.world.hub.losing(guest.account);
    node.store(&[FeedFact::Session { id: session, operation: Operation::Delete, value: None }], Vec::new()).await;
    assert!(lost.is_cancelled());
    let rows = yard.world.hub.every(crate::keys::rows(guest.account, "session"), |_| Ok(true)).await.expect("a look");
    assert!(rows.is_empty(), "{rows:?}");
    yard.world.hub.may_read(guest.account, &StreamPath::journal(session)).await.unwrap_err();
}

/// Ways in which a participant loses what it had.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Removed,
    Left,
    Viewer,
    Closed,
    Untrusted,
}

const LOSSES: [Loss; 5] = [Loss::Removed, Loss::Left, Loss::Viewer, Loss::Closed, Loss::Untrusted];

impl Loss {
    async fn happen(self, yard: &Yard, session: SessionId, guest: &Identity) {
        let (hub, owner) = (&yard.world.hub, &yard.world.owner);
        let edit = match self {
            Self::Removed => return hub.remove_participant(owner, session, guest.account).await.expect("it is out"),
            Self::Left => return hub.remove_participant(guest, session, guest.account).await.expect("it is out"),
            Self::Closed => return hub.close_account(owner, guest.account).await.expect("it is closed"),
            Self::Viewer => ParticipantEdit { role: Some(ParticipantRole::Viewer), trusted: None },
            Self::Untrusted => ParticipantEdit { role: None, trusted: Some(false) },
        };
        hub.edit_participant(owner, session, guest.account, edit).await.expect("it is changed");
    }
}

/// What is left of a participant's places at a host.
async fn places(yard: &Yard, machine: &Machine) -> usize {
    yard.world.hub.scan(crate::keys::all_sent(machine.device), None, 9).await.expect("a look").len()
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_over_and_never_came_is_not_handed_over_again_once_its_sender_is_out() {
    for loss in LOSSES {
        let yard = Yard::of(World::shared().await);
        let machine = yard.machine().await;
        let mut node = link(&yard, &machine, &[]).await;
        let (session, guest) = shared(&yard, &machine, &mut node, true).await;
        let (theirs, owners) = (prompt(&yard, &machine, session), prompt(&yard, &machine, session));
        yard.world.hub.submit(&guest, theirs.clone()).await.expect("it is taken in");
        assert_eq!(node.hear_hand().await[0].command, theirs.id);
        drop(node);
        yard.world.hub.submit(&yard.world.owner, owners.clone()).await.expect("it is taken in");
        loss.happen(&yard, session, &guest).await;
        let mut node = enter(&yard, &machine, &[]).await;
        let handed = node.hear_hand().await;
        assert_eq!(handed.iter().map(|handed| handed.command).collect::<Vec<_>>(), [owners.id], "{loss:?}");
        assert_eq!(yard.state(theirs.id).await, CommandState::Cancelled, "{loss:?}");
        assert_eq!(places(&yard, &machine).await, 0, "{loss:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_has_it_is_asked_to_give_it_back() {
    for loss in LOSSES {
        let yard = Yard::of(World::shared().await);
        let machine = yard.machine().await;
        let mut node = link(&yard, &machine, &[]).await;
        let (session, guest) = shared(&yard, &machine, &mut node, true).await;
        let theirs = prompt(&yard, &machine, session);
        yard.world.hub.submit(&guest, theirs.clone()).await.expect("it is taken in");
        let handed = node.hear_hand().await;
        node.take(&handed, CommandState::Leased).await;
        assert!(node.renewed().await.is_empty());
        loss.happen(&yard, session, &guest).await;
        let news = node.hear_news().await;
        let asked = |news: &LinkNews| matches!(news, LinkNews::Cancelled { command, .. } if *command == theirs.id);
        assert!(news.iter().any(|(_, news)| asked(news)), "{loss:?}: {news:?}");
        assert_eq!(yard.state(theirs.id).await, CommandState::Leased, "who won is the machine's to say");
        let command = yard.command(theirs.id).await;
        node.store(&[machine.told(&command, theirs.id, CommandState::Cancelled)], Vec::new()).await;
        assert_eq!((yard.state(theirs.id).await, places(&yard, &machine).await), (CommandState::Cancelled, 0));
    }
}
