import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { canonical } from "../src/session/canonical";
import { type Fact, parseFact } from "../src/session/fact";
import { Transcript } from "../src/session/fold";

type Step =
  | { take: "journal"; message: unknown }
  | { take: "live"; turn: string; message: unknown }
  | { take: "older"; messages: unknown[] };
interface Fixture {
  about: string;
  steps: Step[];
  canonical: string[];
}

const folder = new URL("../../protocol/fixtures/fold/", import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
const known = (message: unknown): Fact[] => {
  const fact = parseFact(message);
  return fact ? [fact] : [];
};

function take(transcript: Transcript, step: Step): void {
  if (step.take === "journal") for (const fact of known(step.message)) transcript.journal(fact);
  else if (step.take === "live") for (const fact of known(step.message)) transcript.live(step.turn, fact);
  else transcript.older(step.messages.flatMap(known));
}

describe("the fold tells the same story as Rust", () => {
  it("has stories to tell", () => expect(names.length).toBeGreaterThanOrEqual(7));
  it.each(names)("%s", (name) => {
    const fixture = JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Fixture;
    const transcript = new Transcript();
    for (const step of fixture.steps) take(transcript, step);
    expect(canonical(transcript)).toEqual(fixture.canonical);
  });
  it.each(names)("%s, each live message read twice", (name) => {
    const fixture = JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Fixture;
    const transcript = new Transcript();
    for (const step of fixture.steps) {
      take(transcript, step);
      if (step.take === "live") take(transcript, step);
    }
    expect(canonical(transcript)).toEqual(fixture.canonical);
  });
});
