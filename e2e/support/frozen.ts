// A client that asks for a lot and reads nothing: a laptop whose lid was closed in the middle.

import { randomBytes } from "node:crypto";
import { type Socket, connect } from "node:net";

/** A WebSocket spoken by hand, because a library would go on reading. */
export class FrozenClient {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Connects with a device's cookie, subscribes to each stream so many times, and stops reading. */
  static async start({ port, cookie, streams, times }: { port: number; cookie: string; streams: string[]; times: number }): Promise<FrozenClient> {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("error", () => {});
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("connect", resolve);
    });
    const host = `127.0.0.1:${port}`;
    socket.write(
      [
        ...["GET /v1/connect HTTP/1.1", `Host: ${host}`, `Origin: http://${host}`, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
        ...[`Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`, `Cookie: ${cookie}`, "", ""],
      ].join("\r\n"),
    );
    const answer = await new Promise<string>((resolve) => socket.once("data", (bytes) => resolve(bytes.toString("latin1"))));
    if (!answer.startsWith("HTTP/1.1 101")) throw new Error(`no WebSocket: ${answer.split("\r\n")[0]}`);
    const say = (frame: object) => socket.write(masked(JSON.stringify(frame)));
    say({ type: "hello", protocolMin: 1, protocolMax: 1, capabilities: [], client: "frozen" });
    const welcome = await new Promise<string>((resolve) => socket.once("data", (bytes) => resolve(bytes.toString("latin1"))));
    if (!welcome.includes('"welcome"')) throw new Error(`no welcome: ${welcome}`);
    socket.pause();
    let sub = 0;
    for (const stream of streams) for (let time = 0; time < times; time += 1) say({ type: "subscribe", sub: (sub += 1), stream, from: "start" });
    return new FrozenClient(socket);
  }

  /** Reads again, and gives how many bytes come until the hub has closed the connection. */
  async thaw(): Promise<number> {
    let bytes = 0;
    this.#socket.on("data", (part) => (bytes += part.length));
    this.#socket.resume();
    await new Promise<void>((resolve) => (this.#socket.closed ? resolve() : this.#socket.once("close", () => resolve())));
    return bytes;
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** A text frame as clients must send it. */
function masked(text: string): Buffer {
  const payload = Buffer.from(text);
  const mask = randomBytes(4);
  if (payload.length > 65_535) throw new Error("this client has no long frames");
  const head = payload.length < 126 ? Buffer.from([0x81, 0x80 | payload.length]) : Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 0xff]);
  for (let at = 0; at < payload.length; at += 1) payload[at] = (payload[at] ?? 0) ^ (mask[at % 4] ?? 0);
  return Buffer.concat([head, mask, payload]);
}
