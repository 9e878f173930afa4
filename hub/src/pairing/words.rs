//! Two words that both screens show, so that people can see that it is the same request.

use sha2::{Digest, Sha256};

/// Short, well-known, hard to mistake for one another. 64 of them: two are 12 bits, enough for a glance, never a secret.
const WORDS: [&str; 64] = [
    "amber", "anchor", "apple", "autumn", "badger", "bamboo", "basket", "beacon", "birch", "blanket", "breeze",
    "bridge", "candle", "canyon", "cedar", "cherry", "cloud", "copper", "coral", "cricket", "dolphin", "dragon",
    "ember", "falcon", "feather", "fern", "forest", "garden", "ginger", "glacier", "harbor", "hazel", "island",
    "ivory", "jasmine", "kettle", "lantern", "lemon", "lily", "maple", "marble", "meadow", "mirror", "moon", "nutmeg",
    "ocean", "olive", "orchid", "otter", "pebble", "pepper", "pine", "planet", "rabbit", "river", "saddle", "salmon",
    "silver", "spruce", "sunset", "thunder", "tulip", "velvet", "walnut",
];

/// The words of a claim: they follow from its token, which only the claiming device and the hub know.
pub(super) fn of(token: &str) -> String {
    let digest = Sha256::digest(format!("words\0{token}").as_bytes());
    let word = |byte: u8| WORDS[usize::from(byte) % WORDS.len()];
    format!("{} {}", word(digest[0]), word(digest[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_follow_from_the_token() {
        let mut unique = WORDS.to_vec();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), WORDS.len());
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
    }
}
