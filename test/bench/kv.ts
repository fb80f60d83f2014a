// The KV of the bench, in a process of its own: what workerd's `kvNamespace` binding asks for, over a map. Counts what it is asked,
// and can be told to take its time.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Each text, and its entry in a bulk answer as bytes: what is measured is not how fast KV puts them together. */
const kept = new Map<string, { text: string; entry: Buffer }>();
const entryOf = (key: string, text: string | null): Buffer =>
  Buffer.from(`${JSON.stringify(key)}:${JSON.stringify(text)}`);
const keep = (key: string, text: string): void => void kept.set(key, { text, entry: entryOf(key, text) });
const [OPEN, COMMA, CLOSE, NOTHING] = ["{", ",", "}", ""].map((text) => Buffer.from(text)) as [
  Buffer,
  Buffer,
  Buffer,
  Buffer,
];
let counts = { get: 0, bulk: 0, put: 0, delete: 0 };
let delayMs = 0;

const server = createServer((request, reply) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (piece: string) => (body += piece));
  request.on("end", () => {
    const answer = (): void => {
      const { status, bytes } = serve(request.method ?? "", request.url ?? "", body);
      reply.writeHead(status, { "content-length": bytes.length }).end(bytes);
    };
    if (delayMs === 0) answer();
    else setTimeout(answer, delayMs);
  });
});
server.keepAliveTimeout = 600_000;

function serve(method: string, url: string, body: string): { status: number; bytes: Uint8Array } {
  if (method === "POST") {
    counts.bulk += 1;
    const { keys } = JSON.parse(body) as { keys: string[] };
    const entries = keys.flatMap((key, n) => [n === 0 ? OPEN : COMMA, kept.get(key)?.entry ?? entryOf(key, null)]);
    return { status: 200, bytes: Buffer.concat([...entries, CLOSE]) };
  }
  const key = decodeURIComponent(url.slice(1).split("?")[0] ?? "");
  if (method === "PUT") {
    counts.put += 1;
    keep(key, body);
    return { status: 200, bytes: NOTHING };
  }
  if (method === "DELETE") {
    counts.delete += 1;
    kept.delete(key);
    return { status: 200, bytes: NOTHING };
  }
  counts.get += 1;
  const text = kept.get(key)?.text;
  return text === undefined ? { status: 404, bytes: NOTHING } : { status: 200, bytes: Buffer.from(text) };
}

export type KvOrder =
  | { do: "counts" | "clear" }
  | { do: "delay"; ms: number }
  | { do: "keep"; key: string; text: string }
  | { do: "dump" };

server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on("message", (order: KvOrder) => {
  if (order.do === "clear") {
    kept.clear();
    counts = { get: 0, bulk: 0, put: 0, delete: 0 };
  } else if (order.do === "delay") delayMs = order.ms;
  else if (order.do === "keep") keep(order.key, order.text);
  process.send?.(order.do === "dump" ? { ...counts, kept: [...kept].map(([key, { text }]) => [key, text]) } : counts);
});
process.on("disconnect", () => process.exit());
