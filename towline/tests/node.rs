//! A node that runs, over real sockets and processes.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use client::{Api, ApiError, Dialer, Remote};
use protocol::api::{ClaimRequest, ClaimStatus, ClaimStatusRequest};
use protocol::device::DeviceKind;
use protocol::error::ErrorCode;
use serde_json::Value;
use world::{PATIENCE, Ran, World};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn claim(url: &str, code: &str) -> (Api, ClaimStatusRequest) {
    let stranger = Api::new(Remote::new(url, None, Dialer::tcp()).unwrap());
    let request = ClaimRequest {
        code: code.to_owned(),
        name: "Phone".to_owned(),
        platform: "test".to_owned(),
        kind: DeviceKind::Program,
        public_key: None,
    };
    let claimed = runtime().block_on(stranger.claim(&request)).unwrap();
    let ask = ClaimStatusRequest { pairing: claimed.pairing, claim_token: claimed.claim_token, wait_ms: 10_000 };
    (stranger, ask)
}

#[test]
fn a_prompt_goes_from_the_command_line_to_the_demo_agent_and_back() {
    let world = World::new();
    let node = world.up(&LISTEN);
    let projects = lines(&world.run(&["projects", "--json"]));
    assert_eq!((projects.len(), &projects[0]["path"]), (1, &Value::from("~/project")));
    let sent = world.run(&["send", "--agent", "demo", "--follow", "[[rate 1]] [[say Good morning.]] [[words 3]]"]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert!(sent.out.starts_with("Good morning."), "{sent:?}");

    // The other reader, in JSON and as canonical lines; the session is the same for both.
    let session = sent.err.trim().to_owned();
    let facts = lines(&world.run(&["tail", &session, "--json", "--until-idle"]));
    assert!(facts.iter().all(|line| line["source"] == "journal" && line["fact"]["key"].is_string()), "{facts:#?}");
    let canonical = world.run(&["tail", "last", "--canonical", "--until-idle"]);
    assert_eq!(canonical.code, Some(0));
    let text = canonical.out.lines().last().unwrap();
    assert!(text.contains("agent done text \"Good morning."), "{text}");
    let sessions = lines(&world.run(&["sessions", "--json"]));
    assert_eq!((sessions.len(), &sessions[0]["session"]), (1, &Value::from(session.as_str())));
    assert_eq!(sessions[0]["activity"], "idle");

    let (code, took) = node.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(world.run(&["sessions"]).code, Some(4));
    world.expect_nothing_left();
}

#[test]
fn a_session_begins_in_a_new_project_and_a_machine_that_makes_none_says_what_to_do() {
    let world = World::new();
    let node = world.up(&LISTEN);
    let new = |args: &[&str]| world.run(&[&["send", "--agent", "demo", "--follow", "[[say Made.]]"], args].concat());
    let made = new(&["--new-project"]);
    assert_eq!((made.code, made.out.trim()), (Some(0), "Made."), "{made:?}");
    let named = new(&["--new-project=Tide tables"]);
    assert_eq!(named.code, Some(0), "{named:?}");
    let mut found: Vec<_> =
        std::fs::read_dir(world.home().join("towline")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    found.sort();
    assert_eq!((found.len(), found[0].to_str()), (2, Some("Tide-tables")), "{found:?}");
    let listed = lines(&world.run(&["projects", "--json"]));
    let paths: Vec<_> = listed.iter().map(|row| row["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"~/towline/Tide-tables"), "{paths:?}");
    let again = new(&["--new-project=Tide tables"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.err.contains("There is a directory with this name already"), "{again:?}");
    let bad = new(&["--new-project=../out"]);
    assert_eq!(bad.code, Some(2), "{bad:?}");
    assert_eq!(node.stop().0, Some(0));

    let node = world.up(&[&LISTEN[..], &["--projects-root", "off"]].concat());
    let refused = new(&["--new-project"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.err.contains("makes no new projects\nhint: ") && refused.err.contains("host.projects_root"),
        "{refused:?}"
    );
    // What was made before is there as ever.
    let still = new(&["--project", "Tide tables"]);
    assert_eq!(still.code, Some(0), "{still:?}");
    assert_eq!(node.stop().0, Some(0));
}

#[test]
fn what_the_agent_asks_is_answered_and_a_turn_is_stopped() {
    let world = World::new();
    let node = world.up(&LISTEN);
    let prompt = "[[rate 1]] [[write a.txt allowed]] [[rate 50]] [[words 100000]]";
    let sent = lines(&world.run(&["send", "--agent", "demo", "--json", prompt]));
    let session = sent[0]["session"].as_str().unwrap().to_owned();
    let until = Instant::now() + PATIENCE;
    let approval = loop {
        assert!(Instant::now() < until, "the agent never asked");
        let api = world.api(&node);
        let facts = runtime().block_on(api.lists()).unwrap().facts;
        let facts = facts.iter().map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap());
        let mut open = facts.filter(|fact| fact["type"] == "approval" && fact["value"]["state"] == "pending");
        if let Some(fact) = open.next() {
            break fact["key"].as_str().unwrap().to_owned();
        }
    };
    let wrong = world.run(&["answer", &approval, "perhaps"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.err.starts_with("error: `perhaps` is not an answer to this\nhint: One of: "), "{wrong:?}");
    assert_eq!(world.run(&["answer", &approval, "allow"]).code, Some(0));
    let file = world.project().join("a.txt");
    while !file.exists() {
        assert!(Instant::now() < until, "the file was never written");
        std::thread::sleep(Duration::from_millis(10));
    }
    let again = world.run(&["answer", &approval, "allow"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert_eq!(world.run(&["cancel", &session]).code, Some(0));
    let tail = world.run(&["tail", &session, "--canonical", "--until-idle"]);
    assert!(tail.out.contains(" interrupted\n"), "{}", tail.out);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "allowed\n");
}

#[test]
fn the_first_device_comes_in_by_its_code_and_the_next_is_asked_about() {
    let world = World::new();
    let node = world.up(&[&LISTEN[..], &["--pair-once"]].concat());
    let (code, url) = (node.ready["code"].as_str().unwrap(), node.ready["pairUrl"].as_str().unwrap());
    assert!(url.starts_with(&format!("{}/pair#", node.url())) && code.len() == 9, "{:?}", node.ready);
    let (stranger, ask) = claim(node.url(), code);
    let told = runtime().block_on(stranger.claim_status(&ask)).unwrap();
    let ClaimStatus::Approved { credential: Some(credential), .. } = told else { panic!("{told:?}") };
    let phone = Api::new(Remote::new(node.url(), Some(credential), Dialer::tcp()).unwrap());
    let me = runtime().block_on(phone.me()).unwrap();
    assert_eq!(me.about.content.name, "Phone");

    let offer = lines(&world.run(&["pair", "--json"]));
    let (stranger, ask) = claim(node.url(), offer[0]["code"].as_str().unwrap());
    let asking = world.run(&["pair", "list"]).out;
    assert!(asking.starts_with(&format!("{}  Phone (test) from 127.0.0.1, which shows", ask.pairing)), "{asking}");
    assert_eq!(world.run(&["pair", "deny", &ask.pairing.to_string()]).code, Some(0));
    let told = runtime().block_on(stranger.claim_status(&ask)).unwrap();
    assert!(matches!(told, ClaimStatus::Rejected), "{told:?}");

    let devices = lines(&world.run(&["devices", "--json"]));
    assert_eq!(devices.iter().map(|row| row["kind"].as_str().unwrap()).collect::<Vec<_>>(), ["node", "program"]);
    assert_eq!(world.run(&["devices", "revoke", &me.device.to_string()]).code, Some(0));
    let refused = runtime().block_on(phone.me()).unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Unauthenticated));
    let own = devices[0]["device"].as_str().unwrap();
    assert_eq!(world.run(&["devices", "revoke", own]).code, Some(5), "the node itself stays");
}

#[test]
fn other_users_can_read_nothing_and_the_credential_outlives_a_restart() {
    let world = World::new();
    let node = world.up(&LISTEN);
    let mode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(world.data()), 0o700);
    assert_eq!(mode(world.data().join("local.token")), 0o600);
    assert_eq!(mode(world.data().join("node.json")), 0o600);
    let api = world.api(&node);
    let port = node.port().to_owned();
    node.kill9();
    let gone = runtime().block_on(api.me()).unwrap_err();
    assert!(matches!(gone, ApiError::Unreachable { .. }), "{gone:?}");
    assert_eq!(world.run(&["sessions"]).code, Some(4), "what a dead node left behind leads nowhere");
    let _node = world.up(&["--listen", &format!("127.0.0.1:{port}")]);
    assert!(runtime().block_on(api.me()).is_ok());
}

#[test]
fn one_node_for_a_data_directory_and_one_for_a_port() {
    let world = World::new();
    let node = world.up(&LISTEN);
    let pid = &node.ready["pid"];
    let second = world.run(&["up", "--no-open", "--listen", "127.0.0.1:0"]);
    let expected = format!(
        "error: Towline runs already with this data directory: {} (process {pid})\n\
         hint: Use that one, or start another with --data-dir DIRECTORY.\n",
        node.url()
    );
    assert_eq!((second.code, second.err), (Some(3), expected));
    let other = world.folder.path().join("other");
    let address = format!("127.0.0.1:{}", node.port());
    let busy = world.run(&["up", "--no-open", "--data-dir", other.to_str().unwrap(), "--listen", &address]);
    assert_eq!(busy.code, Some(3));
    assert!(busy.err.starts_with(&format!("error: cannot listen on {address}: ")), "{}", busy.err);
}

#[test]
fn a_project_is_added_while_it_runs() {
    let world = World::new();
    let _node = world.up(&LISTEN);
    std::fs::create_dir(world.home().join("second")).unwrap();
    let added = world.run(&["projects", "add", "../second"]);
    assert_eq!(added.code, Some(0), "{added:?}");
    assert!(added.out.starts_with("added: ~/second (prj_"), "{added:?}");
    assert_eq!(lines(&world.run(&["projects", "--json"])).len(), 2);
    assert_eq!(world.run(&["projects", "add", "../third"]).code, Some(2));
}

/// One request of the simplest kind; the whole answer.
fn ask(address: &str, head: &str, body: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(stream, "{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn streams_alone_are_served_to_whoever_may_and_are_there_after_a_restart() {
    let world = World::new();
    let open = ["streams", "--open", "--json", "--listen", "127.0.0.1:0", "--long-poll-timeout", "100ms"];
    let server = world.start(&open);
    let address = server.url().strip_prefix("http://").unwrap().to_owned();
    let put = ask(&address, "PUT /v1/stream/a HTTP/1.1\r\nContent-Type: text/plain", "kept");
    assert!(put.starts_with("HTTP/1.1 201 "), "{put}");
    assert_eq!(server.stop().0, Some(0));
    let file = world.folder.path().join("tokens");
    std::fs::write(&file, "another\n\n  sesame\nreader read public/**\n").unwrap();
    let guarded = ["streams", "--token-file", file.to_str().unwrap(), "--json", "--listen", "127.0.0.1:0"];
    let server = world.start(&guarded);
    let address = server.url().strip_prefix("http://").unwrap().to_owned();
    let get = "GET /v1/stream/a?offset=-1 HTTP/1.1";
    assert!(ask(&address, get, "").starts_with("HTTP/1.1 401 "));
    assert!(ask(&address, &format!("{get}\r\nAuthorization: Bearer sesam"), "").starts_with("HTTP/1.1 401 "));
    let kept = ask(&address, &format!("{get}\r\nAuthorization: Bearer sesame"), "");
    assert!(kept.starts_with("HTTP/1.1 200 ") && kept.ends_with("kept"), "{kept}");
    let refused = ask(&address, &format!("{get}\r\nAuthorization: Bearer reader"), "");
    assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains(r#""code":"forbidden""#), "{refused}");
    server.kill9();
    world.expect_nothing_left();
}
