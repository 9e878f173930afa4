//! Disks that are copied and restored, and nodes that push regardless: the hub's replica only ever grows at its end, by one disk's history
//! (W-031, W-034).

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Event {
    /// The node that runs on a disk writes.
    Write(usize),
    /// It is started anew.
    Start(usize),
    /// Somebody keeps a copy of the disk, which may be put back, or run beside it.
    Copy(usize),
    /// It links and pushes all that it has from one of its messages on, whatever the hub has.
    Push(usize, usize),
    HubDies,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        5 => (0..4_usize).prop_map(Event::Write),
        2 => (0..4_usize).prop_map(Event::Start),
        2 => (0..4_usize).prop_map(Event::Copy),
        6 => (0..4_usize, 0..8_usize).prop_map(|(disk, from)| Event::Push(disk, from)),
        1 => Just(Event::HubDies),
    ];
    proptest::collection::vec(event, 5..50)
}

#[derive(Debug, Clone)]
struct Disk {
    machine: Machine,
    journal: Owned,
    /// The start that the hub has found not to fit.
    fenced: Option<(u64, String)>,
}

async fn holds_in(events: &[Event]) -> Result<(), TestCaseError> {
    let mut yard = Yard::new().await;
    let machine = yard.machine().await;
    let journal = Owned::journal(yard.world.session());
    let mut disks = vec![Disk { machine, journal, fenced: None }];
    let (mut written, mut started, mut newest) = (0_u32, 0_u32, (0_u64, String::new()));
    for event in events {
        match event {
            Event::Write(n) => {
                let many = disks.len();
                written += 1;
                disks[n % many].journal.messages.push(format!("[{written}]"));
            }
            Event::Start(n) => {
                let many = disks.len();
                started += 1;
                let disk = &mut disks[n % many];
                disk.machine = disk.machine.started(&format!("start {started}"));
            }
            Event::Copy(n) if disks.len() < 4 => disks.push(disks[n % disks.len()].clone()),
            Event::Copy(_) => {}
            Event::HubDies => yard = yard.again().await,
            Event::Push(n, from) => {
                let many = disks.len();
                let Disk { machine, journal, fenced } = &mut disks[n % many];
                let before = yard.held(&journal.stream).await;
                let mut node = yard.dial(machine).await.expect("a socket");
                node.say(&NodeFrame::Hello(Box::new(machine.hello(&[])))).await;
                let start = (machine.generation, machine.boot.clone());
                let answer = match node.hear().await {
                    HubFrame::Welcome { .. } => {
                        prop_assert!(start.0 > newest.0 || start == newest, "let in after {:?}", newest);
                        prop_assert_ne!(Some(&start), fenced.as_ref());
                        newest = start.clone();
                        node.push(&[], vec![journal.from(*from.min(&journal.messages.len()))]).await
                    }
                    HubFrame::Refused { problem } => {
                        let expected = match problem.code {
                            ErrorCode::LinkCloned => start.0 == newest.0 && start.1 != newest.1,
                            ErrorCode::LinkRestored => start.0 < newest.0 || Some(&start) == fenced.as_ref(),
                            _ => false,
                        };
                        prop_assert!(expected, "{:?} after {:?}: {:?}", start, newest, problem.code);
                        prop_assert_eq!(yard.held(&journal.stream).await, before);
                        continue;
                    }
                    other => panic!("{other:?}"),
                };
                let after = yard.held(&journal.stream).await;
                match answer {
                    // Either it went on from where the hub was, or the hub had it all.
                    HubFrame::Pushed { .. } => {
                        prop_assert!(after.starts_with(&before));
                        prop_assert!(after == before || after == journal.messages);
                    }
                    HubFrame::Mismatch { .. } => {
                        prop_assert_eq!(&after, &before);
                        let shown = yard.presence(machine).await;
                        prop_assert_eq!(shown, (Presence::Offline, Some(AwayReason::Fenced)));
                        // A copy of this disk that has not been started since is this start, too.
                        *fenced = Some(start);
                    }
                    other => panic!("{other:?}"),
                }
                let fenced = fenced.clone();
                for disk in &mut disks {
                    if fenced
                        .as_ref()
                        .is_some_and(|start| (disk.machine.generation, &disk.machine.boot) == (start.0, &start.1))
                    {
                        disk.fenced.clone_from(&fenced);
                    }
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 400, ..ProptestConfig::default() })]
    #[test]
    fn whatever_disk_is_linked_the_replica_only_grows_at_its_end(events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        runtime.block_on(holds_in(&events))?;
    }
}
