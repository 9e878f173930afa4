#!/usr/bin/env node
// Fetches the pinned agents once into the user's cache: `node fetch-agents.mjs [name…] [--all] [--json] [--list]`.
// Progress goes to stderr; stdout carries one `name<tab>path` line each, or one JSON object with --json.

import { FetchError, install } from "./agents/install.mjs";
import { agentsFolder, readPins } from "./agents/pins.mjs";

/**
 * @param {string[]} args
 * @returns {Promise<number>} the exit code: 0 done, 1 could not fetch, 2 wrong arguments
 */
async function main(args) {
  const pins = readPins();
  const flags = args.filter((word) => word.startsWith("-"));
  const names = args.filter((word) => !word.startsWith("-"));
  const unknownFlag = flags.find((flag) => flag !== "--json" && flag !== "--list" && flag !== "--all");
  const unknownName = names.find((name) => !pins.some((pin) => pin.name === name));
  if (unknownFlag !== undefined || unknownName !== undefined) {
    console.error(`error: ${unknownFlag ?? unknownName} is unknown; agents: ${pins.map((pin) => pin.name).join(", ")}; flags: --all, --json, --list.`);
    return 2;
  }
  if (flags.includes("--list")) {
    for (const pin of pins) console.log(`${pin.name}\t${pin.package}@${pin.version}${pin.fetchedByDefault ? "" : "\tonly by name"}`);
    return 0;
  }
  const wanted = names.length > 0 ? pins.filter((pin) => names.includes(pin.name)) : pins.filter((pin) => pin.fetchedByDefault || flags.includes("--all"));
  /** @type {Record<string, string>} */
  const found = {};
  for (const pin of wanted) {
    found[pin.name] = await install(pin, { folder: agentsFolder(), say: (line) => console.error(line) });
    if (pin.smallestNode !== null && Number(process.versions.node.split(".")[0]) < pin.smallestNode) {
      console.error(`${pin.name}: runs only under Node ${pin.smallestNode} or newer; this is Node ${process.versions.node}`);
    }
  }
  if (flags.includes("--json")) console.log(JSON.stringify(found));
  else for (const [name, program] of Object.entries(found)) console.log(`${name}\t${program}`);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof FetchError)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
