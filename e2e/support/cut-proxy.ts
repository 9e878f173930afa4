// A TCP proxy between browser and towline that loses the network on command.

import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";

/**
 * open: bytes flow. cut: connections are reset, new ones too (an access point that went away).
 * black hole: connections stay, new ones are accepted, nothing passes in either direction (a tunnel, a sleeping phone).
 */
export type Mode = "open" | "cut" | "black_hole";

interface Pair {
  client: Socket;
  /** Not connected yet while the black hole swallows the first packets. */
  server: Socket | null;
}

export class CutProxy {
  readonly port: number;
  readonly #listener: Server;
  readonly #target: { host: string; port: number };
  readonly #pairs = new Set<Pair>();
  #mode: Mode = "open";
  #accepted = 0;

  private constructor(listener: Server, target: { host: string; port: number }) {
    this.#listener = listener;
    this.#target = target;
    this.port = (listener.address() as AddressInfo).port;
    listener.on("connection", (client) => this.#accept(client));
  }

  /** Listens on a free loopback port and passes everything on to the target, which need not be up. */
  static async start(target: { host?: string; port: number }): Promise<CutProxy> {
    const listener = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(0, "127.0.0.1", resolve);
    });
    return new CutProxy(listener, { host: "127.0.0.1", ...target });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The same address as seen through the proxy: path, query and fragment stay. */
  through(address: string): string {
    const url = new URL(address);
    url.hostname = "127.0.0.1";
    url.port = String(this.port);
    return url.href;
  }

  get mode(): Mode {
    return this.#mode;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#pairs.size;
  }

  /** Connections accepted since the start, in any mode. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Resets every connection; resets new ones until restored. */
  cut(): void {
    this.#mode = "cut";
    for (const pair of this.#pairs) this.#drop(pair);
  }

  /** Lets nothing through any more, without a sign of it to either side. */
  blackHole(): void {
    this.#mode = "black_hole";
    for (const { client, server } of this.#pairs) {
      client.pause();
      server?.pause();
    }
  }

  /**
   * Lets everything through again. Bytes held by a black hole arrive then, as TCP would send them again;
   * with `forget`, connections from before are reset instead, as by a router that has lost its table.
   */
  restore({ forget = false } = {}): void {
    this.#mode = "open";
    for (const pair of this.#pairs) {
      if (forget) this.#drop(pair);
      else if (pair.server === null) this.#dial(pair);
      else {
        pair.client.resume();
        pair.server.resume();
      }
    }
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) this.#drop(pair);
    await new Promise((resolve) => this.#listener.close(resolve));
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    client.on("error", () => {});
    if (this.#mode === "cut") {
      client.resetAndDestroy();
      return;
    }
    const pair: Pair = { client, server: null };
    this.#pairs.add(pair);
    client.pause();
    client.once("close", (failed) => this.#closed(pair, failed));
    if (this.#mode === "open") this.#dial(pair);
  }

  #dial(pair: Pair): void {
    const server = connect({ ...this.#target, allowHalfOpen: true });
    pair.server = server;
    server.on("error", () => {});
    server.once("close", (failed) => this.#closed(pair, failed));
    for (const socket of [pair.client, server]) socket.setNoDelay(true);
    this.#pass(pair.client, server);
    this.#pass(server, pair.client);
    pair.client.resume();
  }

  /** Like pipe(), but it never resumes a socket while the black hole holds it. */
  #pass(from: Socket, to: Socket): void {
    from.on("data", (bytes) => {
      if (to.write(bytes)) return;
      from.pause();
      to.once("drain", () => {
        if (this.#mode === "open") from.resume();
      });
    });
    from.once("end", () => to.end());
  }

  /** One side is gone: the other hears it the same way, after what is still on its way to it. */
  #closed(pair: Pair, failed: boolean): void {
    if (failed) return this.#drop(pair);
    this.#pairs.delete(pair);
    pair.client.destroySoon();
    pair.server?.destroySoon();
  }

  #drop(pair: Pair): void {
    this.#pairs.delete(pair);
    for (const socket of [pair.client, pair.server]) {
      if (socket && !socket.destroyed) socket.resetAndDestroy();
    }
  }
}
