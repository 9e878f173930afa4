// A page of a journal with every kind of card on it, for what no agent does twice in the same way.

import type { Page } from "@playwright/test";
import type { ItemContent, ItemStatus, ToolCall, Turn } from "../../web/src/protocol/generated.ts";

const TURN = `trn_${"1".repeat(32)}`;
const id = (n: number): string => `itm_${n.toString(16).padStart(32, "0")}`;

export interface Line {
  content: ItemContent;
  status?: ItemStatus;
  parent?: number;
  role?: "user" | "agent";
}

const call = (tool: ToolCall["tool"], name: string, title: string, input: object, rest: Partial<ToolCall> = {}): ItemContent => ({
  kind: "tool_call",
  tool,
  name,
  title,
  input: JSON.stringify(input),
  locations: [],
  diffs: [],
  output: "",
  outputOmittedBytes: 0,
  exitCode: null,
  ...rest,
});

const OLD = `use std::fmt;

/// Heights of the water, by hour.
pub struct Table {
    rows: Vec<(u8, f64)>,
}

impl Table {
    pub fn highest(&self) -> f64 {
        self.rows.iter().map(|row| row.1).fold(0.0, f64::max)
    }
}
`;
const NEW = `use std::fmt;

/// Heights of the water, by hour.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<(u8, f64)>,
}

impl Table {
    /// The highest water of the day, in metres above the datum of the chart; zero when nobody has measured anything yet.
    pub fn highest(&self) -> f64 {
        self.rows.iter().map(|(_hour, metres)| *metres).fold(0.0, f64::max)
    }
}
`;

/** Everything that can stand in a transcript, in the order in which it would. */
export const CARDS: Line[] = [
  { role: "user", content: { kind: "text", text: "Write the tide table and test it" } },
  {
    content: {
      kind: "plan",
      entries: [
        { text: "Read what is there", status: "completed" },
        { text: "Write the table", status: "in_progress" },
        { text: "Run the tests", status: "pending" },
      ],
    },
  },
  {
    content: call("read", "Read", "Read src/table.rs", { file_path: "src/table.rs" }, {
      locations: [{ path: "src/table.rs", line: null }],
      output: NEW.split("\n").map((line, at) => `${String(at + 1).padStart(6)}→${line}`).join("\n"),
    }),
  },
  { content: call("search", "Grep", "Search highest", { pattern: "highest" }, { output: "src/table.rs:9:    pub fn highest(&self) -> f64 {\nsrc/table.rs:31:    let top = table.highest();\nsrc/main.rs:12:    println!(\"{}\", table.highest());\n" }) },
  { content: call("fetch", "WebFetch", "Fetch https://tides.example/today", { url: "https://tides.example/today", prompt: "When is high water?" }, { output: "# Tides of today\n\nHigh water is at **six**, low water at noon." }) },
  { content: call("edit", "Edit", "Edit src/table.rs", { file_path: "src/table.rs" }, { diffs: [{ path: "src/table.rs", oldText: OLD, newText: NEW }] }) },
  { content: call("execute", "Bash", "cargo test", { command: "cargo test --workspace" }, { output: Array.from({ length: 1_240 }, (_, n) => (n % 40 === 7 ? `\u001b[1;33mwarning\u001b[0m: unused variable in test ${n}` : `test tide::hour_${n} ... \u001b[32mok\u001b[0m`)).join("\n"), outputOmittedBytes: 734_003, exitCode: 0 }) },
  { status: "failed", content: call("execute", "Bash", "cargo clippy", { command: "cargo clippy -- -D warnings" }, { output: "\u001b[1;31merror\u001b[0m: this loop could be written as a `for` loop\n  \u001b[34m-->\u001b[0m src/main.rs:4:5\n", exitCode: 101 }) },
  { content: call("task", "Task", "Look for old tables", { description: "Look for old tables", prompt: "Find every table of tides in this project and say where it is." }, { output: "There are two: `src/table.rs` and `old/tides.rs`." }) },
  { parent: 8, content: call("search", "Glob", "Search **/*tid*", { pattern: "**/*tid*" }, { output: "Found 2 files\nsrc/table.rs\nold/tides.rs" }) },
  { parent: 8, content: { kind: "text", text: "There are two." } },
  { content: { kind: "notice", level: "warning", code: "retrying", text: "The vendor is overloaded; trying again in 4 s." } },
  { content: { kind: "text", text: "The table is written:\n\n```rust\nlet table = Table::default();\nassert_eq!(table.highest(), 0.0); // nothing measured\n```\n\nOne warning of `clippy` is left." } },
];

/** A question that waits, behind the line of that number. */
export interface Ask {
  title: string;
  after: number;
}

/** Serves the opened chat with these lines in place of its own, and with these questions among them; all else stays real. */
export async function showCards(page: Page, lines: readonly Line[] = CARDS, state: Turn["state"] = "completed", asks: readonly Ask[] = []): Promise<void> {
  await page.route("**/v1/sessions/*/transcript*", async (route) => {
    const response = await route.fetch();
    const body = (await response.json()) as { facts: { type: string; value: Record<string, unknown> }[] };
    const session = String(body.facts[0]?.value["session"]);
    const own = body.facts.find((fact) => fact.type === "turn")?.value ?? {};
    const sender = own["sender"];
    const at = Date.now() - 60_000;
    const headers = { operation: "insert" };
    const usage = { inputTokens: 1_204, outputTokens: 655, cachedTokens: 18_440, costMicroUsd: 42_600 };
    const turn = { ...own, ord: 1, state, usage: state === "completed" ? usage : null, startedAtMs: at, endedAtMs: state === "completed" ? at + 72_000 : null, error: null, lowWater: null };
    const facts = lines.map(({ content, status = "done", parent, role = "agent" }, n) => ({
      type: "item",
      key: id(n),
      headers,
      value: { v: 1, session, turn: TURN, ord: 2 + n, parent: parent === undefined ? null : id(parent), role, sender: role === "user" ? sender : null, status, index: 1, createdAtMs: at + n * 1_000, settledAtMs: at + n * 1_000 + 500, content },
    }));
    const questions = asks.map(({ title, after }, n) => ({
      type: "approval",
      key: `apr_${n.toString(16).padStart(32, "0")}`,
      headers,
      value: {
        v: 1,
        session,
        turn: TURN,
        item: null,
        ord: 2 + after,
        kind: "permission",
        state: "pending",
        options: [
          { id: "yes", kind: "allow_once" },
          { id: "no", kind: "deny" },
        ],
        decision: null,
        createdAtMs: at,
        expiresAtMs: null,
        content: { title, detail: title, place: "harbour", shown: title, reason: null, labels: ["Allow", "Deny"], questions: [], danger: null, because: null },
      },
    }));
    await route.fulfill({ response, json: { ...body, facts: [{ type: "turn", key: TURN, headers, value: turn }, ...facts, ...questions], before: null } });
  });
}
