//! Every closed list of words has one source: what the schema names is what is read, and nothing else is (W-110).

use protocol::{approval, command, device, error, fact, host, item, session, socket, turn};
use serde::de::DeserializeOwned;
use ts_rs::{Config, TS};

/// The words of a list as its schema in TypeScript names them, each of them read and written as itself.
fn words<T: TS + DeserializeOwned + serde::Serialize>() -> Vec<String> {
    let schema = T::decl(&Config::new());
    let (_, list) = schema.split_once('=').unwrap();
    let words: Vec<String> =
        list.trim_end_matches(';').split('|').map(|word| word.trim().trim_matches('"').to_owned()).collect();
    for word in &words {
        let json = format!("\"{word}\"");
        let value: T = serde_json::from_str(&json).unwrap_or_else(|why| panic!("{schema}: {word}: {why}"));
        assert_eq!(serde_json::to_string(&value).unwrap(), json, "{schema}");
    }
    words
}

/// A word that nobody has said yet is no value, so it can neither be taken from anybody nor be stored.
fn closed<T: TS + DeserializeOwned + serde::Serialize>() {
    assert!(words::<T>().len() > 1);
    for other in ["\"moon\"", "\"\"", "0", "null"] {
        assert!(serde_json::from_str::<T>(other).is_err(), "{} takes {other}", T::decl(&Config::new()));
    }
}

/// A word of a later version is read as the one that says so, and what was meant is never guessed.
fn open<T: TS + DeserializeOwned + serde::Serialize>(unknown: &str) {
    assert!(words::<T>().iter().any(|word| word == unknown));
    let value: T = serde_json::from_str("\"moon\"").unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), format!("\"{unknown}\""));
}

#[test]
fn what_the_schema_does_not_name_is_no_value() {
    closed::<approval::ApprovalKind>();
    closed::<approval::ApprovalState>();
    closed::<approval::OptionKind>();
    closed::<command::CommandKind>();
    closed::<command::CommandState>();
    closed::<device::DeviceKind>();
    closed::<device::Right>();
    closed::<error::ErrorCode>();
    closed::<fact::Operation>();
    closed::<host::AgentState>();
    closed::<host::Presence>();
    closed::<item::DeltaPart>();
    closed::<item::NoticeLevel>();
    closed::<item::PlanStatus>();
    closed::<item::Role>();
    closed::<socket::EndReason>();
    closed::<turn::TurnState>();
}

#[test]
fn a_word_of_a_later_version_is_told_apart() {
    open::<item::ItemStatus>("unknown");
    open::<item::ToolKind>("other");
    open::<session::Activity>("unknown");
    open::<turn::TurnErrorCode>("unknown");
    assert_eq!(
        serde_json::from_str::<item::ItemContent>(r#"{"kind":"moon","phase":1}"#).unwrap(),
        item::ItemContent::Unknown
    );
}
