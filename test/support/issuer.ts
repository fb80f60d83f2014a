// An identity provider and Turnstile's siteverify, for tests in workerd, which can't start a server. `PUT /jwks/NAME` sets a key set,
// `GET /jwks/NAME` returns it and counts the requests, `GET /asked/NAME` returns the count. `POST /verify/NAME` returns the status and
// body in the solution itself, so that tests don't share state.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  /** Key sets by name, with the number of requests for each. */
  const sets = new Map<string, { body: string; status: number; requests: number }>();
  const verified = new Map<string, string[]>();

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, kind = "", name = ""] = (request.url ?? "").split("/");
    const body = await textOf(request);
    const key = `${kind}/${name}`;
    if (kind === "jwks" && request.method === "PUT") {
      const status = Number(request.headers["x-status"] ?? 200);
      sets.set(name, { body, status, requests: sets.get(name)?.requests ?? 0 });
      response.end();
    } else if (kind === "jwks") {
      const set = sets.get(name) ?? { body: "", status: 404, requests: 0 };
      set.requests += 1;
      response.writeHead(set.status, {
        "content-type": "application/json",
        ...(set.status === 302 ? { location: "/jwks/elsewhere" } : {}),
      });
      response.end(set.body);
    } else if (kind === "asked") {
      response.end(JSON.stringify({ count: sets.get(name)?.requests ?? 0, bodies: verified.get(name) ?? [] }));
    } else if (kind === "verify" && request.method === "POST") {
      verified.set(name, [...(verified.get(name) ?? []), body]);
      // The solution contains the response of siteverify: a status and a body.
      const [status, payload] = split(new URLSearchParams(body).get("response") ?? "");
      response.writeHead(
        Number(status),
        status === "302" ? { location: `/${key}` } : { "content-type": "application/json" },
      );
      response.end(payload);
    } else {
      response.writeHead(404).end();
    }
  }

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  project.provide("issuerUrl", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return () => new Promise((resolve) => server.close(() => resolve()));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString("utf8");
}

function split(text: string): [status: string, rest: string] {
  const at = text.indexOf(" ");
  return [text.slice(0, at), text.slice(at + 1)];
}
