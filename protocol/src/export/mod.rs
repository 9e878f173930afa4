//! Exports of a session, made by clients from the fold: Markdown to read, JSON to keep. The hub reads no content (rule 5), so it
//! cannot make them.
//!
//! The TypeScript twin is `web/src/session/export.ts`; both make the files of `protocol/fixtures/export`.

mod escape;
mod markdown;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::approval::Approval;
use crate::fold::Transcript;
use crate::id::{ApprovalId, ItemId, SessionId, TurnId};
use crate::item::Item;
use crate::time::UnixMs;
use crate::turn::Turn;

pub use markdown::markdown;

/// The version of the JSON form.
pub const EXPORT_VERSION: u32 = 1;

/// What stands above a session's transcript, from the lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The session.
    pub session: SessionId,
    /// Its title.
    pub title: String,
    /// The project's name; null when it is not known any more.
    pub project: Option<String>,
    /// The project's directory as shown to people.
    pub path: Option<String>,
    /// What the host is called.
    pub host: Option<String>,
    /// The agent.
    pub agent: String,
    /// When the session was made.
    pub created_at_ms: UnixMs,
    /// When the export was made.
    pub exported_at_ms: UnixMs,
}

#[derive(Serialize)]
struct Row<'a, I, V> {
    id: I,
    #[serde(flatten)]
    value: &'a V,
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    v: u32,
    head: &'a Head,
    turns: Vec<Row<'a, TurnId, Turn>>,
    items: Vec<Row<'a, ItemId, Item>>,
    approvals: Vec<Row<'a, ApprovalId, Approval>>,
}

/// The session as JSON, indented by two spaces, with a newline at the end: everything that the transcript holds, by place.
pub fn json(head: &Head, transcript: &Transcript) -> String {
    let document = Document {
        format: "towline.session",
        v: EXPORT_VERSION,
        head,
        turns: transcript.turns().into_iter().map(|(id, value)| Row { id, value }).collect(),
        items: transcript.items().into_iter().map(|(id, value)| Row { id, value }).collect(),
        approvals: transcript.approvals().into_iter().map(|(id, value)| Row { id, value }).collect(),
    };
    let mut text = serde_json::to_string_pretty(&document).expect("facts have string keys and finite numbers");
    text.push('\n');
    text
}
