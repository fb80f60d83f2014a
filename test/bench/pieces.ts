// Why a request costs what it costs: single calls into the runtime that ours can't do without, each added alone to a Worker that parses
// and writes both bodies, and all of them together. What is left above that is our own JavaScript.
import { SERVER_KEY } from "./rows.ts";
import { ASK } from "./floors.ts";
import { burst } from "./load.ts";
import { median } from "./compare.ts";
import type { Stage } from "./stage.ts";
import type { Workerd } from "./processes.ts";

export interface Piece {
  name: string;
  /** Microseconds of CPU, median of rounds; but for the first one above it. */
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

/** Before the call, around it, and behind it. */
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
  first: `const call = new AbortController(); const leave = () => call.abort(); request.signal.addEventListener("abort", leave, { once: true });`,
  init: `signal: call.signal,`,
  last: `request.signal.removeEventListener("abort", leave);`,
};
const DEADLINES: Steps = {
  first: `const one = setTimeout(nothing, 10_000); const two = setTimeout(nothing, 120_000);`,
  last: `clearTimeout(one); clearTimeout(two);`,
};
const ANSWERED: Steps = {
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
  "+ bodies as bytes, so that broken UTF-8 is refused and silence is noticed": [BYTES],
  "+ a signal that ends the call when the caller leaves": [SIGNAL],
  "+ two deadlines": [DEADLINES],
  "+ five more headers of the answer": [ANSWERED],
  "+ a line of the log": [LOG],
  "+ one HMAC": [HMAC],
  "+ twelve headers of the request read": [READ],
  "all of these": [BYTES, SIGNAL, DEADLINES, ANSWERED, LOG, HMAC, READ],
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
  const answered = JSON.parse(${all("answer") || "await answer.text()"});
  ${all("last")}
  return new Response(JSON.stringify(answered), { headers: { ...json, ${all("headers")} } });
} };`;
}

export async function measurePieces(stage: Stage): Promise<Piece[]> {
  const ours = await stage.another("forgetful");
  const subjects: { name: string; worker: Workerd; us: number[] }[] = [];
  for (const [name, steps] of Object.entries(PIECES))
    subjects.push({ name, worker: await stage.run(script(steps)), us: [] });
  subjects.push({ name: "ours", worker: ours, us: [] });
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    // Each comes after each other one in turn.
    const turn = (round + WARM_UP_ROUNDS) % subjects.length;
    const order = [...subjects.slice(turn), ...subjects.slice(0, turn)];
    for (const { worker, us } of round % 2 === 0 ? order : order.toReversed()) {
      const before = worker.cpuMs();
      const body = JSON.stringify({ model: "json", input: "What do people mean when they say so? ".repeat(6) + round });
      const asked = { path: "/v1/responses", headers: { authorization: `Bearer ${SERVER_KEY}` }, body };
      await burst(worker.url, () => asked, { requests: REQUESTS, concurrency: 16 });
      if (round >= 0) us.push(((worker.cpuMs() - before) * 1_000) / REQUESTS);
    }
  }
  await Promise.all(subjects.map(({ worker }) => worker.stop()));
  const first = median(subjects[0]?.us ?? []);
  return subjects.map(({ name, us }, n) => ({ name, us: median(us) - (n === 0 ? 0 : first) }));
}
