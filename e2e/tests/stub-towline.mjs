#!/usr/bin/env node
// Stands in for towline where the harness itself is tested: takes the same arguments, serves one page, says the ready line.

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean" },
    "no-open": { type: "boolean" },
    "data-dir": { type: "string" },
    listen: { type: "string", default: "" },
    project: { type: "string", multiple: true },
    "agent-env": { type: "string", multiple: true },
    "leave-a-child": { type: "boolean" },
    "refuse": { type: "boolean" },
  },
});
if (values.refuse) {
  console.error("error: this address is refused");
  process.exit(3);
}
// As an agent's child would: in a session of its own, outliving its parent, with only the environment to tell whose it is.
if (values["leave-a-child"]) spawn("/bin/sleep", ["60"], { detached: true, stdio: "ignore" }).unref();

const [host, port] = (values.listen ?? "").split(":");
const server = createServer((request, response) => {
  if (request.url === "/state") return response.end(JSON.stringify({ values, environment: process.env }));
  response.setHeader("content-type", "text/html");
  response.end('<!doctype html><html lang="en"><title>Stub</title><main><h1>Stub</h1></main></html>');
});
server.listen(Number(port), host, () => {
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${address.port}/`;
  console.log(JSON.stringify({ url, pairUrl: `${url}pair#secret`, code: "ABCD-EFGH" }));
});
process.once("SIGTERM", () => process.exit(0));
