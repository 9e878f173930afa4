/** Fills bytes with randomness; `crypto.getRandomValues` exists on plain HTTP too, `crypto.randomUUID` does not. */
export type Randomness = (bytes: Uint8Array<ArrayBuffer>) => void;

const browser: Randomness = (bytes) => {
  crypto.getRandomValues(bytes);
};

let lastMs = 0;
let lastCounter = 0;

/** The 32 hex digits of a UUIDv7; ids of one page sort in the order they were made, also within a millisecond. */
export function uuid7(nowMs: number = Date.now(), random: Randomness = browser): string {
  const bytes = new Uint8Array(16);
  random(bytes);
  if (nowMs > lastMs) {
    lastMs = nowMs;
    lastCounter = (((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0)) & 0x7ff;
  } else {
    lastCounter += 1;
    if (lastCounter > 0xfff) {
      lastMs += 1;
      lastCounter = 0;
    }
  }
  for (let at = 5, rest = lastMs; at >= 0; at -= 1) {
    bytes[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  bytes[6] = 0x70 | (lastCounter >> 8);
  bytes[7] = lastCounter & 0xff;
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The kinds of ids that a client mints. */
export type Minted = "cmd" | "ses" | "prj";

/** A new id of a kind. */
export function mint(kind: Minted): string {
  return `${kind}_${uuid7()}`;
}
