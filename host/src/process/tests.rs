//! With real processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Child, Environment, Line, SpawnSpec, adopt_orphans, reap_marked, tag_below};
use crate::agent::ProcessMark;

const LONG: Duration = Duration::from_secs(10);

fn sh(script: &str, tag: &str) -> SpawnSpec {
    SpawnSpec {
        program: PathBuf::from("/bin/sh"),
        args: vec!["-c".into(), script.into()],
        cwd: PathBuf::from("/"),
        environment: Environment::cleaned([("PATH".into(), "/usr/bin:/bin".into())]),
        tag: tag.to_owned(),
    }
}

fn tag(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// Whether a process is there and not just waiting to be waited for.
fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}

fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LONG, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn line(lines: &mut super::Lines<impl tokio::io::AsyncBufRead + Unpin>) -> String {
    match tokio::time::timeout(LONG, lines.next()).await.unwrap().unwrap() {
        Some(Line::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_grandchild_in_a_session_of_its_own_is_ended_too() {
    let _orphans = adopt_orphans().unwrap();
    let mut child = Child::spawn(&sh("setsid sleep 600 & echo $!; wait", &tag("grandchild"))).unwrap();
    let mut lines = child.take_lines(1000).unwrap();
    let grandchild: u32 = line(&mut lines).await.parse().unwrap();
    assert!(is_alive(grandchild));
    let leader = child.mark().pid;
    child.end(Duration::ZERO, Duration::from_millis(300)).await.unwrap();
    assert!(!is_there(leader));
    assert!(!is_there(grandchild), "waited for, since it fell to us");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_orphan_that_ignores_sigterm_is_ended_after_its_parent_went_by_itself() {
    let _orphans = adopt_orphans().unwrap();
    // The shell ends at once; what it leaves has its own session, ignores SIGTERM, and keeps the pipe open.
    let script = "setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & exit 3";
    let mut child = Child::spawn(&sh(script, &tag("orphan"))).unwrap();
    let mut lines = child.take_lines(1000).unwrap();
    let orphan: u32 = line(&mut lines).await.parse().unwrap();
    let status = tokio::time::timeout(LONG, child.exited()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(3));
    assert!(is_alive(orphan));
    let ended = child.end(Duration::ZERO, Duration::ZERO).await.unwrap();
    assert_eq!(ended.and_then(|status| status.code()), Some(3));
    assert!(!is_there(orphan));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_left_its_parents_without_a_tag_is_ended_too() {
    let _orphans = adopt_orphans().unwrap();
    // The first is in a session of its own and was seen while its parent lived; the second has lost its parent at once.
    let script = "(env -i setsid sleep 604 & echo $!; exec sleep 5); (env -i sleep 605 & echo $!); read line";
    let mut child = Child::spawn(&sh(script, &tag("bare"))).unwrap();
    let mut lines = child.take_lines(1000).unwrap();
    let mut orphans = Vec::new();
    for _ in 0..2 {
        orphans.push(line(&mut lines).await.parse::<u32>().unwrap());
    }
    let parent =
        |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().split(' ').nth(3).unwrap().to_owned();
    let ours = std::process::id().to_string();
    until("they have lost their parents", || orphans.iter().all(|pid| parent(*pid) == ours)).await;
    child.end_now().await.unwrap();
    assert!(!orphans.iter().any(|pid| is_there(*pid)), "{orphans:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_ignores_sigterm_is_ended_together_and_not_one_after_the_other() {
    let _orphans = adopt_orphans().unwrap();
    let script =
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & while :; do sleep 1; done";
    let mut child = Child::spawn(&sh(script, &tag("deaf"))).unwrap();
    let mut lines = child.take_lines(1000).unwrap();
    let other: u32 = line(&mut lines).await.parse().unwrap();
    let leader = child.mark().pid;
    child.end_now().await.unwrap();
    assert!(!is_there(leader) && !is_there(other));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn dead_orphans_are_waited_for_and_our_own_children_are_not_stolen() {
    let _orphans = adopt_orphans().unwrap();
    let mut child = Child::spawn(&sh("(setsid sleep 0.1 & echo $!); read line; exit 7", &tag("zombie"))).unwrap();
    let mut lines = child.take_lines(1000).unwrap();
    let orphan: u32 = line(&mut lines).await.parse().unwrap();
    until("the dead orphan is not waited for", || !is_there(orphan)).await;
    // Our own child dies now and stays unwaited for longer than two sweeps take.
    drop(child.take_stdin());
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(child.exited().await.unwrap().code(), Some(7));
}

#[tokio::test]
async fn a_line_of_ten_megabytes_and_garbage_do_no_harm() {
    let script = "head -c 10485760 /dev/zero | tr '\\0' x; echo; printf '\\377\\376{\\n'; echo fine; echo words >&2";
    let mut child = Child::spawn(&sh(script, &tag("long"))).unwrap();
    let mut lines = child.take_lines(1024 * 1024).unwrap();
    assert_eq!(lines.next().await.unwrap(), Some(Line::TooLong { bytes: 10_485_760 }));
    assert_eq!(lines.next().await.unwrap(), Some(Line::Text("\u{fffd}\u{fffd}{".to_owned())));
    assert_eq!(line(&mut lines).await, "fine");
    assert_eq!(lines.next().await.unwrap(), None);
    let tail = child.tail();
    assert!(child.exited().await.unwrap().success());
    until("stderr is kept", || tail.text() == "words").await;
}

#[tokio::test]
async fn the_last_words_are_there_when_the_end_is() {
    let child = Child::spawn(&sh("echo last words >&2; exit 9", &tag("words"))).unwrap();
    let tail = child.tail();
    // Nothing else of this runtime runs meanwhile: the death is known before a word was read.
    std::thread::sleep(Duration::from_millis(300));
    let status = child.end(Duration::ZERO, LONG).await.unwrap().unwrap();
    assert_eq!((status.code(), tail.text()), (Some(9), "last words".to_owned()));
}

#[tokio::test]
async fn the_environment_is_what_was_given_and_the_tag() {
    let mut spec = sh("/usr/bin/env | sort; exec sleep 0", &tag("environment"));
    spec.environment = spec.environment.with("ASKED_FOR", "1");
    let mut child = Child::spawn(&spec).unwrap();
    let mut lines = child.take_lines(1000).unwrap();
    let mut names = Vec::new();
    while let Some(Line::Text(line)) = lines.next().await.unwrap() {
        names.push(line.split('=').next().unwrap().to_owned());
    }
    names.retain(|name| !matches!(name.as_str(), "PWD" | "_" | "SHLVL" | "OLDPWD"));
    assert_eq!(names, ["ASKED_FOR", "PATH", "TERM", "TOWLINE_AGENT"]);
    child.end(LONG, LONG).await.unwrap();
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error() {
    let mut spec = sh("", "none");
    spec.program = "/nowhere/at/all".into();
    assert_eq!(Child::spawn(&spec).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

/// The part of a host that is killed: starts a child that leaves a process in a session of its own, and waits to be killed.
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "run by after_our_own_kill_9_everything_is_found as a process of its own"]
async fn a_host_that_gets_killed() {
    let tag = std::fs::read_to_string("/proc/self/environ")
        .unwrap()
        .split('\0')
        .find_map(|variable| variable.strip_prefix("TEST_TAG=").map(str::to_owned))
        .unwrap();
    let _orphans = adopt_orphans().unwrap();
    // The second process has lost the tag and is known only by descent; the third has lost its parent and is known by the tag.
    let script = "env -u TOWLINE_AGENT sleep 601 & a=$!; (setsid sleep 602 & echo $a $! $$); wait";
    let mut child = Child::spawn(&sh(script, &tag)).unwrap();
    let mut lines = child.take_lines(1000).unwrap();
    let pids = line(&mut lines).await;
    println!("MARK {} {pids}", serde_json::to_string(child.mark()).unwrap());
    std::future::pending::<()>().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn after_our_own_kill_9_everything_is_found() {
    let _orphans = adopt_orphans().unwrap();
    let tag = tag("killed");
    let spec = SpawnSpec {
        program: std::env::current_exe().unwrap(),
        args: ["--exact", "process::tests::a_host_that_gets_killed", "--ignored", "--nocapture"].map(Into::into).into(),
        cwd: "/".into(),
        environment: Environment::cleaned([("PATH".into(), "/usr/bin:/bin".into())]).with("TEST_TAG", &tag),
        tag: "the-host".to_owned(),
    };
    let mut host = Child::spawn(&spec).unwrap();
    let mut lines = host.take_lines(10_000).unwrap();
    let (mark, pids) = loop {
        let line = line(&mut lines).await;
        if let Some((_, marked)) = line.split_once("MARK ") {
            let (mark, pids) = marked.split_at(marked.find('}').unwrap() + 1);
            break (serde_json::from_str(mark).unwrap(), pids.trim().to_owned());
        }
    };
    let pids: Vec<u32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
    let killed = rustix::process::Pid::from_raw(i32::try_from(host.mark().pid).unwrap()).unwrap();
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    host.exited().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(pids.iter().all(|pid| is_alive(*pid)), "nothing has ended them");

    let found = reap_marked(&[mark]).await.unwrap();
    assert_eq!(found, 3);
    assert!(!pids.iter().any(|pid| is_alive(*pid)));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_was_never_recorded_is_found_by_the_word_above_its_tag() {
    let above = tag("probe");
    let mut one = Child::spawn(&sh("sleep 603", &tag_below(&above))).unwrap();
    let mut other = Child::spawn(&sh("read line; exit 5", &tag_below(&format!("{above}-not")))).unwrap();
    // Ended by its tag alone, and only what carries it: two probes at once have the word above in common and no more.
    let found = reap_marked(&[ProcessMark { pid: 0, started: 0, tag: above, shared: false }]).await.unwrap();
    assert!(found >= 1);
    assert!(!one.exited().await.unwrap().success());
    drop(other.take_stdin());
    assert_eq!(other.exited().await.unwrap().code(), Some(5));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_reused_pid_is_not_ended() {
    let mut child = Child::spawn(&sh("read line; exit 5", &tag("reused"))).unwrap();
    let mut mark = child.mark().clone();
    mark.started += 1;
    mark.tag = "another".to_owned();
    assert_eq!(reap_marked(&[mark]).await.unwrap(), 0);
    drop(child.take_stdin());
    assert_eq!(child.exited().await.unwrap().code(), Some(5));
}
