//! Everything a developer types, as verbs of `cargo xtask`: there is no Makefile and no script beside it, so that one
//! program says what is run, in which order, and for how long at most.
#![expect(
    clippy::disallowed_methods,
    reason = "a developer's tool starts programs and reads the environment; nothing of it is part of towline"
)]
#![expect(clippy::print_stdout, reason = "its output is for the terminal it was started from")]

mod bench;
mod conformance;
mod dev;
mod e2e;
mod fuzz;
mod generate;
mod interrupt;
mod npm;
mod prepare;
mod repo;
mod run;
mod service;
mod soak;
mod tally;
mod test;
mod tidy;
mod towline;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Everything a developer types", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs a debug node and the web UI's development server until Ctrl-C
    Dev(dev::Options),
    /// Runs everything that CI runs, and says at the end what passed
    Test(test::Options),
    /// Checks the rules of the house that no compiler checks
    Tidy,
    /// Rewrites the files that are generated from the wire types and the settings
    Gen,
    /// Drives the release program with a headless browser and the real agents
    E2e(e2e::Options),
    /// Runs the published Durable Streams suite against the release program
    Conformance(conformance::Options),
    /// Runs the named benches, or all of them
    Bench(bench::Options),
    /// Feeds every parser with damaged input, a million times each
    Fuzz(fuzz::Options),
    /// Runs the crash loops for long
    Soak(soak::Options),
}

/// The error of a verb that has said all there is to say: only the exit code is left.
#[derive(Debug)]
struct SaidAlready;

impl std::fmt::Display for SaidAlready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed, as said above")
    }
}

impl std::error::Error for SaidAlready {}

fn main() -> std::process::ExitCode {
    interrupt::watch();
    let result = match Arguments::parse().verb {
        Verb::Dev(options) => dev::run(&options),
        Verb::Test(options) => test::run(&options),
        Verb::Tidy => tidy::run(),
        Verb::Gen => generate::run(),
        Verb::E2e(options) => e2e::run(&options).map(|_| ()),
        Verb::Conformance(options) => conformance::run(&options).map(|_| ()),
        Verb::Bench(options) => bench::run(&options),
        Verb::Fuzz(options) => fuzz::run(&options),
        Verb::Soak(options) => soak::run(&options),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) if error.is::<SaidAlready>() => std::process::ExitCode::FAILURE,
        Err(error) => {
            println!("\nerror: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
