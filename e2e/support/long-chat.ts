// A chat of many items that comes in pages as the hub would give them, so that a measurement does not wait for an agent.

import type { Page } from "@playwright/test";

const PAGE = 60;
const turnId = (n: number): string => `trn_${n.toString(16).padStart(32, "0")}`;
const itemId = (n: number): string => `itm_${n.toString(16).padStart(32, "0")}`;
/** Items of one turn. */
const IN_TURN = 40;

const SAID = [
  "I look at the parser first. It reads **one line** at a time, and `next_line` gives back a slice of the buffer.",
  "Two things stand out:\n\n- the buffer is copied for each line\n- an empty last line is lost\n\nBoth are easy to mend.",
  "```rust\nfn next_line<'a>(buffer: &'a str, at: &mut usize) -> Option<&'a str> {\n    let rest = buffer.get(*at..)?;\n    let end = rest.find('\\n').unwrap_or(rest.len());\n    *at += end + 1;\n    Some(&rest[..end])\n}\n```\n\nThis is what it becomes.",
];

/** The content of the nth item: what a long day's work looks like. */
function content(n: number): unknown {
  const call = { kind: "tool_call", locations: [], diffs: [], output: "", outputOmittedBytes: 0, exitCode: null };
  if (n % IN_TURN === 0) return { kind: "text", text: `Go on with part ${n / IN_TURN}` };
  switch (n % 6) {
    case 1:
      return { kind: "reasoning", text: "The lexer first, then the tree." };
    case 2:
      return { ...call, tool: "read", name: "Read", title: `Read src/part_${n}.rs`, input: `{"file_path":"src/part_${n}.rs"}`, output: "     1→use std::fmt;\n" };
    case 3:
      return { ...call, tool: "edit", name: "Edit", title: `Edit src/part_${n}.rs`, input: "{}", diffs: [{ path: `src/part_${n}.rs`, oldText: "let a = 1;\nlet b = 2;\n", newText: "let a = 1;\nlet b = 3;\nlet c = 4;\n" }] };
    case 4:
      return { ...call, tool: "execute", name: "Bash", title: "cargo test", input: '{"command":"cargo test"}', output: "test result: ok\n".repeat(20), exitCode: 0 };
    default:
      return { kind: "text", text: `${SAID[n % SAID.length]}\n\nThat was step ${n}.` };
  }
}

/** Serves the opened chat as one of so many items; all else stays real. */
export async function serveLongChat(page: Page, items: number): Promise<void> {
  await page.route("**/v1/sessions/*/transcript*", async (route) => {
    const asked = new URL(route.request().url()).searchParams.get("before");
    const response = asked === null ? await route.fetch() : undefined;
    const own = response ? ((await response.json()) as { facts: { value: { session: string; sender?: unknown } }[]; open: unknown[]; tail: string }) : last;
    if (own === null) return route.abort();
    last = own;
    // As a hub that is not on this very machine.
    await new Promise((done) => setTimeout(done, 100));
    const end = asked === null ? items : Number(asked);
    const start = Math.max(0, end - PAGE);
    const session = own.facts[0]?.value.session;
    const facts: unknown[] = [];
    const headers = { operation: "insert" };
    for (let n = start; n < end; n += 1) {
      const turn = turnId(Math.floor(n / IN_TURN));
      const at = Date.now() - (items - n) * 1_000;
      if (n % IN_TURN === 0) {
        facts.push({ type: "turn", key: turn, headers, value: { v: 1, session, ord: n * 2, state: "completed", origin: { type: "agent" }, sender: null, agent: "demo", model: null, lowWater: null, queuedAtMs: at, startedAtMs: at, endedAtMs: at + 40_000, usage: null, error: null, content: { detail: null } } });
      }
      facts.push({ type: "item", key: itemId(n), headers, value: { v: 1, session, turn, ord: n * 2 + 1, parent: null, role: n % IN_TURN === 0 ? "user" : "agent", sender: null, status: "done", index: 1, createdAtMs: at, settledAtMs: at + 500, content: content(n) } });
    }
    await route.fulfill({ json: { ...own, facts, open: [], before: start === 0 ? null : String(start) } });
  });
  let last: { facts: { value: { session: string } }[]; open: unknown[]; tail: string } | null = null;
}
