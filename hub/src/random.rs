//! Random bytes: the one place in the hub that they come from.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A source of random bytes that nobody can guess; a simulation brings a repeatable one.
pub trait Random: Send + Sync + fmt::Debug + 'static {
    /// Fills a buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("without the system's random bytes no secret can be made, so nothing may go on");
    }
}

/// 256 random bits as 43 base64url characters.
pub(crate) fn secret(random: &dyn Random) -> String {
    let mut bytes = [0_u8; 32];
    random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}
