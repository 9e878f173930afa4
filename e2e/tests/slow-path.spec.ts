// Behind a proxy that takes no socket everything goes on, some moments later, and the sign says so.

import { expectAccessible } from "../support/accessibility.ts";
import { BufferingProxy } from "../support/buffering-proxy.ts";
import { followDemo } from "../support/demo-path.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

for (const { name, patienceMs } of [
  { name: "waits for an answer", patienceMs: 60_000 },
  { name: "does not wait for an answer", patienceMs: 2_500 },
]) {
  test(`the main job behind a proxy that takes no socket and ${name}`, async ({ towline, project, page, shoot }, testInfo) => {
    testInfo.setTimeout(120_000);
    const proxy = await BufferingProxy.start({ port: towline.port, patienceMs });
    try {
      await screen.pairFirst(page, towline, { address: proxy.url });
      await expect(screen.sign(page)).toHaveAttribute("data-slow", "true");
      await expect(page.locator(".sign-said").filter({ visible: true }).first()).toHaveText(words.connection.slow);
      expect(proxy.refused).toBeGreaterThanOrEqual(3);
      // What happens elsewhere shows up without a touch.
      await towline.run("send", "--project", project, "--agent", "demo", "from the terminal [[words 3]]", "--follow");
      await expect(page.getByRole("link", { name: /from the terminal/ })).toBeVisible({ timeout: 20_000 });
      await shoot(`light-42-slow-path-${patienceMs}`);
      await expectAccessible(page);
      await followDemo(page, project);
      if (patienceMs < 10_000) expect(proxy.timedOut, "long-polls were cut off").toBeGreaterThan(0);
      else expect(proxy.timedOut).toBe(0);

      // When the network lets sockets through again, the page finds out by itself; coming back to it asks at once.
      proxy.letSockets();
      await page.evaluate(() => window.dispatchEvent(new Event("pageshow")));
      await expect(screen.sign(page)).not.toHaveAttribute("data-slow", "true");
      await screen.expectLive(page);
      await screen.say(page, "[[words 4]]");
      await screen.expectSettled(page, 5);
    } finally {
      await proxy.close();
    }
  });
}
