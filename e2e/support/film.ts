// Screenshots joined to one animated PNG (APNG, W3C PNG third edition §5.3, 11.3.7): what GitHub and browsers play without a player.

import { writeFile } from "node:fs/promises";
import { crc32 } from "node:zlib";

interface Frame {
  png: Buffer;
  /** How long it is shown, in milliseconds. */
  showMs: number;
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** The chunks of a PNG. */
function chunks(png: Buffer): { type: string; data: Buffer }[] {
  const found = [];
  for (let at = SIGNATURE.length; at < png.length; ) {
    const size = png.readUInt32BE(at);
    found.push({ type: png.toString("latin1", at + 4, at + 8), data: png.subarray(at + 8, at + 8 + size) });
    at += size + 12;
  }
  return found;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([size, body, sum]);
}

function numbers(...values: number[]): Buffer {
  const data = Buffer.alloc(values.length * 4);
  values.forEach((value, at) => data.writeUInt32BE(value, at * 4));
  return data;
}

/** Writes pictures of one size as a film that plays for ever. */
export async function writeFilm(file: string, frames: Frame[]): Promise<void> {
  const first = frames[0];
  if (first === undefined) throw new Error("a film has at least one picture");
  const header = chunks(first.png).find(({ type }) => type === "IHDR")!.data;
  const parts = [SIGNATURE, chunk("IHDR", header), chunk("acTL", numbers(frames.length, 0))];
  let sequence = 0;
  for (const { png, showMs } of frames) {
    const own = chunks(png);
    if (!own.find(({ type }) => type === "IHDR")!.data.equals(header)) throw new Error("the pictures of a film have one size and one depth");
    const delay = Buffer.alloc(6);
    delay.writeUInt16BE(showMs, 0);
    delay.writeUInt16BE(1000, 2);
    parts.push(chunk("fcTL", Buffer.concat([numbers(sequence++, header.readUInt32BE(0), header.readUInt32BE(4), 0, 0), delay])));
    for (const { data } of own.filter(({ type }) => type === "IDAT")) {
      parts.push(sequence === 1 ? chunk("IDAT", data) : chunk("fdAT", Buffer.concat([numbers(sequence++), data])));
    }
  }
  parts.push(chunk("IEND", Buffer.alloc(0)));
  await writeFile(file, Buffer.concat(parts));
}
