//! What a new project is called when nobody said: two words that are easy to read, to say and to type.

use protocol::id::ProjectId;

/// How something is.
const HOW: [&str; 64] = [
    "amber", "ample", "ashen", "azure", "balmy", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid",
    "cedar", "clear", "clever", "cobalt", "cosy", "crisp", "dapper", "deft", "dusky", "eager", "early", "fair",
    "fleet", "fond", "fresh", "gentle", "glad", "golden", "hardy", "hazel", "humble", "ivory", "jolly", "keen", "kind",
    "light", "lively", "lucid", "mellow", "merry", "misty", "neat", "nimble", "noble", "olive", "plucky", "proud",
    "quick", "quiet", "rapid", "rosy", "ruby", "sandy", "silent", "silver", "snug", "steady", "sunny", "swift", "tidy",
    "warm", "witty",
];

/// What it is.
const WHAT: [&str; 64] = [
    "acorn", "anchor", "badger", "barge", "beacon", "beaver", "birch", "brook", "buoy", "canal", "cove", "crane",
    "creek", "curlew", "delta", "dune", "eddy", "egret", "ferry", "finch", "fjord", "gull", "harbour", "hare", "heron",
    "hollow", "inlet", "island", "jetty", "kayak", "lagoon", "lantern", "linnet", "lock", "lynx", "maple", "marsh",
    "meadow", "mole", "otter", "paddle", "pebble", "pier", "pike", "plover", "pond", "puffin", "quay", "raft", "reed",
    "ripple", "river", "robin", "rudder", "sail", "seal", "shoal", "spruce", "swan", "teal", "tern", "tide", "willow",
    "wren",
];

/// The words of an id: the same id always has the same ones, so that no randomness is needed but that of the id itself.
pub(super) fn words(id: ProjectId) -> String {
    let bytes = id.uuid().into_bytes();
    let pick = |list: &[&'static str; 64], byte: u8| list[usize::from(byte) % list.len()];
    format!("{}-{}", pick(&HOW, bytes[14]), pick(&WHAT, bytes[15]))
}

/// The directory that a name becomes: what stands between words is a `-`.
pub(super) fn directory(name: &str) -> String {
    name.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_plain_and_each_is_there_once() {
        for list in [HOW, WHAT] {
            assert!(list.is_sorted() && list.windows(2).all(|pair| pair[0] != pair[1]), "{list:?}");
            assert!(list.iter().all(|word| word.len() >= 4 && word.bytes().all(|b| b.is_ascii_lowercase())));
        }
        let of = |last: [u8; 2]| {
            let mut random = [0; 10];
            random[8..].copy_from_slice(&last);
            words(ProjectId::from_uuid(uuid::Builder::from_unix_timestamp_millis(1, &random).into_uuid()))
        };
        assert_eq!(of([0, 39]), "amber-otter");
        assert_eq!(of([64, 39]), "amber-otter");
        assert_eq!(of([63, 63]), "witty-wren");
        assert!(protocol::command::is_project_name(&of([17, 200])));
    }

    #[test]
    fn spaces_do_not_stand_in_directories() {
        assert_eq!(directory("Tide  tables 2"), "Tide-tables-2");
        assert_eq!(directory("tides"), "tides");
    }
}
