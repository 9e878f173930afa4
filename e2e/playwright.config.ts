// Browser tests run in the system's Chromium; Playwright downloads no browser.

import { defineConfig } from "@playwright/test";

const OUT = new URL("./.out/", import.meta.url).pathname;

export default defineConfig({
  testDir: "tests",
  outputDir: `${OUT}results`,
  // A flaky test is a bug, so nothing is tried twice.
  retries: 0,
  // A browser, a node and an agent keep two cores busy; a second set of them makes both wait for each other.
  workers: 1,
  forbidOnly: Boolean(process.env.CI),
  timeout: 90_000,
  expect: { timeout: 15_000 },
  reporter: [["list"], ["html", { outputFolder: `${OUT}report`, open: "never" }]],
  use: {
    // What a worker answers, a test can neither see nor change; the offline test asks for one.
    serviceWorkers: "block",
    launchOptions: {
      // CHROMIUM is how `cargo xtask e2e` passes the browser it found.
      executablePath: process.env.CHROMIUM_PATH ?? process.env.CHROMIUM ?? "/usr/bin/chromium",
      // Without the last one an error page loads itself anew and gets in the way of the test's own next step.
      args: ["--no-sandbox", "--disable-background-networking", "--disable-auto-reload"],
    },
    // A trace costs a small machine more than the test itself: E2E_TRACE=1 asks for it. A failure has its picture anyway.
    trace: process.env.E2E_TRACE ? "retain-on-failure" : "off",
    screenshot: "only-on-failure",
  },
  projects: [
    { name: "phone", use: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true } },
    // Scenarios are a phone's, and open a second window where they need one; what looks different is looked at twice.
    // What is the same at both sizes but for its width is looked at twice in the long run only.
    { name: "desktop", testMatch: process.env.E2E_ALL ? /(screens|house|list)\.spec\.ts$/ : /(?<!participants\.)screens\.spec\.ts$/, use: { viewport: { width: 1280, height: 800 } } },
  ],
});
