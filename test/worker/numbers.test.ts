// Integers beyond 2^53 keep all their digits on every path: from a caller to upstream, from upstream to a caller, in records and recordings,
// and, as text, in a hook's functions.
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import {
  type Acknowledged,
  receivedCallbacks,
  skipDelays,
  standardEvent,
  startHookWorker,
  waitForEnd,
} from "./hook-events.ts";
import { eachTestAlone, EVENTS, eventsIn, type HeaderTable, problemOf, startWorker } from "./worker.ts";

const log = eachTestAlone();

type Json = bigint | number | string | boolean | null | Json[] | { [key: string]: Json };

/** Nested JSON with integers up to 2^70. */
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.constantFrom(2n ** 53n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 64n - 1n),
    fc.integer(),
    fc.string(),
    fc.constantFrom<Json>(0.1, 1e21, true, null, "9223372036854775807", "a 1234567890123456789"),
    fc.array(tie("json"), { maxLength: 3 }),
    fc.dictionary(
      fc.string({ maxLength: 8 }).filter((key) => key !== "__proto__"),
      tie("json"),
      { maxKeys: 3, noNullPrototype: true },
    ),
  ),
}));
const tree = fc.tuple(json, fc.bigInt({ min: 2n ** 53n, max: 2n ** 70n })).map(([value, id]): Json => ({ value, id }));

/** Serializes without the code under test. Keys are in the order in which JSON.parse returns them. */
function textOf(value: Json): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`;
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}:${textOf(inner)}`)
    .join()}}`;
}

/** A response as JSON text: an unknown item that contains the tree, and the tree as the answer's text. */
const responseText = (raw: string): string =>
  `{"id":"resp_numbers","object":"response","created_at":1796000000,"status":"completed","model":"m","output":[` +
  `{"type":"item_of_tomorrow","id":"it_1","value":${raw}},` +
  `{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","annotations":[],"text":${JSON.stringify(raw)}}]}],` +
  `"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}`;

const callText = (raw: string): string =>
  `{"id":"resp_numbers","object":"response","created_at":1796000000,"status":"completed","model":"m","output":[` +
  `{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","status":"completed","arguments":${raw}}],` +
  `"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}`;

/** Takes the place of UniAPI, answers as JSON or as events, and records the bodies that it got. */
function upstreamSaying(response: string): string[] {
  const bodies: string[] = [];
  const realFetch = globalThis.fetch;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    if (!String(input).endsWith("/v1/responses")) return await realFetch(input, init);
    const body = String(init?.body);
    bodies.push(body);
    if (!body.endsWith('"stream":true}'))
      return new Response(response, { headers: { "content-type": "application/json" } });
    const started = '{"id":"resp_numbers","object":"response","status":"in_progress","model":"m","output":[]}';
    const events = `data: {"type":"response.created","response":${started}}\n\ndata: {"type":"response.completed","response":${response}}\n\n`;
    return new Response(events, { headers: { "content-type": "text/event-stream" } });
  });
  return bodies;
}

const post = async (
  worker: ReturnType<typeof startWorker>,
  path: string,
  body: string,
  headers: HeaderTable = {},
): Promise<string> => {
  const response = await worker.send(path, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });
  const text = await response.text();
  await worker.settled();
  expect(response.status, text).toBe(200);
  return text;
};
const every = { numRuns: 12 };
const cached = { cache: { ttl: 60, responses: true } };
const toolsOf = (raw: string): string =>
  `"tools":[{"type":"function","name":"f","parameters":{"type":"object","x":${raw}}}]`;

describe("an integer beyond 2^53", () => {
  test("passes unchanged on /v1/responses: as JSON, as events, from the cache, by id and under an Idempotency-Key", async () => {
    await fc.assert(
      fc.asyncProperty(tree, async (value) => {
        const raw = textOf(value);
        const worker = startWorker(cached);
        const bodies = upstreamSaying(responseText(raw));
        const body = `{"model":"m","input":"${crypto.randomUUID()}",${toolsOf(raw)}}`;
        const streaming = body.replace("{", '{"stream":true,');
        const key = { "idempotency-key": crypto.randomUUID() };
        const first = await post(worker, "/v1/responses", body);
        const texts = [
          first,
          await post(worker, "/v1/responses", body),
          await post(worker, "/v1/responses", streaming, { "cache-control": "no-cache" }),
          await post(worker, "/v1/responses", streaming, { ...key, "cache-control": "no-cache" }),
          await post(worker, "/v1/responses", body, { ...key, "cache-control": "no-cache" }),
          await (await worker.get(`/v1/responses/${(JSON.parse(first) as { id: string }).id}`)).text(),
        ];
        for (const text of texts) expect(text).toContain(`"value":${raw}`);
        // A turn has the tools only if upstream names them.
        for (const text of texts.slice(0, -1)) expect(text).toContain(`"parameters":{"type":"object","x":${raw}}`);
        for (const sent of bodies) expect(sent).toContain(`"parameters":{"type":"object","x":${raw}}`);
        // The second request is a hit, and the fifth is a playback.
        expect(bodies).toHaveLength(3);
      }),
      every,
    );
  });

  test("passes unchanged on /ask: in the schema, in `data`, from the cache, by id, in a stream and under an Idempotency-Key", async () => {
    await fc.assert(
      fc.asyncProperty(tree, async (value) => {
        const raw = textOf(value);
        const worker = startWorker();
        const bodies = upstreamSaying(responseText(raw));
        const body = `{"input":"${crypto.randomUUID()}","schema":{"const":${raw}}}`;
        const key = { "idempotency-key": crypto.randomUUID() };
        const fresh = body.replace("{", '{"cache":false,');
        const first = await post(worker, "/ask", body);
        const id = (JSON.parse(first) as { id: string }).id;
        const texts = [
          first,
          await post(worker, "/ask", body),
          await post(worker, "/ask", fresh, EVENTS),
          await post(worker, "/ask", fresh, { ...key, ...EVENTS }),
          await post(worker, "/ask", fresh, key),
          await (await worker.get(`/ask/${id}`)).text(),
          await (await worker.get(`/ask/${id}?thread=true`)).text(),
        ];
        for (const text of texts) expect(text).toContain(`"data":${raw}`);
        for (const sent of bodies) expect(sent).toContain(`"schema":{"const":${raw}}`);
        expect(bodies).toHaveLength(3);
      }),
      every,
    );
  });

  test("passes unchanged in a call's arguments that a backend sends as an object", async () => {
    await fc.assert(
      fc.asyncProperty(tree, async (value) => {
        const raw = textOf(value);
        const worker = startWorker();
        upstreamSaying(callText(raw));
        const answer = JSON.parse(await post(worker, "/ask", '{"input":"hi","cache":false}')) as Record<
          string,
          unknown
        >;
        expect(answer["tool_calls"]).toEqual([{ call_id: "call_1", name: "f", arguments: raw }]);
        const streamed = eventsIn(await post(worker, "/ask", '{"input":"hi","cache":false}', EVENTS));
        expect(streamed.find(({ event }) => event === "tool_call")?.data).toMatchObject({ arguments: raw });
        const object = await post(worker, "/v1/responses", '{"input":"hi"}');
        expect(JSON.parse(object)).toMatchObject({ output: [{ arguments: raw }] });
      }),
      every,
    );
  });

  test("passes unchanged when a chain is replayed, and in the input of a turn", async () => {
    const worker = startWorker({ continuity: "gateway" });
    const bodies = upstreamSaying(responseText("-9223372036854775808"));
    const item = '{"type":"function_call_output","call_id":"c","output":"x","extra":{"n":18446744073709551615}}';
    const call = '{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}';
    const first = JSON.parse(await post(worker, "/v1/responses", `{"model":"m","input":[${call},${item}]}`)) as {
      id: string;
    };
    await post(worker, "/v1/responses", `{"model":"m","input":"hi","previous_response_id":"${first.id}"}`);
    expect(bodies[1]).toContain('"n":18446744073709551615');
    expect(await (await worker.get(`/v1/responses/${first.id}/input_items`)).text()).toContain("18446744073709551615");
  });

  test("passes unchanged through a job: its record, its answer by id and its callback", async () => {
    const raw = '{"id":9223372036854775807,"list":[-9223372036854775808,1]}';
    const engine = await skipDelays();
    const worker = startHookWorker();
    const bodies = upstreamSaying(responseText(raw));
    const spec = `{"input":"hi","schema":{"const":${raw}},"callback":"jobs"}`;
    const accepted = await worker.send("/jobs", { method: "POST", body: spec });
    const { job } = await accepted.json<Acknowledged>();
    await waitForEnd(worker, job);
    expect(bodies[0]).toContain(`"schema":{"const":${raw}}`);
    expect(await (await worker.get(`/jobs/${job}`)).text()).toContain(`"data":${raw}`);
    const callbacks = (await receivedCallbacks("jobs")).filter(({ body }) => body.includes(job));
    expect(callbacks.map(({ body }) => body.includes(`"data":${raw}`))).toEqual([true]);
    await engine.dispose();
  });

  test("distinguishes two questions in the cache and under an Idempotency-Key", async () => {
    const worker = startWorker(cached);
    const bodies = upstreamSaying(responseText("1"));
    const key = { "idempotency-key": crypto.randomUUID() };
    const body = (n: string): string => `{"model":"m","input":"hi","cache_me":${n}}`;
    await post(worker, "/v1/responses", body("9007199254740993"));
    await post(worker, "/v1/responses", body("9007199254740992"));
    await post(worker, "/v1/responses", body("9007199254740993"));
    expect(bodies).toHaveLength(2);
    await post(worker, "/v1/responses", body("9007199254740993"), key);
    const other = await worker.send("/v1/responses", { method: "POST", body: body("9007199254740995"), headers: key });
    expect(other.status).toBe(422);
  });

  test("in a numeric field gets an error that names the field and the range", async () => {
    const worker = startWorker();
    for (const [path, field] of [
      ["/ask", "max_output_tokens"],
      ["/ask", "temperature"],
      ["/ask", "top_logprobs"],
      ["/v1/responses", "max_output_tokens"],
    ] as const) {
      for (const number of ["9223372036854775807", "-9223372036854775808"]) {
        const response = await worker.send(path, {
          method: "POST",
          body: `{"input":"hi","model":"m","${field}":${number}}`,
          headers: { "content-type": "application/json" },
        });
        expect(response.status).toBe(400);
        expect(await problemOf(response)).toMatchObject({
          code: "invalid_request",
          param: field,
          message: `\`${field}\` must be a number between -9007199254740991 and 9007199254740991.`,
        });
      }
    }
  });

  test("reaches a hook's functions as text, and the answer's `data` keeps its number", async () => {
    await fc.assert(
      fc.asyncProperty(tree, async (value) => {
        const raw = textOf(value);
        const seen: unknown[] = [];
        const bodies = upstreamSaying(responseText(raw));
        const worker = startWorker({
          cache: false,
          presets: { p: { text: { format: { type: "json_schema", name: "a", schema: {} } } } },
          hooks: {
            big: {
              scheme: "standard",
              secret_name: "STANDARD_SECRET",
              preset: "p",
              respond: "sync",
              input: ({ payload }) => {
                seen.push(payload);
                return `order ${payload.id}`;
              },
              output: ({ payload, answer }) => {
                seen.push(payload);
                return { body: { path: `/orders/${payload.id}/note`, data: answer?.data } };
              },
            },
          },
        });
        const id = (2n ** 62n + 1n).toString();
        const event = await standardEvent(`{"id":${id},"tree":${raw}}`, undefined, true);
        const response = await worker.send("/hooks/big", event);
        expect(await response.text()).toBe(`{"path":"/orders/${id}/note","data":${raw}}`);
        const digits = (inner: Json): Json => {
          if (typeof inner === "bigint")
            return inner > 2n ** 53n - 1n || inner < -(2n ** 53n) + 1n ? inner.toString() : Number(inner);
          if (typeof inner !== "object" || inner === null) return inner;
          if (Array.isArray(inner)) return inner.map(digits);
          return Object.fromEntries(Object.entries(inner).map(([key, one]) => [key, digits(one)]));
        };
        const payload = { id, tree: digits(value) };
        expect(seen).toEqual([payload, payload]);
        expect(bodies[0]).toContain(`order ${id}`);
        await worker.settled();
      }),
      every,
    );
    expect(log.requests().every(({ status }) => status === 200)).toBe(true);
  });
});
