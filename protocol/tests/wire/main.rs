//! The wire in golden files, shared by Rust and TypeScript (W-111): what we write is what stands there, byte for byte, and what
//! stands there is read back to the same value.
//!
//! `UPDATE=1 cargo test -p protocol --test wire` writes them anew; without it a change of the wire fails.

#![expect(clippy::unwrap_used, reason = "a test fails when a step of it fails")]

mod api;
mod facts;
mod frames;
mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use protocol::blob::{Attachment, BlobId};
use protocol::id::{AccountId, DeviceId};
use protocol::item::Sender;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

/// One moment, so that the files do not change from day to day.
const AT: u64 = 1_767_225_600_000;

/// The id with the number `n`.
fn id(n: u8) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(AT, &[n; 10]).into_uuid()
}

fn sender() -> Sender {
    Sender { account: AccountId::from_uuid(id(1)), device: DeviceId::from_uuid(id(2)) }
}

/// An image with a prompt.
fn attachment() -> Attachment {
    Attachment {
        blob: BlobId::from_digest([0xab; 32]),
        name: "tide.png".to_owned(),
        media_type: "image/png".to_owned(),
        size_bytes: 68,
    }
}

/// A value as it goes over the wire, with the name of the story that it tells.
struct Sample {
    name: String,
    json: Box<RawValue>,
}

/// A sample that is read back to the very bytes.
fn sample<T: Serialize + DeserializeOwned>(name: &str, value: &T) -> Sample {
    let text = serde_json::to_string(value).unwrap();
    let again: T =
        serde_json::from_str(&text).unwrap_or_else(|why| panic!("{name} cannot be read back: {why}: {text}"));
    assert_eq!(serde_json::to_string(&again).unwrap(), text, "{name} changes when it is read");
    as_it_stands(name, text)
}

fn as_it_stands(name: &str, text: String) -> Sample {
    Sample { name: name.to_owned(), json: RawValue::from_string(text).unwrap() }
}

/// The value with its keys in alphabetical order: whether `serde_json` keeps the order of insertion is a feature that any crate of a
/// build may switch on, and the files are the same in every build.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries: BTreeMap<String, Value> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        plain => plain,
    }
}

fn pretty(samples: &[Sample]) -> String {
    let mut out = String::from("{\n");
    for (at, Sample { name, json }) in samples.iter().enumerate() {
        let value = sorted(serde_json::from_str(json.get()).unwrap());
        let text = serde_json::to_string_pretty(&value).unwrap().replace('\n', "\n  ");
        let comma = if at + 1 < samples.len() { "," } else { "" };
        writeln!(out, "  {name:?}: {text}{comma}").unwrap();
    }
    out.push_str("}\n");
    out
}

fn check(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that rewrites files is a variable of the developer's shell"
    )]
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "the wire is not what {file} says: if that is meant, run `cargo xtask gen` and commit it"
    );
}

/// What the wire carries: the file, the type of its samples in TypeScript, the samples.
fn files() -> Vec<(&'static str, &'static str, Vec<Sample>)> {
    vec![
        ("session-facts", "SessionFact", facts::of_sessions()),
        ("feed-facts", "FeedFact", facts::of_feeds()),
        ("commands", "CommandRequest", frames::commands()),
        ("client-frames", "ClientFrame", frames::of_clients()),
        ("server-frames", "ServerFrame", frames::of_the_hub()),
    ]
}

#[test]
fn the_wire_is_what_the_files_say() {
    for (file, _, samples) in files() {
        check(&format!("protocol/fixtures/wire/{file}.json"), &pretty(&samples));
    }
    let bodies: Vec<Sample> = api::bodies().into_iter().map(|(_, sample)| sample).collect();
    check("protocol/fixtures/wire/http-bodies.json", &pretty(&bodies));
}

/// The same samples as literals of TypeScript, each held against its type by the compiler of the web UI.
#[test]
fn typescript_agrees_with_the_files() {
    let mut types: Vec<&str> =
        files().iter().map(|(_, ty, _)| *ty).chain(api::bodies().iter().map(|(ty, _)| *ty)).collect();
    types.sort_unstable();
    types.dedup();
    let mut out = String::from(
        "// @generated from `protocol/tests/wire` by `cargo xtask gen`. Do not edit: a stale file fails a test.\n\
         // What the wire carries, held against its types by the compiler; the same stands in `protocol/fixtures/wire`.\n",
    );
    writeln!(
        out,
        "import type {{ {} }} from \"../src/protocol/generated\";\n\nexport const wire = {{",
        types.join(", ")
    )
    .unwrap();
    for (file, ty, samples) in files() {
        let text = pretty(&samples);
        writeln!(out, "  {file:?}: {} satisfies Record<string, {ty}>,", text.trim_end().replace('\n', "\n  ")).unwrap();
    }
    out.push_str("  \"http-bodies\": {\n");
    for (ty, Sample { name, json }) in api::bodies() {
        let value = sorted(serde_json::from_str(json.get()).unwrap());
        let text = serde_json::to_string_pretty(&value).unwrap().replace('\n', "\n    ");
        writeln!(out, "    {name:?}: {text} satisfies {ty},").unwrap();
    }
    out.push_str("  },\n};\n");
    check("web/test/wire.generated.ts", &out);
}
