//! The last chance in the process: what the system gives to those who ask for random bytes.
//!
//! The runtime decides by chance which waiter it wakes first (`tokio::sync::watch` spreads them over eight lists, `select!`
//! begins anywhere) and hash maps order their entries by chance; both draw from what the standard library asks the system for, once
//! per thread. The library asks through a weak symbol so that a program can answer itself, and here it does. The alternatives
//! were `--cfg tokio_unstable` for the whole workspace, or no use of either in the product.

use std::sync::atomic::{AtomicU64, Ordering};

/// The seed of this process; 0 as long as the system answers.
static SEED: AtomicU64 = AtomicU64::new(0);

/// Runs something on a thread of its own, where all that is left to chance follows from the seed.
pub(crate) fn tamed<T: Send>(seed: u64, work: impl FnOnce() -> T + Send) -> std::thread::Result<T> {
    SEED.store(seed, Ordering::SeqCst);
    std::thread::scope(|scope| scope.spawn(work).join())
}

/// Whether [`tamed`] can do what it says on this system.
pub(crate) const TAMES: bool = cfg!(target_os = "linux");

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the signature is C's")]
#[unsafe(no_mangle)]
extern "C" fn getrandom(buffer: *mut u8, length: usize, flags: u32) -> isize {
    let seed = SEED.load(Ordering::SeqCst);
    if seed == 0 {
        // SAFETY: the caller promises `length` writable bytes at `buffer`, and that is what the system wants too.
        let given = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
        return isize::try_from(given).unwrap_or(-1);
    }
    // Every asker gets the same bytes: threads that begin in another order must not change what one of them gets.
    let bytes = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    for at in 0..length {
        // SAFETY: the caller promises `length` writable bytes at `buffer`.
        unsafe { buffer.add(at).write(bytes[at % bytes.len()]) };
    }
    length.cast_signed()
}
