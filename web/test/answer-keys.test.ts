import { describe, expect, it } from "vitest";
import { type Standing, meant } from "../src/screens/transcript/useAnswerKeys";

const standing = (seen: boolean, whole = seen, focused = false): Standing => ({ focused, seen, whole });

describe("what a key answers", () => {
  it("is the one question that waits, when all of it is to be seen", () => {
    expect(meant([standing(true)], 1)).toEqual({ act: "answer", at: 0 });
    expect(meant([standing(true, false)], 1)).toEqual({ act: "show", at: 0 });
    expect(meant([standing(false)], 1)).toEqual({ act: "show", at: 0 });
  });
  it("is none of several, unless one has the focus", () => {
    expect(meant([standing(false), standing(true)], 2)).toEqual({ act: "show", at: 0 });
    expect(meant([standing(true), standing(true)], 2)).toEqual({ act: "show", at: 0 });
    expect(meant([standing(true), standing(true, true, true)], 2)).toEqual({ act: "answer", at: 1 });
    // One may be too tall to be seen whole; of one that was scrolled away nothing is to be seen.
    expect(meant([standing(true), standing(true, false, true)], 2)).toEqual({ act: "answer", at: 1 });
    expect(meant([standing(true), standing(false, false, true)], 2)).toEqual({ act: "show", at: 1 });
  });
  it("is not the only one in the page while another one waits further up", () => {
    expect(meant([standing(true)], 2)).toEqual({ act: "show", at: 0 });
    expect(meant([], 1)).toBeNull();
  });
});
