//! A developer's aid: serves streams without any access control on a loopback port, until ctrl-c.
//!
//! `cargo run -p streams --example serve [-- ADDRESS [DIRECTORY]]`; without a directory everything is in memory.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::time::{Clock, UnixMs};
use store::{MemoryStore, SqliteStore, Store};
use streams::Streams;
use streams::http::{HttpOptions, open_access, router};
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "an example is a composition of its own, with a system clock of its own"
    )]
    fn now(&self) -> UnixMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "as above")]
    fn fresh(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:4437".to_owned());
    let clock = Arc::new(SystemClock);
    let store: Arc<dyn Store> = match arguments.next() {
        Some(directory) => Arc::new(SqliteStore::open(directory, clock.clone())?),
        None => Arc::new(MemoryStore::new(clock.clone())),
    };
    let streams = Streams::new(store);
    let shutdown = CancellationToken::new();
    let mut options = HttpOptions::new(open_access(), clock, shutdown.clone());
    // What the published suite expects of a server under test.
    options.long_poll = Duration::from_millis(500);
    options.cors = true;
    options.max_append_bytes = 64 * 1024 * 1024;
    let listener = tokio::net::TcpListener::bind(address).await?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    let stop = async move {
        // Without a signal handler there is nothing to wait for, and stopping at once says so.
        let _signal = tokio::signal::ctrl_c().await;
        shutdown.cancel();
    };
    axum::serve(listener, router(streams.clone(), options)).with_graceful_shutdown(stop).await?;
    streams.drained().await;
    Ok(())
}
