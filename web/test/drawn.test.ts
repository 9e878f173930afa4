import { describe, expect, it } from "vitest";
import { type Drawn, among, step } from "../src/screens/transcript/useDrawn";

/** What is in the page once everything has come. */
function full(middle: number, count: number): Drawn {
  let drawn = step(null, middle, count);
  for (let steps = 0; steps < 200; steps += 1) drawn = step(drawn, middle, count);
  return drawn;
}

describe("which chunks are in the page", () => {
  it("stay there when the last one gets another name and more come with it", () => {
    expect(among([], ["0"])).toBeNull();
    expect(among(["0"], ["1"])).toBeNull();
    const known = among(["0", "1", "trn_2 0"], ["0", "1", "2", "trn_2 2"]);
    expect(known).toEqual([0, 2]);
    expect(step(known, 3, 4)).toEqual([0, 4]);
    expect(among(["7 2", "8"], ["6", "7", "8", "9"])).toEqual([2, 3]);
  });
  it("come one to a side at a time, until there are as many as are kept", () => {
    let drawn = step(null, 300, 625);
    expect(drawn).toEqual([300, 303]);
    for (let steps = 0; steps < 200; steps += 1) {
      const next = step(drawn, 300, 625);
      expect(drawn[0] - next[0]).toBeLessThanOrEqual(1);
      expect(next[1] - drawn[1]).toBeLessThanOrEqual(1);
      drawn = next;
    }
    expect(drawn).toEqual([260, 341]);
    expect(full(0, 625)).toEqual([0, 41]);
    expect(full(624, 625)).toEqual([584, 625]);
    expect(full(1, 2)).toEqual([0, 2]);
    expect(step(null, -1, 0)).toEqual([0, 0]);
  });

  it("always hold what the reader looks at, and are bounded wherever they go", () => {
    let drawn: Drawn | null = null;
    for (const middle of [624, 600, 580, 100, 0, 3, 60, 61, 62, 300, 624, 0]) {
      drawn = step(drawn, middle, 625);
      expect(drawn[0]).toBeLessThanOrEqual(middle);
      expect(drawn[1]).toBeGreaterThanOrEqual(Math.min(625, middle + 3));
      for (let steps = 0; steps < 100; steps += 1) {
        drawn = step(drawn, middle, 625);
        expect(drawn[1] - drawn[0]).toBeLessThanOrEqual(89);
      }
    }
  });

  it("draw what comes with what leaves, so that a reader who goes on costs one change a chunk", () => {
    const before = full(300, 625);
    const after = step(before, 305, 625);
    expect(after).toEqual([before[0] + 1, before[1] + 1]);
  });

  it("begin anew after a leap, so that no leap draws hundreds of lines at once", () => {
    expect(step([0, 100], 400, 625)).toEqual([400, 403]);
    // The chunk by which they were known is gone.
    expect(step([-1, 0], 80, 625)).toEqual([80, 83]);
  });
});
