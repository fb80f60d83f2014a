// A receiver of callbacks on loopback, for tests in workerd, which can't start a server themselves. `PUT /script/NAME` sets the responses to
// requests to /in/NAME, in order; the last one is repeated. `GET /received/NAME` lists the requests.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";

/** `hang`: no response. `reset`: the connection is reset. */
export interface ScriptedResponse {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  hang?: true;
  reset?: true;
}

export interface ReceivedCallback {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  /** The responses that are still to be sent, by name. */
  const scripts = new Map<string, ScriptedResponse[]>();
  const received = new Map<string, ReceivedCallback[]>();

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    const [, kind = "", name = ""] = path.split("/");
    const body = await textOf(request);
    if (kind === "script") {
      scripts.set(name, JSON.parse(body) as ScriptedResponse[]);
      response.end();
    } else if (kind === "received") {
      response.end(JSON.stringify(received.get(name) ?? []));
    } else {
      const headers = Object.fromEntries(Object.entries(request.headers).map(([key, value]) => [key, String(value)]));
      received.set(name, [...(received.get(name) ?? []), { method: request.method ?? "", path, headers, body }]);
      const [next = {}, ...rest] = scripts.get(name) ?? [];
      if (rest.length > 0) scripts.set(name, rest);
      if (next.reset === true) request.socket.destroy();
      else if (next.hang !== true) response.writeHead(next.status ?? 200, next.headers).end(next.body ?? "");
    }
  }

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  project.provide("receiverUrl", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString("utf8");
}
