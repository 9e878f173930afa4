//! Buffers for large bodies that are used again.
//!
//! An allocator gives memory of this size back to the system when it is freed and takes it from there anew, so that each read pays for a page
//! fault every 4 KiB: that was half of the processor time of catching up, and more than the copy itself.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Most bytes that lie here unused: as many pages of the largest size as the readers of a store fill at once, and one more.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// A larger buffer does not come back: a few of them would leave no room for all others.
const LARGEST: usize = 1024 * 1024;

/// Buffers that nobody uses at the moment.
#[derive(Debug, Default)]
pub(super) struct Spare {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// What came back last stands last: it is the likeliest to be in a cache of the processor.
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// A buffer that goes back when the last reader of its bytes is done.
struct Lent {
    buffer: Vec<u8>,
    /// So many of its bytes are the body; a used buffer may be longer.
    bytes: usize,
    home: Arc<Spare>,
}

impl Spare {
    /// A body of this size as `fill` leaves it, which must write all of it or fail: a buffer that is used again holds what was read before.
    ///
    /// # Errors
    /// Whatever `fill` fails with.
    pub(super) fn body<E>(
        self: &Arc<Self>,
        bytes: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        let mut lent = Lent { buffer: self.take(bytes), bytes, home: Arc::clone(self) };
        fill(&mut lent.buffer[..bytes])?;
        Ok(Bytes::from_owner(lent))
    }

    fn take(&self, bytes: usize) -> Vec<u8> {
        // Sizes are rounded, so that a buffer fits the next body, too; what nobody writes to takes no memory.
        let size = bytes.next_power_of_two();
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = kept.buffers.iter().rposition(|buffer| buffer.len() == size) {
                kept.bytes -= size;
                return kept.buffers.remove(at);
            }
        }
        vec![0; size]
    }

    fn put(&self, buffer: Vec<u8>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.len() <= LARGEST {
            kept.bytes += buffer.len();
            kept.buffers.push(buffer);
        }
        // The ones that lay here longest go.
        let (mut over, mut bytes) = (0, kept.bytes);
        while bytes > MOST_BYTES {
            bytes -= kept.buffers[over].len();
            over += 1;
        }
        kept.bytes = bytes;
        kept.buffers.drain(..over);
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.bytes]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(spare: &Arc<Spare>, bytes: usize, with: u8) -> Bytes {
        let filled = spare.body(bytes, |buffer| {
            buffer.fill(with);
            Ok::<_, ()>(())
        });
        filled.expect("it does not fail")
    }

    fn kept(spare: &Spare) -> (usize, usize) {
        let kept = spare.kept.lock().expect("nobody panicked");
        (kept.buffers.len(), kept.bytes)
    }

    #[test]
    fn a_buffer_is_used_again_once_its_last_reader_is_done() {
        let spare = Arc::<Spare>::default();
        let first = body(&spare, 100_000, 1);
        let (place, part) = (first.as_ptr(), first.slice(10..20));
        drop(first);
        assert_ne!(body(&spare, 100_000, 2).as_ptr(), place, "a part of it is still read");
        assert_eq!(part, vec![1; 10]);
        drop(part);
        let again = body(&spare, 120_000, 3);
        assert_eq!((again.as_ptr(), again.len()), (place, 120_000));
        assert!(again.iter().all(|byte| *byte == 3));
    }

    #[test]
    fn what_could_not_be_filled_is_no_body_and_its_buffer_comes_back() {
        let spare = Arc::<Spare>::default();
        assert_eq!(spare.body(100_000, |_| Err("no")), Err("no"));
        assert_eq!(kept(&spare), (1, 131_072));
    }

    #[test]
    fn what_lies_unused_is_bounded() {
        let spare = Arc::<Spare>::default();
        drop(body(&spare, LARGEST + 1, 1));
        assert_eq!(kept(&spare), (0, 0), "too large to come back");
        let many: Vec<_> = (0..20).map(|_| body(&spare, LARGEST, 1)).collect();
        drop(many);
        assert_eq!(kept(&spare), (8, MOST_BYTES));
    }

    proptest! {
        #[test]
        fn bodies_are_what_was_filled_in_whatever_lives_beside_them(
            steps in prop::collection::vec((1_usize..3_000_000, any::<u8>(), 0_usize..6), 1..40),
        ) {
            let spare = Arc::<Spare>::default();
            let mut live: Vec<(Bytes, usize, u8)> = Vec::new();
            for (bytes, with, stay) in steps {
                live.push((body(&spare, bytes, with), bytes, with));
                while live.len() > stay {
                    let (body, bytes, with) = live.remove(0);
                    prop_assert!(body.len() == bytes && body.iter().all(|byte| *byte == with));
                }
                let sum: usize = spare.kept.lock().expect("nobody panicked").buffers.iter().map(Vec::len).sum();
                prop_assert!(sum == kept(&spare).1 && sum <= MOST_BYTES);
            }
        }
    }
}
