//! A command line that talks to another hub than the one on its machine.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use world::{PATIENCE, Ran, World};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn lines(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Lets the next one in that asks at a world's own node.
fn let_in(world: &World) {
    let until = Instant::now() + PATIENCE;
    loop {
        let asks = lines(&world.run(&["pair", "list", "--json"]));
        if let Some(claim) = asks.first() {
            let done = world.run(&["pair", "allow", claim["pairing"].as_str().unwrap()]);
            return assert_eq!(done.code, Some(0), "{done:?}");
        }
        assert!(Instant::now() < until, "nobody asked");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Runs something in one world while the next one that asks in the other is let in.
fn while_let_in(here: &World, args: &[&str], there: &World) -> Ran {
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| here.run(args));
        let_in(there);
        asking.join().unwrap()
    })
}

fn code(world: &World) -> String {
    lines(&world.run(&["pair", "--json"]))[0]["code"].as_str().unwrap().to_owned()
}

#[test]
fn every_verb_talks_to_another_hub_once_the_command_line_is_paired_with_it() {
    let (work, home) = (World::new(), World::new());
    let node = work.up(&[&LISTEN[..], &["--name", "Work"]].concat());
    let url = node.url().to_owned();
    let name = url.strip_prefix("http://").unwrap().replace(':', "_");

    // What is not known is met with what to do.
    let unknown = home.run(&["sessions", "--hub", "work"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.err.contains("towline pair with URL --code CODE"), "{unknown:?}");
    let bare = home.run(&["pair", "with", &url]);
    assert_eq!(bare.code, Some(2), "{bare:?}");

    let paired = while_let_in(&home, &["pair", "with", &url, "--code", &code(&work), "--name", "Sofa"], &work);
    assert_eq!(paired.code, Some(0), "{paired:?}");
    assert!(paired.err.contains("it shows the words"), "{paired:?}");
    let hubs = lines(&home.run(&["pair", "hubs", "--json"]));
    assert_eq!(
        (hubs.len(), &hubs[0]["name"], &hubs[0]["readsOnly"]),
        (1, &Value::from(name.as_str()), &Value::from(false))
    );

    // A shell completes its name.
    let script = home.folder.path().join("completions.bash");
    std::fs::write(&script, home.run(&["completions", "bash"]).out).unwrap();
    let typed = format!(
        "source {}; COMP_WORDS=(towline sessions --hub 12); COMP_CWORD=3; _towline towline 12 --hub; echo ${{COMPREPLY[@]}}",
        script.display()
    );
    let bash = home.command_by(&["bash", "-c", "PATH=$(dirname $0):$PATH; eval \"$1\""], &[&typed]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), name, "{bash:?}");

    // Nothing runs at home; what is asked goes there and runs there.
    let at = |args: &[&str]| home.run(&[args, &["--hub", "127"]].concat());
    let sent = at(&["send", "--agent", "demo", "--follow", "[[say From afar.]]"]);
    assert_eq!((sent.code, sent.out.trim()), (Some(0), "From afar."), "{sent:?}");
    let session = lines(&at(&["sessions", "--json"]))[0]["session"].clone();
    assert_eq!(lines(&work.run(&["sessions", "--json"]))[0]["session"], session);
    let told = at(&["tail", "last", "--canonical", "--until-idle"]);
    assert!(told.out.contains("From afar."), "{told:?}");
    let commands = lines(&at(&["commands", "--json"]));
    assert_eq!(commands[0]["deviceName"], "Sofa");
    let hint = at(&["send", "--session", "last", "[[say More.]]"]);
    assert!(hint.err.contains(&format!("towline tail {} --hub {name}", session.as_str().unwrap())), "{hint:?}");
    let added = home.run(&["projects", "add", ".", "--hub", "127"]);
    assert_eq!(added.code, Some(2), "{added:?}");

    // It is not there: what to do is about that hub, and not about this machine.
    assert_eq!(node.stop().0, Some(0));
    let gone = at(&["hosts"]);
    assert_eq!(gone.code, Some(4), "{gone:?}");
    assert!(gone.err.contains(&url) && !gone.err.contains("towline up"), "{gone:?}");
    let left = at(&["pair", "leave", &name]);
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(left.err.contains("The hub was not told"), "{left:?}");
    assert_eq!(lines(&home.run(&["pair", "hubs", "--json"])).len(), 0);
}

#[test]
fn a_hub_that_the_machine_is_linked_to_can_be_read_and_says_how_to_do_more() {
    let (work, home) = (World::new(), World::new());
    let node = work.up(&[&LISTEN[..], &["--name", "Work"]].concat());
    let desk = home.up(&[&LISTEN[..], &["--name", "Desk"]].concat());
    let linked = while_let_in(&home, &["link", "add", node.url(), "--code", &code(&work)], &work);
    assert_eq!(linked.code, Some(0), "{linked:?}");
    let hosts = lines(&home.run(&["hosts", "--hub", "127", "--json"]));
    assert_eq!(hosts.len(), 2, "{hosts:?}");
    let refused =
        home.run(&["send", "hello", "--agent", "demo", "--project", "project", "--host", "Work", "--hub", "127"]);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(refused.err.contains("may only read there") && refused.err.contains("towline pair with"), "{refused:?}");
    assert_eq!((desk.stop().0, node.stop().0), (Some(0), Some(0)));
}

/// Passes connections on to a node, and cuts those that ask it who one is, so often. Gives its address and how many are still to be cut.
fn cutting(node: &str, times: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let node = node.strip_prefix("http://").unwrap().to_owned();
    let left = Arc::new(AtomicUsize::new(times));
    let cuts = left.clone();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (mut near, node, cuts) = (near.unwrap(), node.clone(), cuts.clone());
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                let length = near.read(&mut head).unwrap_or(0);
                let cut = |left: usize| left.checked_sub(1);
                let whose = head.starts_with(b"GET /v1/me ");
                if whose && cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, cut).is_ok() {
                    return;
                }
                let Ok(mut far) = TcpStream::connect(node) else { return };
                far.write_all(&head[..length]).unwrap();
                let (mut from_near, mut to_far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ended = std::io::copy(&mut from_near, &mut to_far);
                    let _closed = to_far.shutdown(std::net::Shutdown::Write);
                });
                let _ended = std::io::copy(&mut far, &mut near);
                let _closed = near.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (url, left)
}

#[test]
fn a_credential_is_kept_although_the_hub_cannot_be_asked_whose_it_is() {
    let (work, home) = (World::new(), World::new());
    let node = work.up(&[&LISTEN[..], &["--name", "Work"]].concat());
    let desk = home.up(&[&LISTEN[..], &["--name", "Desk"]].concat());
    // Once it answers in the end, once it does not.
    for (times, said) in [(2, false), (usize::MAX, true)] {
        let (url, left) = cutting(node.url(), times);
        let paired = while_let_in(&home, &["pair", "with", &url, "--code", &code(&work)], &work);
        assert_eq!(paired.code, Some(0), "{paired:?}");
        assert_eq!(paired.err.contains("the credential is kept"), said, "{paired:?}");
        let linked = while_let_in(&home, &["link", "add", &url, "--code", &code(&work), "--json"], &work);
        assert_eq!(lines(&linked)[0]["account"].is_null(), said, "{linked:?}");
        left.store(0, Ordering::SeqCst);
        // Both are good for what they are for.
        let hosts = lines(&home.run(&["hosts", "--json", "--hub", &url]));
        assert_eq!(hosts.len(), 2, "{hosts:?}");
        let until = Instant::now() + PATIENCE;
        while lines(&home.run(&["link", "ls", "--json"]))[0]["state"]["phase"] != "live" {
            assert!(Instant::now() < until, "the link does not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(lines(&home.run(&["link", "ls", "--json"]))[0]["account"].is_string());
        assert_eq!(home.run(&["link", "remove", &url]).code, Some(0));
        assert_eq!(home.run(&["pair", "leave", &url]).code, Some(0));
    }
    assert_eq!((desk.stop().0, node.stop().0), (Some(0), Some(0)));
}
