import { words } from "../../words";

/** What this device is, from what its browser says of itself; only a proposal, its person can change the name. */
export function about(agent: string, touchPoints = 0): { name: string; platform: string } {
  const names = words.pair.deviceNames;
  // An iPad calls itself a Mac; a Mac has no touch screen.
  const device = /iPhone/.test(agent)
    ? names.iphone
    : /iPad/.test(agent) || (/Macintosh/.test(agent) && touchPoints > 1)
      ? names.ipad
      : /Android/.test(agent)
        ? names.android
        : /Macintosh/.test(agent)
          ? names.mac
          : /Windows/.test(agent)
            ? names.windows
            : /Linux|X11|CrOS/.test(agent)
              ? names.linux
              : names.other;
  const browser = /Edg\//.test(agent)
    ? "Edge"
    : /Firefox|FxiOS/.test(agent)
      ? "Firefox"
      : /Chrome|CriOS|Chromium/.test(agent)
        ? "Chrome"
        : /Safari/.test(agent)
          ? "Safari"
          : words.pair.unknownBrowser;
  return { name: device, platform: `${device} · ${browser}` };
}

/** How a typed code looks while it is typed: upper case, without what cannot be in it, a hyphen in the middle. */
export function format(typed: string): string {
  const plain = typed
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, "")
    .slice(0, 8);
  return plain.length > 4 ? `${plain.slice(0, 4)}-${plain.slice(4)}` : plain;
}

/** Whether a typed code is whole. */
export function whole(code: string): boolean {
  return /^[0-9A-Z]{4}-[0-9A-Z]{4}$/.test(code);
}
