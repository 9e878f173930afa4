//! Two people and one session, by the command line: a real hub, a machine that is linked to it, and what each of them sees and may.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use world::{PATIENCE, Ran, Running, World};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn lines(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A hub whose command line is the owner's, a machine of the owner, and the command line of somebody else with an account there.
struct Place {
    hub: World,
    desk: World,
    bo: World,
    running: Option<(Running, Running)>,
    /// What the owner is called.
    owner: String,
}

impl Place {
    /// `config` is the configuration of the machine.
    fn new(config: &str) -> Self {
        let (hub, mut desk, bo) = (World::new(), World::new(), World::new());
        let file = desk.home().join("config.toml");
        std::fs::write(&file, config).unwrap();
        desk.more.push(("TOWLINE_CONFIG", file.to_str().unwrap().to_owned()));
        let node = hub.start(&[&["hub", "--json"][..], &LISTEN].concat());
        let url = node.url().to_owned();
        let setup = node.ready["setupUrl"].as_str().unwrap().to_owned();
        // The owner's own device beside the machine of the hub, by the link that makes them the owner.
        enter(&desk, &setup, "Ann");
        let machine = desk.up(&[&LISTEN[..], &["--name", "Desk"]].concat());
        let code = lines(&hub.run(&["pair", "--json"]))[0]["code"].as_str().unwrap().to_owned();
        std::thread::scope(|scope| {
            let linking = scope.spawn(|| desk.run(&["link", "add", &url, "--code", &code]));
            until("the machine asks to be linked", || {
                let asks = lines(&hub.run(&["pair", "list", "--json"]));
                let Some(claim) = asks.first() else { return false };
                hub.run(&["pair", "allow", claim["pairing"].as_str().unwrap()]).code == Some(0)
            });
            let linked = linking.join().unwrap();
            assert_eq!(linked.code, Some(0), "{linked:?}");
        });
        let invited = lines(&hub.run(&["hub", "invite", "--name", "Bo", "--json"]))[0]["url"].clone();
        enter(&bo, invited.as_str().unwrap(), "Phone");
        let owner = lines(&hub.run(&["hub", "accounts", "--json"]))[0]["name"].as_str().unwrap().to_owned();
        until("the machine is there", || {
            let hosts = lines(&hub.run(&["hosts", "--json"]));
            hosts.first().is_some_and(|host| host["presence"] == "online" && host["projects"] == 1)
        });
        Self { hub, desk, bo, running: Some((node, machine)), owner }
    }

    fn ann(&self, args: &[&str]) -> Ran {
        self.hub.run(args)
    }

    fn bo(&self, args: &[&str]) -> Ran {
        self.bo.run(&[args, &["--hub", "127"]].concat())
    }

    /// A session of the owner that has said something.
    fn session(&self) -> String {
        let sent = self.ann(&[
            "send",
            "--host",
            "Desk",
            "--project",
            "project",
            "--agent",
            "demo",
            "[[say Ready.]]",
            "--json",
        ]);
        let session = lines(&sent)[0]["session"].as_str().unwrap().to_owned();
        until("it has answered", || {
            self.ann(&["tail", &session, "--until-idle", "--canonical"]).out.contains("Ready.")
        });
        session
    }

    /// Bo takes part.
    fn share(&self, session: &str, how: &[&str]) {
        let shared = lines(&self.ann(&[&["sessions", "share", session, "--json"], how].concat()))[0].clone();
        let joined = self.bo(&["sessions", "join", shared["url"].as_str().unwrap()]);
        assert_eq!(joined.code, Some(0), "{joined:?}");
    }

    fn says(&self, session: &str) -> String {
        self.ann(&["tail", session, "--until-idle", "--canonical"]).out
    }

    fn end(mut self) {
        let (node, machine) = self.running.take().unwrap();
        assert_eq!((machine.stop().0, node.stop().0), (Some(0), Some(0)));
    }
}

/// Comes in at a hub by a link that makes an account.
fn enter(world: &World, link: &str, name: &str) {
    let (url, secret) = link.split_once('#').unwrap();
    let origin = url.rsplit_once('/').unwrap().0;
    let paired = world.run(&["pair", "with", origin, "--code", secret, "--name", name]);
    assert_eq!(paired.code, Some(0), "{paired:?}");
}

#[test]
fn an_editors_message_runs_when_the_owner_has_read_it_and_lets_it() {
    let place = Place::new("");
    let session = place.session();
    assert_eq!(lines(&place.bo(&["sessions", "--json"])).len(), 0, "nothing is seen before");

    let shared = place.ann(&["sessions", "share", &session, "--editor"]);
    assert_eq!(shared.code, Some(0), "{shared:?}");
    assert!(shared.out.contains("/share#") && shared.out.contains("waits until you let it run"), "{shared:?}");
    let link = shared.out.split_whitespace().find(|word| word.contains("/share#")).unwrap().to_owned();
    let open = lines(&place.ann(&["sessions", "participants", &session, "--json"]));
    assert_eq!((open.len(), &open[0]["role"], open[0]["invitation"].is_string()), (1, &json!("editor"), true));

    let joined = place.bo(&["sessions", "join", &link]);
    assert_eq!(joined.code, Some(0), "{joined:?}");
    assert!(joined.out.contains(&format!("of {} as an editor", place.owner)), "{joined:?}");
    let again = place.bo(&["sessions", "join", "a-secret-that-nobody-made"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    let elsewhere = place.bo(&["sessions", "join", "https://other.example/share#x"]);
    assert_eq!(elsewhere.code, Some(2), "{elsewhere:?}");
    let row = lines(&place.bo(&["sessions", "--json"]))[0].clone();
    assert_eq!((&row["owner"], &row["role"], &row["machine"]), (&json!(place.owner), &json!("editor"), &json!("Desk")));
    assert!(place.bo(&["sessions"]).out.contains(&format!("of {}", place.owner)));
    assert_eq!(lines(&place.ann(&["sessions", "--json"]))[0]["owner"], Value::Null, "one's own is nobody else's");
    assert!(place.bo(&["tail", &session, "--until-idle", "--canonical"]).out.contains("Ready."), "all of it is read");
    let all = lines(&place.ann(&["sessions", "participants", &session, "--json"]));
    assert_eq!((all.len(), &all[0]["name"], &all[0]["trusted"]), (1, &json!("Bo"), &json!(false)));

    // What Bo sends waits, and says so to both of them.
    let sent = place.bo(&["send", "[[say From Bo.]]", "--session", &session]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert!(sent.err.contains(&format!("It waits until {} lets it run", place.owner)), "{sent:?}");
    let held = lines(&place.ann(&["commands", "--json"]))[0].clone();
    let id = held["command"].as_str().unwrap().to_owned();
    assert_eq!((&held["waitsFor"], &held["participant"]["name"]), (&json!("you"), &json!("Bo")));
    let shown = place.ann(&["commands"]);
    assert!(shown.out.contains("from Bo  waits for you"), "{shown:?}");
    assert!(place.bo(&["commands"]).out.contains(&format!("waits for {}", place.owner)));
    assert!(!place.says(&session).contains("From Bo."), "it has not run");

    // Only who has seen all of it lets it run, and only whose session it is.
    let blind = place.ann(&["commands", "release", &id]);
    assert_eq!(blind.code, Some(2), "{blind:?}");
    assert!(blind.err.contains("[[say From Bo.]]") && blind.err.contains("--yes"), "{blind:?}");
    assert_ne!(place.bo(&["commands", "release", &id, "--yes"]).code, Some(0));
    // Words that were changed since are let run only by who says which ones they have read.
    assert_eq!(place.bo(&["commands", "edit", &id, "[[say From Bo, again.]]"]).code, Some(0));
    let changed = place.ann(&["commands", "release", &id, "--yes"]);
    assert_eq!(changed.code, Some(1), "{changed:?}");
    let sent = place.bo(&["commands", "cancel", &id]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_eq!(place.bo(&["send", "[[say From Bo.]]", "--session", &session]).code, Some(0));
    let id = lines(&place.ann(&["commands", "--json"]))[0]["command"].as_str().unwrap().to_owned();
    let own = lines(&place.ann(&["commands", "--json", "--limit", "100"])).last().unwrap()["command"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(place.ann(&["commands", "release", &own, "--yes"]).code, Some(1), "one's own waits for nobody");
    let released = place.ann(&["commands", "release", &id, "--yes"]);
    assert_eq!(released.code, Some(0), "{released:?}");
    until("it runs", || place.says(&session).contains("From Bo."));
    let row = lines(&place.ann(&["commands", "--json"]))[0].clone();
    assert_eq!((&row["state"], &row["waitsFor"]), (&json!("succeeded"), &Value::Null));
    assert!(row["participant"]["releasedBy"].is_string(), "{row}");

    // Another one is refused.
    assert_eq!(place.bo(&["send", "[[say Never.]]", "--session", &session]).code, Some(0));
    let id = lines(&place.ann(&["commands", "--json"]))[0]["command"].as_str().unwrap().to_owned();
    assert_eq!(place.ann(&["commands", "cancel", &id]).code, Some(0));
    assert_eq!(lines(&place.bo(&["commands", "--json"]))[0]["state"], "cancelled");
    assert!(!place.says(&session).contains("Never."));

    // Out: nothing is left to be seen.
    let out = place.ann(&["sessions", "unshare", &session, "--participant", "bo"]);
    assert_eq!((out.code, out.out.trim()), (Some(0), "Bo takes no part any more"), "{out:?}");
    assert_eq!(lines(&place.bo(&["sessions", "--json"])).len(), 0);
    assert_eq!(place.bo(&["tail", &session, "--until-idle", "--canonical"]).code, Some(1));
    let trail = lines(&place.ann(&["audit", "--json"]));
    for action in ["participant.invite", "participant.join", "command.release", "participant.remove"] {
        assert!(trail.iter().any(|entry| entry["action"] == action), "{action}");
    }
    place.end();
}

#[test]
fn a_trusted_editor_runs_at_once_a_viewer_reads_and_both_can_leave() {
    // A machine that tells its owner what comes from elsewhere says who sent it.
    let place = Place::new(
        "[remote_prompts]\ncommand = [\"/bin/sh\", \"-c\", \"echo $TOWLINE_DEVICE_NAME: $TOWLINE_PROMPT >> told\"]\n",
    );
    let session = place.session();
    place.share(&session, &["--editor", "--trusted"]);
    let sent = place.bo(&["send", "[[say At once.]]", "--session", &session, "--follow"]);
    assert_eq!((sent.code, sent.out.trim()), (Some(0), "At once."), "{sent:?}");
    let told = place.desk.home().join("told");
    until("the machine has told", || {
        std::fs::read_to_string(&told).is_ok_and(|text| text.contains("Bo: [[say At once.]]"))
    });
    let left = place.bo(&["sessions", "unshare", &session, "--participant", "Bo"]);
    assert_eq!((left.code, left.out.trim()), (Some(0), format!("left: {session}").as_str()), "{left:?}");
    assert_eq!(lines(&place.bo(&["sessions", "--json"])).len(), 0);

    place.share(&session, &[]);
    let refused = place.bo(&["send", "[[say No.]]", "--session", &session]);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    let shared = lines(&place.ann(&["sessions", "share", &session, "--json"]))[0].clone();
    let invitation = shared["invitation"].as_str().unwrap();
    let back = place.ann(&["sessions", "unshare", &session, "--invitation", invitation]);
    assert_eq!(back.code, Some(0), "{back:?}");
    let table = place.ann(&["sessions", "participants", &session]);
    assert!(table.out.contains("Bo") && table.out.contains("viewer") && !table.out.contains("invitation"), "{table:?}");
    assert_eq!(place.ann(&["sessions", "unshare", &session]).code, Some(2), "nobody was named");
    place.end();
}

#[test]
fn an_editor_refuses_what_the_agent_asks_a_trusted_one_allows_it_once_and_the_trail_says_who() {
    let place = Place::new("");
    let session = place.session();
    let ask = || -> String {
        let sent = place.ann(&["send", "[[write notes.txt one]]", "--session", &session]);
        assert_eq!(sent.code, Some(0), "{sent:?}");
        let mut found = None;
        until("the agent asks", || {
            let state = lines(&place.ann(&["--json"]))[0].clone();
            found = state["needsYou"]
                .as_array()
                .unwrap()
                .iter()
                .find_map(|row| row["approval"].as_str().map(str::to_owned));
            found.is_some()
        });
        found.unwrap()
    };
    place.share(&session, &["--editor"]);
    let asked = ask();
    for more in [&["allow"][..], &["deny", "--message", "do this instead"]] {
        let refused = place.bo(&[&["answer", &asked][..], more].concat());
        assert_eq!(refused.code, Some(5), "{refused:?}");
    }
    let denied = place.bo(&["answer", &asked, "deny"]);
    assert_eq!(denied.code, Some(0), "{denied:?}");
    let late = place.ann(&["answer", &asked, "allow"]);
    assert!(late.code == Some(1) && late.err.contains("by Bo: "), "{late:?}");
    assert!(!place.desk.project().join("notes.txt").exists());

    assert_eq!(place.ann(&["sessions", "unshare", &session, "--participant", "Bo"]).code, Some(0));
    place.share(&session, &["--editor", "--trusted"]);
    let asked = ask();
    let allowed = place.bo(&["answer", &asked, "allow"]);
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    until("it is written", || place.desk.project().join("notes.txt").exists());
    // What was asked of the hub stands in the trail there, what the machine decided in its own.
    let (there, here) = (place.ann(&["audit", "--limit", "100"]).out, place.desk.run(&["audit", "--limit", "100"]).out);
    for (trail, action) in [(&there, "command.answer_approval"), (&here, "approval.deny"), (&here, "approval.allow")] {
        let by_bo = trail.lines().any(|line| line.contains("  Bo ") && line.contains(action));
        assert!(by_bo, "{action}: {trail}");
    }
    assert!(place.desk.run(&["commands"]).out.contains("  from Bo"), "the machine says who asked");
    place.end();
}

#[test]
fn a_machine_that_is_for_reading_only_refuses_what_the_hub_lets_through() {
    let place = Place::new("[host]\nparticipants = \"read_only\"\n");
    let session = place.session();
    place.share(&session, &["--editor", "--trusted"]);
    assert_eq!(place.bo(&["send", "[[say No.]]", "--session", &session]).code, Some(0), "the hub takes it");
    until("the machine has refused it", || lines(&place.bo(&["commands", "--json"]))[0]["state"] == "failed");
    let row = lines(&place.bo(&["commands", "--json"]))[0].clone();
    assert_eq!(row["error"], "forbidden");
    assert!(row["detail"].as_str().unwrap().contains("not done for Bo: "), "{row}");
    assert!(!place.says(&session).contains("No."));
    place.end();
}

#[test]
fn on_a_machine_of_ones_own_there_is_nobody_to_share_with() {
    let world = World::new();
    let node = world.up(&LISTEN);
    let sent = world.run(&["send", "--agent", "demo", "[[say Ready.]]", "--follow"]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let shared = world.run(&["sessions", "share", "last"]);
    assert_eq!(shared.code, Some(1), "{shared:?}");
    assert!(shared.err.contains("`towline hub`"), "{shared:?}");
    assert_eq!(node.stop().0, Some(0));
}
