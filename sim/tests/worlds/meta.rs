//! The simulator itself: a seed that does not repeat its history is worth nothing.

use crate::chance::TAMES;
use crate::seeds::child;

/// Runs a seed twice, each in a process of its own, and compares the histories byte by byte.
fn check(test: &str, seed: u64) {
    let folder = tempfile::tempdir().expect("a folder for two histories");
    let [first, second] = ["first", "second"].map(|name| {
        let path = folder.path().join(name);
        child(test, seed, Some(&path)).unwrap_or_else(|said| panic!("{said}"));
        std::fs::read_to_string(path).expect("the child has written it")
    });
    assert!(first.lines().count() > 100, "a history in which something happens");
    let differs = first.lines().zip(second.lines()).position(|(a, b)| a != b);
    if let Some(line) = differs {
        let around = |text: &str| text.lines().skip(line.saturating_sub(3)).take(6).collect::<Vec<_>>().join("\n");
        panic!("seed {seed} of {test} differs at line {}:\n{}\n--\n{}", line + 1, around(&first), around(&second));
    }
    assert_eq!(first.len(), second.len(), "one history goes on");
}

#[test]
fn one_seed_of_streams_is_one_history() {
    if !TAMES {
        return;
    }
    check("streams::appends_are_neither_lost_nor_repeated", 3);
}

#[test]
fn one_seed_of_a_node_is_one_history() {
    if !TAMES {
        return;
    }
    check("node::commands_run_once_and_everybody_sees_the_same", 3);
}

#[test]
fn one_seed_of_replicas_is_one_history() {
    if !TAMES {
        return;
    }
    // One whose disk is restored, and noticed.
    check("replicas::a_replica_is_a_prefix_of_one_history", 4);
}

#[test]
fn one_seed_of_lives_is_one_history() {
    if !TAMES {
        return;
    }
    check("lives::what_comes_and_goes_is_told_once_it_is_there", 3);
}

#[test]
fn two_seeds_are_two_histories() {
    let folder = tempfile::tempdir().expect("a folder for two histories");
    let [first, second] = [1, 2].map(|seed: u64| {
        let path = folder.path().join(seed.to_string());
        child("streams::appends_are_neither_lost_nor_repeated", seed, Some(&path))
            .unwrap_or_else(|said| panic!("{said}"));
        std::fs::read(path).expect("the child has written it")
    });
    assert_ne!(first, second);
}
