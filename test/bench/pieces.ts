// Explains the cost of a request: calls into the runtime that our Worker needs, each added alone to a Worker that parses and writes both
// bodies, and all of them together. The rest of the cost is our own JavaScript.
import { SERVER_KEY } from "./rows.ts";
import { ASK } from "./floors.ts";
import { burst } from "./load.ts";
import { median } from "./compare.ts";
import type { Stage } from "./stage.ts";
import type { Workerd } from "./processes.ts";

export interface Piece {
  name: string;
  /** Microseconds of CPU per request, median of the rounds. All but the first are differences from the first. */
  us: number;
}

const REQUESTS = 600;
const ROUNDS = 20;
const WARM_UP_ROUNDS = 3;
const HEADERS = ["origin", "authorization", "content-type", "content-length", "content-encoding", "cache-control"];
const MORE = [
  "cf-connecting-ip",
  "idempotency-key",
  "last-event-id",
  "accept",
  "access-control-request-method",
  "user-agent",
];

/** Source text that a piece adds before the call, around it and after it. */
interface Steps {
  first?: string;
  body?: string;
  init?: string;
  answer?: string;
  last?: string;
  headers?: string;
}

const BYTES: Steps = {
  body: `utf8.decode(await request.bytes())`,
  answer: `utf8.decode((await answer.body.getReader({ mode: "byob" }).read(new Uint8Array(Number(answer.headers.get("content-length"))))).value)`,
};
const SIGNAL: Steps = {
  first: `const call = new AbortController(); const abort = () => call.abort(); request.signal.addEventListener("abort", abort, { once: true });`,
  init: `signal: call.signal,`,
  last: `request.signal.removeEventListener("abort", abort);`,
};
const DEADLINES: Steps = {
  first: `const first = setTimeout(nothing, 10_000); const second = setTimeout(nothing, 120_000);`,
  last: `clearTimeout(first); clearTimeout(second);`,
};
const RESPONSE_HEADERS: Steps = {
  headers: `"cache-control": "no-store", "cache-status": "floor; fwd=bypass", vary: "Origin", "x-request-id": crypto.randomUUID(), "x-content-type-options": "nosniff",`,
};
const LOG: Steps = {
  last: `console.log(JSON.stringify({ level: "info", event: "request", request_id: "req_0", route: "POST /v1/responses", status: 200, total_ms: 1 }));`,
};
const HMAC: Steps = {
  first: `key ??= await crypto.subtle.importKey("raw", new Uint8Array(32), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);`,
  last: `await crypto.subtle.sign("HMAC", key, new Uint8Array(90));`,
};
const READ: Steps = {
  first: `for (const name of ${JSON.stringify([...HEADERS, ...MORE])}) request.headers.get(name);`,
};

const PIECES: Record<string, Steps[]> = {
  "both bodies parsed and written": [],
  "+ bodies as bytes, to refuse invalid UTF-8 and to detect silence": [BYTES],
  "+ a signal that aborts the call when the caller disconnects": [SIGNAL],
  "+ two deadlines": [DEADLINES],
  "+ five more response headers": [RESPONSE_HEADERS],
  "+ a log line": [LOG],
  "+ one HMAC": [HMAC],
  "+ twelve request headers read": [READ],
  "all of these": [BYTES, SIGNAL, DEADLINES, RESPONSE_HEADERS, LOG, HMAC, READ],
};

function script(steps: readonly Steps[]): string {
  const all = (what: keyof Steps): string => steps.map((step) => step[what] ?? "").join("");
  return `${ASK}
const utf8 = new TextDecoder("utf-8", { fatal: true });
const nothing = () => {};
let key;
export default { async fetch(request, env, ctx) {
  ${all("first")}
  const text = ${all("body") || "await request.text()"};
  const answer = await fetch(env.UNIAPI_BASE_URL + "/v1/responses", {
    method: "POST",
    headers: { authorization: "Bearer " + env.UNIAPI_KEY, "content-type": "application/json" },
    ${all("init")}
    body: JSON.stringify(JSON.parse(text || "null")),
  });
  const parsed = JSON.parse(${all("answer") || "await answer.text()"});
  ${all("last")}
  return new Response(JSON.stringify(parsed), { headers: { ...json, ${all("headers")} } });
} };`;
}

export async function measurePieces(stage: Stage): Promise<Piece[]> {
  const ours = await stage.startOurs("stateless");
  const subjects: { name: string; worker: Workerd; us: number[] }[] = [];
  for (const [name, steps] of Object.entries(PIECES))
    subjects.push({ name, worker: await stage.startScript(script(steps)), us: [] });
  subjects.push({ name: "ours", worker: ours, us: [] });
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    // Rotate the order, so that every subject runs after every other one.
    const turn = (round + WARM_UP_ROUNDS) % subjects.length;
    const order = [...subjects.slice(turn), ...subjects.slice(0, turn)];
    for (const { worker, us } of round % 2 === 0 ? order : order.toReversed()) {
      const before = worker.cpuMs();
      const body = JSON.stringify({ model: "json", input: "What do people mean when they say so? ".repeat(6) + round });
      const request = { path: "/v1/responses", headers: { authorization: `Bearer ${SERVER_KEY}` }, body };
      await burst(worker.url, () => request, { requests: REQUESTS, concurrency: 16 });
      if (round >= 0) us.push(((worker.cpuMs() - before) * 1_000) / REQUESTS);
    }
  }
  await Promise.all(subjects.map(({ worker }) => worker.stop()));
  const first = median(subjects[0]?.us ?? []);
  return subjects.map(({ name, us }, n) => ({ name, us: median(us) - (n === 0 ? 0 : first) }));
}
