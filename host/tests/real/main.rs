//! The real agents of their vendors against the fake model server. Each runs when a variable names its program (`cargo xtask test` does
//! that: `TOWLINE_TEST_CLAUDE`, `TOWLINE_TEST_CODEX`); else its tests say so and pass.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests; a skipped test says so")]

mod claude;
mod codex;
mod codex_items;
mod model;
mod processes;
mod talk;
