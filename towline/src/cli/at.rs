//! `--hub`: the verbs that talk to a node can talk to another hub.

use clap::{Arg, ArgMatches, CommandFactory};

use super::Cli;

/// The id of the argument.
const HUB: &str = "other_hub";

/// The verbs that have it; every other one is about this machine.
const TALK: [&str; 18] = [
    "open", "pair", "send", "tail", "answer", "cancel", "sessions", "rename", "archive", "delete", "export",
    "projects", "hosts", "commands", "devices", "rules", "access", "audit",
];

/// Of `hub`, which else is about the hub of this machine.
const TALK_OF_HUB: [&str; 3] = ["invite", "invitations", "accounts"];

/// Everything that can be typed.
pub(crate) fn command() -> clap::Command {
    let hub = || {
        Arg::new(HUB)
            .long("hub")
            .value_name("HUB")
            .global(true)
            .help("Talk to this hub instead of the one on this machine: its name, the beginning of one, or its address, as `towline pair hubs` lists them")
    };
    // In place: the list of verbs stays as it is read best.
    Cli::command().mut_subcommands(|verb| match verb.get_name() {
        "hub" => verb.mut_subcommands(|of| if TALK_OF_HUB.contains(&of.get_name()) { of.arg(hub()) } else { of }),
        name if TALK.contains(&name) => verb.arg(hub()),
        _ => verb,
    })
}

/// The hub that was named.
pub(crate) fn named(matches: &ArgMatches) -> Option<String> {
    let mut at = Some(matches);
    let mut found = None;
    while let Some(here) = at {
        found = here.try_get_one::<String>(HUB).ok().flatten().cloned().or(found);
        at = here.subcommand().map(|(_, below)| below);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verbs_that_talk_take_it_at_every_depth_and_the_others_do_not() {
        command().debug_assert();
        let read = |words: &str| command().try_get_matches_from(words.split(' ')).map(|found| named(&found)).ok();
        assert_eq!(read("towline sessions --hub work"), Some(Some("work".to_owned())));
        assert_eq!(read("towline commands cancel x --hub work"), Some(Some("work".to_owned())));
        assert_eq!(read("towline hub accounts --hub work"), Some(Some("work".to_owned())));
        assert_eq!(read("towline sessions"), Some(None));
        for words in [
            "towline up --hub work",
            "towline doctor --hub work",
            "towline link ls --hub work",
            "towline hub --hub work",
        ] {
            assert_eq!(read(words), None, "{words}");
        }
    }
}
