//! Choices drawn from the seed.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A source of choices: SplitMix64, the same on every machine and with every version of every crate.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The choices of one actor in the world of a seed. Actors have dice of their own, so that one that asks more often does not
    /// change what another gets.
    pub fn new(seed: u64, actor: &str) -> Self {
        // FNV-1a over the name.
        let name = actor
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut dice = Self(seed ^ name);
        dice.draw();
        dice
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of the range, which holds one at least.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.draw() % (range.end - range.start)
    }

    /// A time of the range, in milliseconds.
    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    /// Whether something that happens `of_1000` times in a thousand happens now.
    pub fn chance(&mut self, of_1000: u64) -> bool {
        self.draw() % 1000 < of_1000
    }

    /// One of the things, of which there is one at least.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let index = self.draw() % of.len() as u64;
        &of[usize::try_from(index).expect("an index of a slice")]
    }
}

/// The random bytes of a simulated machine.
#[derive(Debug)]
pub struct SimRandom(Mutex<Dice>);

impl SimRandom {
    /// The source of one machine in the world of a seed.
    pub fn new(seed: u64, machine: &str) -> Self {
        Self(Mutex::new(Dice::new(seed, &format!("{machine}/random"))))
    }
}

impl hub::Random for SimRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let mut dice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bytes in buffer.chunks_mut(8) {
            bytes.copy_from_slice(&dice.draw().to_be_bytes()[..bytes.len()]);
        }
    }
}
