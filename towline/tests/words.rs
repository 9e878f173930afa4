//! What the program says when nothing runs, word by word.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use world::World;

const HELP: &str = "\
Drive the coding agents on this machine from a phone, a browser or a terminal

Usage: towline [OPTIONS] [COMMAND]

Commands:
  up           Start Towline on this machine
  hub          Start a hub without a host, for a server that several people share, or look after one
  open         Open Towline, or a session, in a browser here
  pair         Make a code for one more device, or answer one that asks
  link         Link this machine to another hub, through which it can then be reached
  send         Send a prompt to a session, or start one
  tail         Show a session as it goes on
  answer       Answer what an agent asks
  cancel       Stop the running turn of a session
  sessions     List the sessions, or share one with others
  rename       Give a session another title
  archive      Put a session away, or take it out again
  delete       Delete a session for good
  export       Write a session as Markdown or JSON
  projects     List the projects, or add one
  hosts        List the machines that run agents: how each stands, and why one is not there
  commands     List what was sent to the machines lately, or do something about what still waits
  devices      List the devices, or revoke one
  rules        List the standing rules, or revoke one
  policy       Show the policy of this machine, or try it out
  access       Show or switch whether devices beyond this machine may come in
  audit        List who did what from where
  logs         Show what `towline up` logged
  doctor       Look at this machine, and say the next step for what is not as it should be
  config       Show or change the configuration
  service      Start Towline with this machine, as a service of its user
  completions  Print what a shell needs to complete what is typed
  man          Print the manual page, or write those of all verbs
  streams      Serve Durable Streams and nothing else, to programs of your own

Options:
      --data-dir <DIRECTORY>  Where Towline keeps its data
      --config <FILE>         The configuration file
      --json                  Print results as JSON, one object per line
  -h, --help                  Print help
  -V, --version               Print version

Exit codes: 0 done · 1 it did not work out · 2 wrong arguments · 3 configuration · 4 Towline does not run · 5 denied · 70 a bug
Environment: TOWLINE_CONFIG (the configuration file), TOWLINE_DATA_DIR, TOWLINE_LOG, NO_COLOR; `towline config show` lists the others
";

/// Runs it and compares all that it says; `{data}` stands for the data directory.
fn check(world: &World, args: &[&str], code: i32, out: &str, err: &str) {
    let ran = world.run(args);
    let with = |text: &str| text.replace("{data}", world.data().to_str().unwrap());
    assert_eq!((ran.code, ran.out, ran.err), (Some(code), with(out), with(err)), "towline {args:?}");
}

#[test]
fn alone_it_says_whether_it_runs_and_what_can_be_typed() {
    let world = World::new();
    let alone = format!(
        "●────●  Towline {} does not run here.\n\n  \
         towline up       start it, in the directory of a project\n  \
         towline doctor   see whether this machine is ready\n  \
         towline --help   everything else\n",
        env!("CARGO_PKG_VERSION")
    );
    check(&world, &[], 0, &alone, "");
    check(&world, &["--help"], 0, HELP, "");
    let version = format!("towline {}\n", env!("CARGO_PKG_VERSION"));
    check(&world, &["--version"], 0, &version, "");
    let said: serde_json::Value = serde_json::from_str(&world.run(&["--json"]).out).unwrap();
    assert_eq!(
        said,
        serde_json::json!({"running": false, "url": null, "localUrl": null, "pid": null, "version": env!("CARGO_PKG_VERSION"),
            "needsYou": [], "working": 0, "remoteAccessDisabled": false, "asking": [], "machines": []})
    );
    assert!(!world.data().exists(), "looking makes nothing");
}

#[test]
fn what_needs_a_node_says_how_to_start_it() {
    let world = World::new();
    let err = "error: Towline does not run with the data directory {data}\nhint: Start it with `towline up`.\n";
    for args in [
        &["sessions"][..],
        &["projects"],
        &["devices"],
        &["pair"],
        &["send", "hello"],
        &["tail", "last"],
        &["cancel", "last"],
    ] {
        check(&world, args, 4, "", err);
    }
}

#[test]
fn wrong_arguments_are_named() {
    let world = World::new();
    check(
        &world,
        &["snd"],
        2,
        "",
        "error: there is no `towline snd`\nhint: Did you mean `towline send`?\nhint: `towline --help` lists what there is.\n",
    );
    check(
        &world,
        &["answer", "ses_1", "allow"],
        2,
        "",
        "error: invalid value 'ses_1' for '<APPROVAL>': `ses_1` is not a approval id: expected `apr_` and 32 lower-case hex digits\n\nFor more information, try '--help'.\n",
    );
    assert_eq!(world.run(&["up", "--tls-cert", "a.pem"]).code, Some(2));
    assert_eq!(world.run(&["send", "--session", "last", "--agent", "demo", "x"]).code, Some(2));
}

#[test]
fn what_could_be_read_on_the_way_is_refused() {
    let world = World::new();
    let err = |address: &str| {
        format!(
            "error: plain HTTP on {address} could be read by others on the way\n\
             hint: For a phone on your own network: `towline up --lan`.\n\
             hint: Anywhere else, give a certificate: --tls-cert FILE --tls-key FILE; or listen on 127.0.0.1 and let your \
             tailnet serve it.\n"
        )
    };
    for address in ["0.0.0.0:4437", "[::]:4437", "192.168.7.7:80"] {
        check(&world, &["up", "--listen", address], 3, "", &err(address));
    }
    check(
        &world,
        &["streams", "--open", "--listen", "0.0.0.0:0"],
        3,
        "",
        "error: --open on 0.0.0.0:0 would be open to everybody\nhint: Listen on 127.0.0.1, or give a --token-file.\n",
    );
    assert!(!world.data().exists(), "a refusal makes nothing");
}

#[test]
fn a_certificate_that_is_none_is_named() {
    let world = World::new();
    let file = world.project().join("text.pem");
    std::fs::write(&file, "not PEM").unwrap();
    let file = file.to_str().unwrap();
    let ran = world.run(&["up", "--tls-cert", file, "--tls-key", file, "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, Some(3));
    let first = format!("error: cannot use {file} as a certificate: there is none in it\n");
    assert!(ran.err.starts_with(&first), "{}", ran.err);
    let missing = world.run(&["up", "--tls-cert", "none.pem", "--tls-key", file, "--listen", "127.0.0.1:0"]);
    assert_eq!(missing.code, Some(3));
    assert!(missing.err.starts_with("error: cannot use none.pem as a certificate: "), "{}", missing.err);
}

#[test]
fn a_project_that_is_not_there_stops_the_start() {
    let world = World::new();
    let err = "error: there is no directory nowhere to work in\n\
               hint: It is named by --project, TOWLINE_PROJECTS or `host.projects`; `towline config show` says which.\n";
    check(&world, &["up", "--project", "nowhere", "--listen", "127.0.0.1:0"], 3, "", err);
    world.expect_nothing_left();
}
