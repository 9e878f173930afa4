import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["suite.test.js"],
    // The published package contains vitest calls; externalised, they would run outside the runner and find no suite.
    server: { deps: { inline: [/@durable-streams\/server-conformance-tests/] } },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
