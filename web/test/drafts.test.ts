import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Kept } from "../src/hub/kept";
import { Drafts } from "../src/hub/local";
import { device } from "./device";

/** No two changes come in the same millisecond, also where the machine is quick. */
let at = 0;
beforeEach(() => void vi.spyOn(Date, "now").mockImplementation(() => (at += 1)));
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const KEY = "towline.draft.ses_1";

async function tab(): Promise<Drafts> {
  const kept = new Kept();
  const drafts = new Drafts(kept);
  await kept.start();
  return drafts;
}

it("what is typed in one tab is typed in all: no tab writes over it, none sends it a second time", async () => {
  const { local, base, tell } = device();
  const [one, two] = [await tab(), await tab()];
  const [here, there] = [one.of("ses_1"), two.of("ses_1")];
  const seen: string[] = [];
  there.watch(() => seen.push(there.get()));
  one.set("ses_1", "a long draft");
  tell(KEY);
  expect([here.get(), there.get()]).toEqual(["a long draft", "a long draft"]);
  two.set("ses_1", "a long draft, ok");
  tell(KEY);
  expect(here.get()).toBe("a long draft, ok");
  // Sent there: it is gone here too, on the screen and for the next page.
  two.set("ses_1", "");
  tell(KEY);
  expect([here.get(), one.get("ses_1"), (await tab()).get("ses_1")]).toEqual(["", "", ""]);
  await vi.waitFor(() => expect([local.length, base?.rows.size]).toEqual([0, 0]));
  expect(seen).toEqual(["a long draft", "a long draft, ok", ""]);
});

it("a message that is taken up again takes the place of nothing that is being written", async () => {
  device();
  const drafts = await tab();
  const shown = drafts.of("new");
  drafts.add("new", "ask it again");
  expect(shown.get()).toBe("ask it again");
  drafts.set("new", "half a thought\n");
  drafts.add("new", "ask it again");
  drafts.add("new", "ask it again");
  expect(shown.get()).toBe("half a thought\n\nask it again");
});

it("the end of a draft that was sent takes nothing away that was typed since", async () => {
  const { local, base, tell } = device();
  const [one, two] = [await tab(), await tab()];
  const here = one.of("ses_1");
  two.set("ses_1", "sent");
  tell(KEY);
  two.set("ses_1", "");
  const gone = local.getItem(KEY);
  tell(KEY);
  // Before the second tab's database has forgotten it, the next is begun in the first.
  one.set("ses_1", "the next");
  await vi.waitFor(() => expect(base?.rows.get("draft.ses_1")).toMatchObject({ text: "the next" }));
  expect(local.getItem(KEY)).toContain("the next");
  // And where the browser had it forgotten just before that, the word of it comes late.
  tell(KEY, { oldValue: gone, newValue: null });
  expect(here.get()).toBe("the next");
});
