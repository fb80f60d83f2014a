// A thousand streams that stand open at once: how much memory ours takes above the floor.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Workerd } from "./processes.ts";
import { SERVER_KEY } from "./rows.ts";
import type { Stage } from "./stage.ts";

const STREAMS = 1_000;
/** Of each, before it falls silent. */
const EVENTS = 20;
const MIB = 1_048_576;

export interface OpenStreams {
  what: string;
  /** MiB that workerd grew by, with all streams open. */
  grown: number;
}

/** Each in a workerd of its own: what an earlier one has left would hide the growth. */
export async function measureOpenStreams(stage: Stage): Promise<OpenStreams[]> {
  const subjects: [what: string, path: string, start: () => Promise<Workerd>][] = [
    ["floor (copies chunk by chunk in JavaScript)", "/v1/responses", () => stage.anotherFloor("copy")],
    ["`/v1/responses`", "/v1/responses", () => stage.another("usual")],
    ["`/ask`", "/ask", () => stage.another("usual")],
  ];
  const found: OpenStreams[] = [];
  for (const [what, path, start] of subjects) {
    const worker = await start();
    const before = worker.memory();
    const sockets: Socket[] = [];
    for (let n = 0; n < STREAMS; n += 50) {
      sockets.push(...(await Promise.all(Array.from({ length: 50 }, (_, k) => open(worker.url, path, n + k)))));
    }
    await sleep(1_000);
    const { open: atUpstream } = await stage.upstream.order<{ open: number }>("count");
    if (atUpstream !== STREAMS || sockets.some((socket) => socket.readableEnded || socket.destroyed)) {
      throw new Error(`${atUpstream} of ${STREAMS} streams are open`);
    }
    found.push({ what, grown: (worker.memory() - before) / MIB });
    for (const socket of sockets) socket.destroy();
    await stage.upstream.order("release");
    await worker.stop();
  }
  return found;
}

async function open(url: URL, path: string, n: number): Promise<Socket> {
  const body = JSON.stringify({ model: `open-${EVENTS}`, input: `open ${n}`, stream: true });
  const socket = connect(Number(url.port), url.hostname);
  const headers = `host: ${url.host}\r\nauthorization: Bearer ${SERVER_KEY}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  socket.write(`POST ${path} HTTP/1.1\r\n${headers}\r\n\r\n${body}`);
  socket.on("error", () => undefined);
  const [first] = (await once(socket, "data")) as [Buffer];
  if (!first.toString().startsWith("HTTP/1.1 200")) throw new Error(first.toString());
  socket.resume();
  return socket;
}
