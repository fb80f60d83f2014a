// The KV of the bench, in a process of its own: what workerd's `kvNamespace` binding asks for, over a map. Counts what it is asked,
// and can be told to take its time.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const kept = new Map<string, string>();
let counts = { get: 0, bulk: 0, put: 0, delete: 0 };
let delayMs = 0;

const server = createServer((request, reply) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (piece: string) => (body += piece));
  request.on("end", () => {
    const answer = (): void => {
      const { status, text } = serve(request.method ?? "", request.url ?? "", body);
      reply.writeHead(status, { "content-length": Buffer.byteLength(text) }).end(text);
    };
    if (delayMs === 0) answer();
    else setTimeout(answer, delayMs);
  });
});
server.keepAliveTimeout = 600_000;

function serve(method: string, url: string, body: string): { status: number; text: string } {
  if (method === "POST") {
    counts.bulk += 1;
    const { keys } = JSON.parse(body) as { keys: string[] };
    return { status: 200, text: JSON.stringify(Object.fromEntries(keys.map((key) => [key, kept.get(key) ?? null]))) };
  }
  const key = decodeURIComponent(url.slice(1).split("?")[0] ?? "");
  if (method === "PUT") {
    counts.put += 1;
    kept.set(key, body);
    return { status: 200, text: "" };
  }
  if (method === "DELETE") {
    counts.delete += 1;
    kept.delete(key);
    return { status: 200, text: "" };
  }
  counts.get += 1;
  const text = kept.get(key);
  return text === undefined ? { status: 404, text: "" } : { status: 200, text };
}

export type KvOrder = { do: "counts" | "clear" } | { do: "delay"; ms: number } | { do: "keep"; key: string; text: string } | { do: "dump" };

server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on("message", (order: KvOrder) => {
  if (order.do === "clear") {
    kept.clear();
    counts = { get: 0, bulk: 0, put: 0, delete: 0 };
  } else if (order.do === "delay") delayMs = order.ms;
  else if (order.do === "keep") kept.set(order.key, order.text);
  process.send?.(order.do === "dump" ? { ...counts, kept: [...kept] } : counts);
});
process.on("disconnect", () => process.exit());
