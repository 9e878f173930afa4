//! The demo agent as a program of its own, for the tests of this crate; people run it as `towline demo-agent`.

use std::path::PathBuf;
use std::process::ExitCode;

use host::demo_agent::{DemoOptions, run};

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "this program stands in for towline, which reads the environment")]
    let state = std::env::var_os("TOWLINE_DEMO_STATE").map(PathBuf::from);
    let options = DemoOptions { state, version: env!("CARGO_PKG_VERSION").to_owned() };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let result = runtime.block_on(run(tokio::io::stdin(), tokio::io::stdout(), options));
    // A thread may still wait for stdin; it must not keep the process.
    runtime.shutdown_background();
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
