// The published Durable Streams suite, against the server that `cargo xtask conformance` has started.
import { runConformanceTests } from "@durable-streams/server-conformance-tests";

const baseUrl = process.env.CONFORMANCE_URL;
if (!baseUrl) throw new Error("CONFORMANCE_URL names the server to test; run `cargo xtask conformance`");

runConformanceTests({
  baseUrl,
  // Must match `--long-poll-timeout` in xtask/src/conformance.rs.
  longPollTimeoutMs: Number(process.env.CONFORMANCE_LONG_POLL_MS ?? 500),
  subscriptions: process.env.CONFORMANCE_SUBSCRIPTIONS === "1",
});
