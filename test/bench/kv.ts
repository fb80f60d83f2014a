// The KV of the bench in a separate process: it answers the requests of workerd's `kvNamespace` binding from a map. It counts the
// operations, and can delay its answers.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Each text with the bytes of its entry in a bulk answer, encoded in advance so that a bulk read costs little. */
const entries = new Map<string, { text: string; entry: Buffer }>();
const entryOf = (key: string, text: string | null): Buffer =>
  Buffer.from(`${JSON.stringify(key)}:${JSON.stringify(text)}`);
const store = (key: string, text: string): void => void entries.set(key, { text, entry: entryOf(key, text) });
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
    const parts = keys.flatMap((key, n) => [n === 0 ? OPEN : COMMA, entries.get(key)?.entry ?? entryOf(key, null)]);
    return { status: 200, bytes: Buffer.concat([...parts, CLOSE]) };
  }
  const key = decodeURIComponent(url.slice(1).split("?")[0] ?? "");
  if (method === "PUT") {
    counts.put += 1;
    store(key, body);
    return { status: 200, bytes: NOTHING };
  }
  if (method === "DELETE") {
    counts.delete += 1;
    entries.delete(key);
    return { status: 200, bytes: NOTHING };
  }
  counts.get += 1;
  const text = entries.get(key)?.text;
  return text === undefined ? { status: 404, bytes: NOTHING } : { status: 200, bytes: Buffer.from(text) };
}

export type KvCommand =
  | { do: "counts" | "clear" }
  | { do: "delay"; ms: number }
  | { do: "store"; key: string; text: string }
  | { do: "dump" };

server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on("message", (command: KvCommand) => {
  if (command.do === "clear") {
    entries.clear();
    counts = { get: 0, bulk: 0, put: 0, delete: 0 };
  } else if (command.do === "delay") delayMs = command.ms;
  else if (command.do === "store") store(command.key, command.text);
  process.send?.(
    command.do === "dump" ? { ...counts, entries: [...entries].map(([key, { text }]) => [key, text]) } : counts,
  );
});
process.on("disconnect", () => process.exit());
