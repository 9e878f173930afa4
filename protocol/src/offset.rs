//! Positions in a stream: `{epoch}_{logical byte}`, both 16 digits, so that the text sorts as the position does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The largest value of either part: sixteen decimal digits.
pub const MAX_PART: u64 = 9_999_999_999_999_999;

/// A position in a stream: everything before it has been read, what follows has not.
///
/// The owner of the stream assigns it once and it means the same on every replica. The epoch changes only when a stream is
/// made anew under the same path (W-031), so an old offset can never point into other data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ts_rs::TS)]
#[ts(type = "string")]
pub struct Offset {
    /// The incarnation of the stream, from 0.
    pub epoch: u64,
    /// Bytes of message bodies before this position.
    pub byte: u64,
}

/// A text is not an offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an offset: expected 16 digits, `_` and 16 digits")]
pub struct ParseOffsetError;

impl Offset {
    /// The first position of the first epoch.
    pub const ZERO: Self = Self { epoch: 0, byte: 0 };

    /// The position in the given epoch.
    pub const fn new(epoch: u64, byte: u64) -> Self {
        Self { epoch, byte }
    }

    /// The position `bytes` further on, in the same epoch.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self { epoch: self.epoch, byte: self.byte + bytes }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch > MAX_PART || self.byte > MAX_PART {
            return write!(f, "{:016}_{:016}", self.epoch, self.byte);
        }
        // Written with every answer, so not digit by digit through a formatter.
        let mut text = [b'_'; 33];
        digits(&mut text[..16], self.epoch);
        digits(&mut text[17..], self.byte);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Writes a number with leading zeros.
fn digits(out: &mut [u8], mut number: u64) {
    for place in out.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl fmt::Debug for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.epoch, self.byte)
    }
}

impl FromStr for Offset {
    type Err = ParseOffsetError;
    fn from_str(text: &str) -> Result<Self, ParseOffsetError> {
        let (epoch, byte) = text.split_once('_').ok_or(ParseOffsetError)?;
        let part = |digits: &str| {
            let plain = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit());
            if plain { digits.parse().map_err(|_| ParseOffsetError) } else { Err(ParseOffsetError) }
        };
        Ok(Self { epoch: part(epoch)?, byte: part(byte)? })
    }
}

impl Serialize for Offset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_round_trips_and_sorts(a in 0..=MAX_PART, b in 0..=MAX_PART, c in 0..=MAX_PART, d in 0..=MAX_PART) {
            let (left, right) = (Offset::new(a, b), Offset::new(c, d));
            prop_assert_eq!(left.to_string().parse::<Offset>(), Ok(left));
            prop_assert_eq!(left.to_string().cmp(&right.to_string()), left.cmp(&right));
        }

        #[test]
        fn no_text_panics(text in "[0-9_+ -]{0,40}") {
            if let Ok(offset) = text.parse::<Offset>() {
                prop_assert_eq!(offset.to_string(), text);
            }
        }
    }

    #[test]
    fn near_misses_are_refused() {
        for text in ["", "-1", "now", "1_2", "0000000000000000-0000000000000000", "+000000000000000_0000000000000000"] {
            assert!(text.parse::<Offset>().is_err(), "{text}");
        }
    }
}
