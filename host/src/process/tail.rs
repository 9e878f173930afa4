//! The last words of a child's stderr.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Most bytes of stderr that are kept: enough for a stack trace.
const KEPT_BYTES: usize = 8 * 1024;

/// The last 8 KiB of what a child wrote to stderr.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    kept: Arc<Mutex<VecDeque<u8>>>,
}

impl Tail {
    /// Reads to the end and keeps the last bytes. The pipe is always emptied, so that a talkative child never waits for us.
    pub(super) async fn fill(self, mut from: impl AsyncRead + Unpin) {
        let mut chunk = [0_u8; 4096];
        while let Ok(read) = from.read(&mut chunk).await {
            if read == 0 {
                return;
            }
            self.push(&chunk[..read]);
        }
    }

    fn push(&self, bytes: &[u8]) {
        // Held for a copy of at most 4 KiB; nothing is awaited.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let over = kept.len().saturating_sub(KEPT_BYTES);
        kept.drain(..over);
    }

    /// What is kept, trimmed; from the first whole line when something was lost.
    pub fn text(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = kept.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let whole =
            if bytes.len() == KEPT_BYTES { text.split_once('\n').map_or(&*text, |(_, rest)| rest) } else { &*text };
        whole.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_is_kept_and_the_size_is_bounded() {
        let tail = Tail::default();
        let mut noise = "x".repeat(100_000);
        noise.push_str("\nthe last words\n");
        tail.clone().fill(noise.as_bytes()).await;
        assert_eq!(tail.text(), "the last words");
        assert!(tail.kept.lock().unwrap().len() <= KEPT_BYTES);
    }
}
