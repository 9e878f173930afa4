#!/usr/bin/env node
// The fake model server as a program: `node server.mjs --port 0 [--log FILE] [--seed TEXT]`.
// Prints one JSON line when it listens. Ends on SIGTERM, SIGINT, or when a pipe on its stdin closes,
// so it cannot outlive the test that started it.

import { fstatSync } from "node:fs";
import { parseArgs } from "node:util";
import { startFakeModel } from "./http.mjs";

const { values } = parseArgs({
  options: { port: { type: "string", default: "0" }, log: { type: "string" }, seed: { type: "string" } },
});
const port = Number(values.port);
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error(`error: --port ${values.port} is not a port.`);
  process.exit(2);
}

const server = await startFakeModel({ port, logFile: values.log ?? null, ...(values.seed === undefined ? {} : { seed: values.seed }) });
const end = async () => {
  await server.close();
  process.exit(0);
};
process.once("SIGTERM", end);
process.once("SIGINT", end);

const stdin = fstatSync(0);
if (stdin.isFIFO() || stdin.isSocket()) {
  // Not /dev/null or a terminal: those say nothing about a parent.
  process.stdin.resume();
  process.stdin.once("end", end);
  process.stdin.once("error", end);
}

console.log(JSON.stringify({ listening: "127.0.0.1", port: server.port, pid: process.pid }));
