//! Ctrl-C, as a flag. Children run in process groups of their own, which a terminal's Ctrl-C does not reach; whoever waits
//! for a child looks here and ends it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Starts to listen for the signals that ask a program to end.
pub(crate) fn watch() {
    let flag = FLAG.get_or_init(Arc::default);
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second signal ends xtask at once, for the case that a child does not let itself be ended.
        let registered = signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(flag)));
        if let Err(error) = registered {
            println!("warning: cannot watch for signal {signal}: {error}");
        }
    }
}

/// Whether someone asked xtask to end.
pub(crate) fn requested() -> bool {
    FLAG.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}
