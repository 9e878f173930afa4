import { describe, expect, it } from "vitest";
import { shownPath } from "../src/session/places";

describe("a path for the reader of a project", () => {
  it("is told from the directory of the project", () => {
    for (const [path, project, shown] of [
      ["/home/ada/code/harbour/src/tide.rs", "~/code/harbour", "src/tide.rs"],
      ["/users/ada/harbour/tide", "~/harbour", "tide"],
      ["/srv/harbour/src/tide.rs", "/srv/harbour", "src/tide.rs"],
      ["C:\\Users\\ada\\code\\harbour\\src\\tide.rs", "~\\code\\harbour", "src\\tide.rs"],
      ["src/tide.rs", "~/code/harbour", "src/tide.rs"],
    ] as const)
      expect(shownPath(path, project), path).toBe(shown);
  });

  it("stays whole where it is somewhere else", () => {
    for (const [path, project] of [
      ["/etc/hosts", "~/code/harbour"],
      ["/home/ada/code/harbours/tide", "~/code/harbour"],
      ["/srv/harbour2/tide", "/srv/harbour"],
      ["/mnt/old/disk/copies/code/harbour/tide", "~/code/harbour"],
      ["/home/ada/code/harbour/tide", ""],
      ["/home/ada/tide", "~"],
      ["notes/code/harbour/tide", "~/code/harbour"],
    ] as const)
      expect(shownPath(path, project), path).toBe(path);
  });
});
