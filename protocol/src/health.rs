//! The health of a machine, as `towline doctor` and the web UI show it.

use serde::{Deserialize, Serialize};

use crate::time::UnixMs;

/// The answer of `GET /v1/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct HealthReport {
    /// Everything that was looked at, in the order to show it.
    pub findings: Vec<Finding>,
    /// When.
    pub checked_at_ms: UnixMs,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is about, as a stable word (`disk.space`, `agent.claude`, …).
    pub id: String,
    /// How it is.
    pub level: FindingLevel,
    /// What was found, in one line.
    pub title: String,
    /// More about it.
    pub detail: Option<String>,
    /// What to do next.
    pub next: Option<String>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum FindingLevel {
    /// As it should be.
    Ok,
    /// It works, and could be better.
    Warning,
    /// Something does not work.
    Problem,
}

impl Finding {
    /// A finding that says only what was found.
    pub fn new(id: impl Into<String>, level: FindingLevel, title: impl Into<String>) -> Self {
        Self { id: id.into(), level, title: title.into(), detail: None, next: None }
    }

    /// Says more about it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}
