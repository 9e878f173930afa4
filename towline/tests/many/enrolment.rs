//! How a machine is let in, and by what it knows the hub.

use std::sync::Arc;

use crate::path::*;
use crate::world::{PATIENCE, World};
use crate::yard::*;
use protocol::host::Presence;

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_shows_a_code_is_let_in_and_is_forgotten_when_it_leaves() {
    let hub = Arc::new(Hub::start());
    let world = World::new();
    let running = Node::up(&world, "attic");
    let proxy = Proxy::before(&hub.port).await;
    let device = world.api(&running).me().await.unwrap().device;
    let mut adding = std::process::Command::new(env!("CARGO_BIN_EXE_towline"));
    adding
        .args(["link", "add", &proxy.url(), "--json"])
        .env_clear()
        .env("HOME", world.home())
        .env("PATH", "/usr/bin:/bin");
    adding.current_dir(world.project()).stdin(std::process::Stdio::null());
    let mut adding = adding.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(adding.stderr.take().unwrap());
    let code = loop {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        if let Some(code) = line.trim().strip_prefix("Code ") {
            break code.trim().to_owned();
        }
    };
    let accepted = hub.world.run(&["pair", "accept", &code, "--yes"]);
    assert_eq!(accepted.code, Some(0), "{}", accepted.err);
    assert!(accepted.err.contains("attic") && accepted.err.contains("the key"), "{}", accepted.err);
    let ended = adding.wait_with_output().unwrap();
    assert!(ended.status.success());
    until("the host is online", PATIENCE, async || {
        (known(&hub.api).await.hosts.get(&device)?.presence == Presence::Online).then_some(())
    })
    .await;
    let removed = world.run(&["link", "remove", &proxy.url(), "--json"]);
    assert_eq!((removed.code, json(&removed.out)["forgotten"].as_bool()), (Some(0), Some(true)), "{}", removed.err);
    let devices = hub.api.devices().await.unwrap().devices;
    assert!(devices.iter().all(|row| row.device != device), "the hub has forgotten it");
    assert_eq!(world.run(&["link", "ls", "--json"]).out, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_has_signed_its_certificate_itself_is_known_by_its_fingerprint_and_no_other_is_taken_for_it() {
    use sha2::Digest as _;
    let world = World::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let file = |name: &str, text: String| {
        let path = world.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) = (file("cert.pem", made.cert.pem()), file("key.pem", made.signing_key.serialize_pem()));
    let args = ["hub", "--json", "--listen", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key];
    let running = world.start(&args);
    let url = running.ready["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://"), "{url}");
    let api = world.api(&running);
    let desk = World::new();
    let node = Node::up(&desk, "desk");
    let device = desk.api(&node).me().await.unwrap().device;
    let code = json(&world.run(&["pair", "--json"]).out)["code"].as_str().unwrap().to_owned();
    let add = |fingerprint: Option<&str>| {
        let mut args = vec!["link", "add", &url, "--code", &code, "--json"];
        args.extend(fingerprint.iter().flat_map(|fingerprint| ["--fingerprint", fingerprint]));
        desk.run(&args)
    };
    assert_eq!(add(None).code, Some(4), "nobody vouches for it");
    assert_eq!(add(Some(&"ab".repeat(32))).code, Some(4), "it is another one");
    assert!(api.pairings().await.unwrap().claims.is_empty(), "no claim was sent to either");
    let digits: Vec<String> = sha2::Sha256::digest(made.cert.der()).iter().map(|byte| format!("{byte:02X}")).collect();
    let right = digits.join(":");
    std::thread::scope(|scope| {
        let adding = scope.spawn(|| add(Some(&right)));
        let asked = wait(|| world.run(&["pair", "list", "--json"]).out.lines().map(json).next());
        assert_eq!(world.run(&["pair", "allow", asked["pairing"].as_str().unwrap()]).code, Some(0));
        let added = adding.join().unwrap();
        assert_eq!(added.code, Some(0), "{}", added.err);
    });
    until("the host is online", PATIENCE, async || {
        (known(&api).await.hosts.get(&device)?.presence == Presence::Online).then_some(())
    })
    .await;
}
