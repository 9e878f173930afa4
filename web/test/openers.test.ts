import { describe, expect, it } from "vitest";
import { type Rows, NO_ROWS, fold } from "../src/hub/feed";
import { Store } from "../src/hub/store";
import { type Fact, parseFact } from "../src/session/fact";
import { type Opened, type Opener } from "../src/session/opener";
import { Openers } from "../src/session/openers";
import { Transcript } from "../src/session/fold";
import { ManualTime } from "./world";

const session = (key: string, activity: string): Fact =>
  parseFact({ type: "session", key, value: { v: 1, host: "dev_h", project: "prj_1", agent: "demo", activity, updatedAtMs: 1, archivedAtMs: null, endedTurns: 0, content: { title: key, doing: null } }, headers: { operation: "insert" } }) ?? expect.fail();
const gone = (key: string): Fact => parseFact({ type: "session", key, headers: { operation: "delete" } }) ?? expect.fail();

function scene() {
  const rows = new Store<Rows>({ ...NO_ROWS, ready: true });
  const time = new ManualTime();
  const made: string[] = [];
  const stopped: string[] = [];
  const openers = new Openers(
    (key) => {
      made.push(key);
      const state = new Store<Opened>({ phase: "open", transcript: new Transcript(), version: 1, older: "none" });
      return { state, stop: () => stopped.push(key) } as unknown as Opener;
    },
    rows,
    time,
  );
  const say = (...facts: Fact[]): void => rows.set(fold(rows.get(), facts));
  return { openers, say, time, made, stopped };
}

describe("chats that nobody looks at", () => {
  it("are followed on while an agent works, and are there at once", () => {
    const { openers, say, time, made, stopped } = scene();
    say(session("ses_1", "working"), session("ses_2", "idle"));
    const one = openers.take("ses_1");
    openers.leave("ses_1", one);
    openers.leave("ses_2", openers.take("ses_2"));
    time.pass(3_600_000);
    expect([stopped, openers.behind]).toEqual([["ses_2"], 1]);
    expect(openers.take("ses_1")).toBe(one);
    expect(made).toEqual(["ses_1", "ses_2"]);
  });

  it("are let go a while after they came to rest, not before, and not when they work again", () => {
    const { openers, say, time, stopped } = scene();
    say(session("ses_1", "needs_input"));
    openers.leave("ses_1", openers.take("ses_1"));
    say(session("ses_1", "idle"));
    time.pass(29_000);
    say(session("ses_1", "working"));
    time.pass(60_000);
    expect(stopped).toEqual([]);
    say(session("ses_1", "idle"));
    time.pass(30_000);
    expect([stopped, openers.behind, time.waiting]).toEqual([["ses_1"], 0, 0]);
  });

  it("are few, and go with what they are about", () => {
    const { openers, say, stopped } = scene();
    const all = ["ses_1", "ses_2", "ses_3", "ses_4", "ses_5"];
    say(...all.map((key) => session(key, "working")));
    for (const key of all) openers.leave(key, openers.take(key));
    expect(stopped).toEqual(["ses_1"]);
    say(gone("ses_3"));
    expect(stopped).toEqual(["ses_1", "ses_3"]);
    openers.stop();
    expect([stopped.length, openers.behind]).toEqual([5, 0]);
    openers.leave("ses_2", openers.take("ses_2"));
    expect(openers.behind).toBe(0);
  });
});
