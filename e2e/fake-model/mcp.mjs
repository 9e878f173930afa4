#!/usr/bin/env node
// A server of the Model Context Protocol over stdio for tests of agents: one tool that only reads, and one that does something.

import { createInterface } from "node:readline";

/** @param {Record<string, unknown>} message */
const say = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);

const inputSchema = { type: "object", properties: { words: { type: "string" } }, required: ["words"] };
const tools = [
  { name: "shout", description: "Says the words louder.", inputSchema, annotations: { readOnlyHint: true } },
  { name: "publish", description: "Tells everybody.", inputSchema, annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true } },
];

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  if (method === "initialize") {
    say({ id, result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "fake", version: "1" } } });
  } else if (method === "tools/list") {
    say({ id, result: { tools } });
  } else if (method === "tools/call") {
    const { words } = params.arguments;
    const text = params.name === "shout" ? String(words).toUpperCase() : `published ${words}`;
    say({ id, result: { content: [{ type: "text", text }] } });
  } else {
    say({ id, error: { code: -32601, message: `there is no ${method} here` } });
  }
});
