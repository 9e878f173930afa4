import { describe, expect, it } from "vitest";
import { words } from "../src/words";

describe("words of actions", () => {
  it("are there for what is done, and readable for what a later hub names", () => {
    expect(words.audit.action("device.revoke")).toBe("Removed a device");
    expect(words.audit.action("session.move_away")).toBe("session move away");
  });
});
