// Measures the memory of a thousand open streams, compared with the floor.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Workerd } from "./processes.ts";
import { SERVER_KEY } from "./rows.ts";
import type { Stage } from "./stage.ts";

const STREAMS = 1_000;
/** Events of each stream before it goes silent. */
const EVENTS = 20;
const MIB = 1_048_576;

export interface OpenStreams {
  name: string;
  /** Growth of workerd's memory in MiB with all streams open. */
  growthMib: number;
}

/** Each subject has its own workerd. Memory that an earlier one freed would hide the growth. */
export async function measureOpenStreams(stage: Stage): Promise<OpenStreams[]> {
  const subjects: [name: string, path: string, start: () => Promise<Workerd>][] = [
    ["floor (copies chunk by chunk in JavaScript)", "/v1/responses", () => stage.startFloor("copy")],
    ["`/v1/responses`", "/v1/responses", () => stage.startOurs("standard")],
    ["`/ask`", "/ask", () => stage.startOurs("standard")],
  ];
  const results: OpenStreams[] = [];
  for (const [name, path, start] of subjects) {
    const worker = await start();
    const before = worker.memory();
    const sockets: Socket[] = [];
    for (let n = 0; n < STREAMS; n += 50) {
      sockets.push(...(await Promise.all(Array.from({ length: 50 }, (_, k) => open(worker.url, path, n + k)))));
    }
    await sleep(1_000);
    const { open: atUpstream } = await stage.upstream.send<{ open: number }>("count");
    if (atUpstream !== STREAMS || sockets.some((socket) => socket.readableEnded || socket.destroyed)) {
      throw new Error(`${atUpstream} of ${STREAMS} streams are open`);
    }
    results.push({ name, growthMib: (worker.memory() - before) / MIB });
    for (const socket of sockets) socket.destroy();
    await stage.upstream.send("release");
    await worker.stop();
  }
  return results;
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
