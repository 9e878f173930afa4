//! Consent with the real program over real sockets: twenty devices at once, standing rules, and the policy of a machine.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::sync::Arc;
use std::time::Duration;

use client::socket::Options;
use client::{Api, Dialer, Remote, SessionFollow, Socket};
use protocol::api::{AuditEntry, ClaimRequest, ClaimStatus, ClaimStatusRequest, CommandAck, NewPairing};
use protocol::approval::{Approval, ApprovalState, OptionKind, Via};
use protocol::command::{AnswerContent, CommandBody, CommandRequest, CommandState, PromptContent, StartContent};
use protocol::device::DeviceKind;
use protocol::error::ErrorCode;
use protocol::fact::FeedFact;
use protocol::fold::Transcript;
use protocol::id::{ApprovalId, CommandId, DeviceId, ProjectId, SessionId};
use serde_json::Value;
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep, timeout};
use world::{PATIENCE, Running, World};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn fresh() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

/// A device with a credential of its own.
#[derive(Debug)]
struct Device {
    api: Api,
    socket: Socket,
    id: DeviceId,
    host: DeviceId,
}

impl Device {
    async fn of(remote: Remote) -> Self {
        let seed = fresh().as_u64_pair().1;
        let options = Options { client: "consent/0".to_owned(), first_pause: Duration::from_millis(20), seed };
        let (api, socket) = (Api::new(remote.clone()), Socket::open(remote, options));
        let me = api.me().await.unwrap();
        Self { api, socket, id: me.device, host: me.host.unwrap() }
    }

    /// One more device, let in by the machine's own.
    async fn enrol(node: &Running, owner: &Api, name: &str) -> Self {
        let offer = owner.offer_pairing(&NewPairing { once: false }).await.unwrap();
        let stranger = Api::new(Remote::new(node.url(), None, Dialer::tcp()).unwrap());
        let request = ClaimRequest {
            code: offer.code,
            name: name.to_owned(),
            platform: "test".to_owned(),
            kind: DeviceKind::Program,
            public_key: None,
        };
        let claimed = stranger.claim(&request).await.unwrap();
        owner.answer_pairing(claimed.pairing, true).await.unwrap();
        let ask = ClaimStatusRequest { pairing: claimed.pairing, claim_token: claimed.claim_token, wait_ms: 10_000 };
        match stranger.claim_status(&ask).await.unwrap() {
            ClaimStatus::Approved { credential: Some(credential), .. } => {
                Self::of(Remote::new(node.url(), Some(credential), Dialer::tcp()).unwrap()).await
            }
            other => panic!("{other:?}"),
        }
    }

    async fn project(&self) -> ProjectId {
        let facts = self.api.lists().await.unwrap().facts;
        let project = facts.iter().find_map(|raw| match FeedFact::parse(raw.get().as_bytes()).unwrap() {
            FeedFact::Project { id, .. } => Some(id),
            _ => None,
        });
        project.unwrap()
    }

    /// Sends a command and waits for its end.
    async fn done(&self, body: CommandBody) -> CommandAck {
        let id = CommandId::from_uuid(fresh());
        self.socket.command(CommandRequest { id, host: self.host, ttl_ms: None, retry_of: None, body }).await.unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(ack) = self.api.command(id).await
                && ack.state.is_final()
            {
                return ack;
            }
            assert!(Instant::now() < until, "{id} never ended");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn start(&self, text: &str) -> (SessionId, SessionFollow) {
        let session = SessionId::from_uuid(fresh());
        let body = CommandBody::StartSession {
            session,
            project: self.project().await,
            new_project: false,
            agent: "demo".to_owned(),
            model: None,
            mode: None,
            effort: None,
            content: StartContent { title: None, text: Some(text.to_owned()), ..StartContent::default() },
        };
        let ack = self.done(body).await;
        assert_eq!(ack.state, CommandState::Succeeded, "{ack:?}");
        (session, SessionFollow::open(self.api.clone(), &self.socket, session, true).await.unwrap())
    }

    async fn prompt(&self, session: SessionId, text: &str) {
        let content = PromptContent { text: text.to_owned(), attachments: Vec::new() };
        assert_eq!(self.done(CommandBody::SendPrompt { session, content }).await.state, CommandState::Succeeded);
    }

    async fn answer(&self, session: SessionId, id: ApprovalId, asked: &Approval, option: &str) -> CommandAck {
        let content = AnswerContent { shown: Some(asked.content.shown.clone()), ..AnswerContent::default() };
        self.done(CommandBody::AnswerApproval { session, approval: id, option: option.to_owned(), content }).await
    }

    async fn audit(&self) -> Vec<AuditEntry> {
        self.api.audit(None, 500).await.unwrap().entries
    }
}

/// Reads on until something is so.
async fn until<T>(follow: &mut SessionFollow, is_so: impl Fn(&Transcript) -> Option<T>) -> T {
    let read = async {
        loop {
            if let Some(found) = is_so(follow.transcript()) {
                return found;
            }
            follow.next().await.unwrap();
        }
    };
    timeout(PATIENCE, read).await.expect("it becomes so in time")
}

/// The newest approval, when it is in a state.
fn newest(transcript: &Transcript, state: ApprovalState) -> Option<(ApprovalId, Approval)> {
    let all = transcript.approvals().into_iter().map(|(id, approval)| (id, approval.clone()));
    all.max_by_key(|(_, approval)| approval.ord).filter(|(_, approval)| approval.state == state)
}

fn option(asked: &Approval, kind: OptionKind) -> String {
    asked.options.iter().find(|option| option.kind == kind).unwrap().id.clone()
}

/// W-039: the first answer wins everywhere, and everybody else is told.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_devices_answer_at_once_and_one_wins() {
    const DEVICES: usize = 20;
    let world = World::new();
    let node = world.up(&LISTEN);
    let owner = Device::of(world.remote(&node)).await;
    let mut devices = Vec::new();
    for n in 0..DEVICES {
        devices.push(Device::enrol(&node, &owner.api, &format!("device {n}")).await);
    }
    let (session, mut follow) = owner.start("[[write race.txt now]]").await;
    let (id, asked) = until(&mut follow, |transcript| newest(transcript, ApprovalState::Pending)).await;
    assert_eq!(asked.content.shown.len(), 64);
    let barrier = Arc::new(Barrier::new(DEVICES));
    let answers = devices.into_iter().enumerate().map(|(n, device)| {
        let (barrier, asked) = (barrier.clone(), asked.clone());
        // Half of them refuse.
        let option = option(&asked, if n % 2 == 0 { OptionKind::AllowOnce } else { OptionKind::Deny });
        tokio::spawn(async move {
            barrier.wait().await;
            let ack = device.answer(session, id, &asked, &option).await;
            (device.id, option, ack)
        })
    });
    let mut told = Vec::new();
    for answer in answers.collect::<Vec<_>>() {
        told.push(answer.await.unwrap());
    }
    let won: Vec<_> = told.iter().filter(|(.., ack)| ack.state == CommandState::Succeeded).collect();
    assert_eq!(won.len(), 1, "{told:?}");
    let lost = told.iter().filter(|(.., ack)| ack.error == Some(ErrorCode::ApprovalNotPending)).count();
    assert_eq!(lost, DEVICES - 1, "{told:?}");
    let (_, over) = until(&mut follow, |transcript| newest(transcript, ApprovalState::Answered)).await;
    let decision = over.decision.unwrap();
    assert_eq!((decision.by.device, &decision.option), (won[0].0, &won[0].1), "everybody sees whose answer counted");
    until(&mut follow, |transcript| transcript.turns().iter().all(|(_, turn)| turn.state.is_final()).then_some(()))
        .await;
    assert_eq!(world.project().join("race.txt").exists(), won[0].1 == option(&asked, OptionKind::AllowOnce));
    let audit = owner.audit().await;
    let decided: Vec<_> = audit.iter().filter(|entry| entry.target == Some(id.to_string())).collect();
    assert_eq!(decided.len(), 1, "{decided:?}");
    assert_eq!(decided[0].device, Some(won[0].0));
    assert_eq!(
        decided[0].content.as_ref().unwrap().shown,
        Some(asked.content.shown),
        "with the hash of what was shown"
    );
    let refused = audit.iter().filter(|entry| entry.outcome == "approval_not_pending").count();
    assert_eq!(refused, DEVICES - 1, "and who came late is in it too");
    // The command line says whose answer counted.
    let late = world.run(&["answer", &id.to_string(), "allow"]);
    assert_eq!(late.code, Some(1));
    assert!(late.err.contains("was answered at") && late.err.contains("by device "), "{}", late.err);
    node.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standing_rule_answers_until_it_is_revoked() {
    let world = World::new();
    std::fs::create_dir(world.project().join("notes")).unwrap();
    let node = world.up(&LISTEN);
    let owner = Device::of(world.remote(&node)).await;
    let (session, mut follow) = owner.start("[[write notes/one.txt now]]").await;
    let (id, asked) = until(&mut follow, |transcript| newest(transcript, ApprovalState::Pending)).await;
    let at = asked.options.iter().position(|option| option.kind == OptionKind::AllowRule).expect("a rule is offered");
    assert_eq!(asked.content.labels[at], "edits in `notes/` of project, for this session");
    let ack = owner.answer(session, id, &asked, &asked.options[at].id).await;
    assert_eq!(ack.state, CommandState::Succeeded, "{ack:?}");
    owner.prompt(session, "[[write notes/two.txt now]]").await;
    let (_, by_rule) =
        until(&mut follow, |transcript| newest(transcript, ApprovalState::Answered).filter(|(other, _)| *other != id))
            .await;
    let decision = by_rule.decision.unwrap();
    assert_eq!((decision.via, decision.by.device), (Via::Rule, owner.id));
    let rule = decision.rule.unwrap();
    let listed = world.run(&["rules"]);
    assert!(listed.out.contains(&rule.to_string()) && listed.out.contains("used 1 times"), "{}", listed.out);
    let json: Value = serde_json::from_str(world.run(&["--json", "rules", "ls"]).out.trim()).unwrap();
    assert_eq!((&json["uses"], &json["scope"]["kind"]), (&1.into(), &"path".into()), "{json}");
    until(&mut follow, |transcript| transcript.turns().iter().all(|(_, turn)| turn.state.is_final()).then_some(()))
        .await;
    assert!(world.project().join("notes/two.txt").exists());
    // Outside of its directory a person is asked.
    owner.prompt(session, "[[write three.txt now]]").await;
    let (id, asked) = until(&mut follow, |transcript| newest(transcript, ApprovalState::Pending)).await;
    owner.answer(session, id, &asked, &option(&asked, OptionKind::Deny)).await;
    // Any device revokes it, and the answer means that it counts no more.
    let phone = Device::enrol(&node, &owner.api, "phone").await;
    phone.api.revoke_rule(rule).await.unwrap();
    owner.prompt(session, "[[write notes/four.txt now]]").await;
    let (id, asked) = until(&mut follow, |transcript| newest(transcript, ApprovalState::Pending)).await;
    owner.answer(session, id, &asked, &option(&asked, OptionKind::Deny)).await;
    assert!(world.run(&["rules"]).out.contains("No standing rule"));
    let again = world.run(&["rules", "revoke", &rule.to_string()]);
    assert_eq!(again.code, Some(1), "{again:?}");
    let actions: Vec<String> = owner.audit().await.into_iter().map(|entry| entry.action).collect();
    for action in ["rule.make", "rule.revoke", "approval.allow", "approval.allow_by_rule", "approval.deny"] {
        assert!(actions.iter().any(|said| said == action), "{action} in {actions:?}");
    }
    let told = world.run(&["audit", "--limit", "200"]).out;
    assert!(told.contains("edits in `notes/` of project, for this session"), "{told}");
    node.stop();
}

const POLICY: &str = "\
[[rule]]
decision = \"allow\"
command = [\"npm test\", \"cargo test\"]

[[rule]]
decision = \"deny\"
command = \"git push\"
reason = \"releases are made by people\"

[[rule]]
decision = \"deny\"
tool = \"edit\"
path = \"secrets\"

[[rule]]
decision = \"ask\"
command = \"npm install\"
";

#[test]
fn the_dry_run_says_what_would_be_decided_and_by_which_line() {
    let world = World::new();
    let none = world.run(&["policy", "test", "npm test"]);
    assert_eq!(none.code, Some(6), "{none:?}");
    assert!(none.out.starts_with("ask  there is no "), "{}", none.out);
    let folder = world.home().join(".config/towline");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("policy.toml");
    std::fs::write(&file, POLICY).unwrap();
    let at = |line: usize| format!("{}:{line}", file.display());
    for (args, code, said) in [
        (&["npm test --watch"][..], 0, format!("allow  {}\n", at(1))),
        (&["npm test && ls"], 6, "ask  no rule of".to_owned()),
        (&["npm test; git push"], 5, format!("deny  {}  releases are made by people\n", at(5))),
        (&["/bin/bash -lc 'npm test'"], 0, format!("allow  {}\n", at(1))),
        (&["npm install left-pad"], 6, format!("ask  {}\n", at(15))),
        (&["--tool", "edit", "secrets/key"], 5, format!("deny  {}\n", at(10))),
        (&["--tool", "edit", "src/../secrets/key"], 5, format!("deny  {}\n", at(10))),
        (&["--tool", "edit", "src/a.rs"], 6, "ask  no rule of".to_owned()),
        (&["--project", "/", "git push"], 5, format!("deny  {}", at(5))),
    ] {
        let ran = world.run(&[&["policy", "test"], args].concat());
        assert_eq!((ran.code, ran.err.as_str()), (Some(code), ""), "{args:?}: {}", ran.out);
        assert!(ran.out.starts_with(&said), "{args:?}: {}", ran.out);
    }
    let json = world.run(&["--json", "policy", "test", "git push"]);
    let json: Value = serde_json::from_str(json.out.trim()).unwrap();
    assert_eq!(json["decision"], "deny");
    assert_eq!((&json["why"], &json["line"]), (&"rule".into(), &5.into()));
    assert_eq!(world.run(&["policy", "test", "--tool", "excute", "x"]).code, Some(2));
    assert_eq!(world.run(&["policy", "test", "--project", "nowhere", "x"]).code, Some(2));
    let shown = world.run(&["policy", "show"]);
    assert_eq!(shown.code, Some(0));
    assert!(shown.out.contains("   5  deny   `git push …`  (releases are made by people)"), "{}", shown.out);
    // A file that is not right allows nothing, and says where.
    std::fs::write(&file, POLICY.replace("command = \"git push\"", "comand = \"git push\"")).unwrap();
    let broken = world.run(&["policy", "test", "npm test"]);
    assert_eq!(broken.code, Some(3));
    assert!(broken.out.starts_with(&format!("ask  {} is not right, so everything is asked", at(7))), "{}", broken.out);
    assert_eq!(world.run(&["policy", "show"]).code, Some(3));
    // Another file, by the configuration.
    std::fs::write(folder.join("other.toml"), "[[rule]]\ndecision = \"deny\"\n").unwrap();
    std::fs::write(folder.join("config.toml"), "[host]\npolicy_file = \"other.toml\"\n").unwrap();
    assert_eq!(world.run(&["policy", "test", "ls"]).code, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_decides_while_the_node_runs_and_is_read_anew_each_time() {
    let world = World::new();
    let folder = world.home().join(".config/towline");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("policy.toml");
    let node = world.up(&LISTEN);
    let owner = Device::of(world.remote(&node)).await;
    std::fs::write(&file, "[[rule]]\ndecision = \"deny\"\ntool = \"edit\"\npath = \"no\"\nreason = \"not there\"\n")
        .unwrap();
    let (session, mut follow) = owner.start("[[write no/x.txt now]]").await;
    let (_, denied) = until(&mut follow, |transcript| newest(transcript, ApprovalState::Answered)).await;
    assert_eq!(denied.decision.unwrap().via, Via::Policy);
    assert_eq!(denied.content.because.as_deref(), Some("policy.toml line 1 says deny: not there"));
    assert!(!denied.options.iter().any(|option| option.kind.consents()), "nobody can allow it from a device");
    std::fs::write(&file, "[[rule]]\ndecision = \"allow\"\ntool = \"edit\"\n").unwrap();
    owner.prompt(session, "[[write yes.txt now]]").await;
    until(&mut follow, |transcript| {
        let over = transcript.turns().iter().filter(|(_, turn)| turn.state.is_final()).count() == 2;
        over.then_some(())
    })
    .await;
    assert!(world.project().join("yes.txt").exists() && !world.project().join("no/x.txt").exists());
    let audit = owner.audit().await;
    for action in ["approval.deny_by_policy", "approval.allow_by_policy"] {
        let entry = audit.iter().find(|entry| entry.action == action).unwrap();
        let content = entry.content.as_ref().unwrap();
        assert!(content.because.as_ref().unwrap().starts_with("policy.toml line 1 says"), "{content:?}");
        assert_eq!(content.shown.as_ref().unwrap().len(), 64);
    }
    node.stop();
}
