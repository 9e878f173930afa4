// An HTTP proxy as some companies and hotels have one: it takes no WebSocket, hands answers over only when they are whole, and does not wait long.

import { type AddressInfo } from "node:net";
import { type Server, createServer, request as ask } from "node:http";

export class BufferingProxy {
  readonly url: string;
  readonly #server: Server;
  #refused = 0;
  #timedOut = 0;
  #lets = false;
  /** Sockets that were let through: the server itself knows of them no more. */
  readonly #through = new Set<{ destroy(): void }>();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Listens on a free loopback port. Whoever does not answer in time is answered for, with 504. */
  static async start({ port, patienceMs }: { port: number; patienceMs: number }): Promise<BufferingProxy> {
    const server = createServer({ keepAliveTimeout: 500 });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    const proxy = new BufferingProxy(server);
    server.on("request", (from, to) => {
      const on = ask({ host: "127.0.0.1", port, method: from.method, path: from.url, headers: from.headers, agent: false }, (answer) => {
        const parts: Buffer[] = [];
        answer.on("data", (part: Buffer) => parts.push(part));
        answer.once("end", () => {
          clearTimeout(patience);
          if (to.headersSent) return;
          to.writeHead(answer.statusCode ?? 502, answer.headers);
          to.end(Buffer.concat(parts));
        });
      });
      const fail = (status: number) => {
        clearTimeout(patience);
        on.destroy();
        if (!to.headersSent) to.writeHead(status, { "content-type": "text/html" });
        to.end("<html>The server did not answer.</html>");
      };
      const patience = setTimeout(() => {
        proxy.#timedOut += 1;
        fail(504);
      }, patienceMs);
      on.on("error", () => fail(502));
      to.once("close", () => {
        clearTimeout(patience);
        on.destroy();
      });
      from.pipe(on);
    });
    server.on("upgrade", (from, socket, head) => {
      socket.on("error", () => {});
      if (!proxy.#lets) {
        proxy.#refused += 1;
        socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        return;
      }
      const on = ask({ host: "127.0.0.1", port, method: from.method, path: from.url, headers: from.headers, agent: false });
      on.on("error", () => socket.destroy());
      on.once("upgrade", (answer, other, first) => {
        const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
        socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`);
        socket.write(first);
        other.write(head);
        other.on("error", () => socket.destroy());
        socket.pipe(other);
        other.pipe(socket);
        proxy.#through.add(socket);
        socket.once("close", () => {
          proxy.#through.delete(socket);
          other.destroy();
        });
      });
      on.end();
    });
    return proxy;
  }

  /** Sockets that were refused. */
  get refused(): number {
    return this.#refused;
  }

  /** Requests that were answered for because the server took too long. */
  get timedOut(): number {
    return this.#timedOut;
  }

  /** From now on sockets are let through. */
  letSockets(): void {
    this.#lets = true;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    for (const socket of this.#through) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
