//! Participants, as people meet them: on a shared hub, with a session of a machine of its owner's.

mod changing;
mod facts;
mod limits;
mod prompts;
mod roles;

use protocol::approval::{Approval, ApprovalContent, ApprovalKind, ApprovalOption, ApprovalState, OptionKind};
use protocol::command::{Command, CommandRequest};
use protocol::device::{DeviceKind, Right};
use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::id::{AccountId, ApprovalId, CommandId, DeviceId, InvitationId, ProjectId, SessionId, TurnId};
use protocol::participant::{JoinSession, NewSessionInvitation, ParticipantRole};
use protocol::path::StreamPath;
use protocol::session::{Activity, Session, SessionContent};
use protocol::time::Clock as _;
use store::{Append, Batch, Put};

use crate::open::json_stream;
use crate::rows::{CommandRow, Row as _, SessionRow, TurnRow};
use crate::testing::World;
use crate::{Identity, NewDevice, Options};

/// The options of an answer, by what they mean.
pub(crate) const OPTIONS: [(&str, OptionKind); 6] = [
    ("yes", OptionKind::AllowOnce),
    ("always", OptionKind::AllowAlways),
    ("rule", OptionKind::AllowRule),
    ("no", OptionKind::Deny),
    ("never", OptionKind::DenyAlways),
    ("word", OptionKind::Answer),
];

/// A shared hub, and a session of its owner's that runs on a linked machine.
pub(crate) struct Shared {
    pub(crate) world: World,
    pub(crate) owner: Identity,
    pub(crate) credential: String,
    pub(crate) host: DeviceId,
    pub(crate) session: SessionId,
    pub(crate) turn: TurnId,
    pub(crate) approval: ApprovalId,
}

impl Shared {
    pub(crate) async fn new() -> Self {
        Self::of(World::shared().await).await
    }

    pub(crate) async fn of(world: World) -> Self {
        let (owner, credential) = world.device(&Right::ALL).await;
        let new = NewDevice {
            account: owner.account,
            kind: DeviceKind::Node,
            rights: Right::ALL.to_vec(),
            name: "laptop".to_owned(),
            platform: "linux".to_owned(),
            public_key: None,
        };
        let (host, _) = world.hub.enrol(new).await.expect("a machine");
        let (turn, approval) = (world.turn(), ApprovalId::from_uuid(world.clock.fresh()));
        let mut shared = Self { session: world.session(), world, owner, credential, host, turn, approval };
        shared.session = shared.make(&shared.owner, host, "tides").await;
        shared.run().await;
        shared
    }

    /// The same data after a restart.
    pub(crate) async fn again(self) -> Self {
        self.world.hub.stop().await;
        let options = Options { host: false, ..crate::testing::options() };
        let hub = crate::testing::open_as(self.world.store.clone(), self.world.clock.clone(), options).await;
        let world = World { hub, ..self.world };
        Self { world, ..self }
    }

    /// A session of an account, as its linked host has told of it.
    pub(crate) async fn make(&self, whose: &Identity, host: DeviceId, title: &str) -> SessionId {
        let id = self.world.session();
        let row = SessionRow { account: whose.account, host, command: None, live: true };
        let mut batch = Batch::of(Put::set(crate::keys::session(id), row.encode()));
        batch.push(json_stream(StreamPath::journal(id)));
        let fact = FeedFact::from((id, Operation::Insert, self.listed(whose.account, host, title)));
        crate::feed::tell(&mut batch, whose.account, &fact);
        self.world.hub.commit(batch).await.expect("a session");
        id
    }

    pub(crate) fn listed(&self, account: AccountId, host: DeviceId, title: &str) -> Session {
        Session {
            v: FACT_VERSION,
            account,
            host,
            project: ProjectId::from_uuid(self.world.clock.fresh()),
            agent: "demo".to_owned(),
            model: None,
            mode: None,
            effort: None,
            activity: Activity::Working,
            last_turn: None,
            queued_turns: 0,
            background_tasks: 0,
            created_at_ms: self.world.clock.now(),
            updated_at_ms: self.world.clock.now(),
            archived_at_ms: None,
            ended_turns: 3,
            from: None,
            content: SessionContent { title: title.to_owned(), doing: None },
        }
    }

    /// A turn that runs and a question that waits.
    async fn run(&self) {
        let mut batch = Batch::of(Put::set(crate::keys::turn(self.turn), TurnRow { session: self.session }.encode()));
        batch.push(json_stream(StreamPath::turn(self.turn)));
        batch.push(Append::new(StreamPath::turn(self.turn), vec!["{\"n\":1}".into()]));
        batch.push(Append::new(StreamPath::journal(self.session), vec!["{\"n\":1}".into()]));
        let approval = (self.approval, Operation::Insert, self.asked(ApprovalState::Pending));
        crate::feed::tell(&mut batch, self.owner.account, &FeedFact::from(approval));
        self.world.hub.commit(batch).await.expect("a turn");
    }

    pub(crate) fn asked(&self, state: ApprovalState) -> Approval {
        let option = |(id, kind): &(&str, OptionKind)| ApprovalOption { id: (*id).to_owned(), kind: *kind };
        Approval {
            v: FACT_VERSION,
            session: self.session,
            turn: self.turn,
            item: None,
            ord: 2,
            kind: ApprovalKind::Permission,
            state,
            options: OPTIONS.iter().map(option).collect(),
            decision: None,
            created_at_ms: self.world.clock.now(),
            expires_at_ms: None,
            content: ApprovalContent::default(),
        }
    }

    /// Tells the owner of something, as a linked host does.
    pub(crate) async fn tell(&self, fact: &FeedFact) {
        let mut batch = Batch::new();
        crate::feed::tell(&mut batch, self.owner.account, fact);
        self.world.hub.commit(batch).await.expect("it is told");
    }

    pub(crate) async fn invite(&self, role: ParticipantRole, trusted: bool) -> (InvitationId, String) {
        let new = NewSessionInvitation { role, trusted };
        let offer = self.world.hub.invite_to_session(&self.owner, self.session, new).await.expect("an invitation");
        (offer.invitation, offer.link.secret)
    }

    pub(crate) async fn join(&self, who: &Identity, role: ParticipantRole, trusted: bool) {
        let (_, secret) = self.invite(role, trusted).await;
        let joined = self.world.hub.join_session(who, JoinSession { secret }).await.expect("it is good");
        assert_eq!((joined.session, joined.role), (self.session, role));
    }

    /// Somebody with an account of their own who takes part.
    pub(crate) async fn guest(&self, role: ParticipantRole, trusted: bool) -> (Identity, String) {
        let (guest, credential) = self.world.stranger().await;
        self.join(&guest, role, trusted).await;
        (guest, credential)
    }

    pub(crate) fn prompt(&self, text: &str) -> CommandRequest {
        CommandRequest { host: self.host, ..self.world.prompt(self.session, text) }
    }

    pub(crate) async fn row(&self, id: CommandId) -> CommandRow {
        let row = self.world.hub.load::<CommandRow>(&crate::keys::command(id)).await.expect("a look");
        row.expect("a command").value
    }

    pub(crate) async fn command(&self, id: CommandId) -> Command {
        self.row(id).await.command
    }

    /// What stands in the host's queue.
    pub(crate) async fn waiting(&self) -> Vec<String> {
        let entries = self.world.hub.every(crate::keys::all_waiting(self.host), |_| Ok(true)).await.expect("a look");
        entries.iter().map(|entry| String::from_utf8_lossy(&entry.value).into_owned()).collect()
    }

    /// The actions in the trail of an account, oldest first.
    pub(crate) async fn trail(&self, account: AccountId) -> Vec<String> {
        let page = self.world.hub.audit_page(account, None, Some(500)).await.expect("a trail");
        page.entries.into_iter().rev().map(|entry| entry.action).collect()
    }
}
