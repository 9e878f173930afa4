//! Deterministic worlds: real hubs and clients on a simulated network and disk.
//!
//! One seed makes one history: the network, the clock, the disk and every choice of the scenario are drawn from it, and nothing
//! else may decide anything. That holds for one seed per process, because some state of the runtime belongs to the process.
//! The scenarios and those who judge them are in `tests/worlds`.

mod clock;
mod dice;
mod disk;
mod history;
mod http;
mod net;
mod weather;

pub use clock::SimClock;
pub use dice::{Dice, SimRandom};
pub use disk::{Disk, Pace};
pub use history::History;
pub use http::{Answer, Exchange, ExchangeError, serve};
pub use net::{Listener, connect, dialer};
pub use weather::{Places, Weather};

/// The port on which servers of these worlds listen.
pub const PORT: u16 = 4437;
