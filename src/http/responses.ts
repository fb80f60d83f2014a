// POST, GET and DELETE /v1/responses (also /responses): any OpenAI client, unchanged but for baseURL and apiKey. GET, DELETE and
// input_items come from KV: UniAPI has none of them.
import { type Context, Hono } from "hono";
import { answer } from "../answer/answer.ts";
import { forget, readMemory } from "../answer/memory.ts";
import { composeResponses } from "../core/compose.ts";
import { decodeUtf8 } from "../core/json.ts";
import { readCacheControl } from "../core/policy.ts";
import { methodNotAllowed, Problem } from "../core/problem.ts";
import { readResponses } from "../core/read-responses.ts";
import { asItems } from "../core/replay-input.ts";
import { completeResponse } from "../core/responses-object.ts";
import type { AppEnv } from "../app-env.ts";
import { identify } from "../gate/identify.ts";
import { eventStream, liveEnd } from "../respond/event-stream.ts";
import { completeFinished, replayText, ResponsesSource } from "../respond/responses-source.ts";

/** Server callers' cap. */
const SERVER_BODY_BYTES = 8 * 1_048_576;
const NO_STORE = { "cache-control": "no-store" };

export const responsesRoutes = new Hono<AppEnv>();
for (const base of ["/v1/responses", "/responses"]) {
  responsesRoutes
    .post(base, postResponses)
    .get(`${base}/:id`, getResponse)
    .delete(`${base}/:id`, deleteResponse)
    .get(`${base}/:id/input_items`, getInputItems)
    .all(base, () => {
      throw methodNotAllowed("POST");
    })
    .all(`${base}/:id`, () => {
      throw methodNotAllowed("GET, HEAD, DELETE");
    })
    .all(`${base}/:id/input_items`, () => {
      throw methodNotAllowed("GET, HEAD");
    });
}

async function postResponses(c: Context<AppEnv>): Promise<Response> {
  const { deps, facts, requestId } = c.var;
  const request = c.req.raw;
  const caller = await identify(deps, request);
  facts.caller = caller.kind;
  const asked = readResponses(
    decodeUtf8(await deps.receive(request, deps.config.limits.server?.max_body_bytes ?? SERVER_BODY_BYTES)),
    request.headers.get("content-type"),
  );
  const composed = composeResponses(asked, deps.config);
  const stream = asked.stream ?? false;
  const shown = { ...composed.body, instructions: asked.instructions ?? null };
  const answered = answer(
    deps,
    {
      composed,
      previousId: asked.previous_response_id ?? undefined,
      cache: undefined,
      control: readCacheControl(request.headers.get("cache-control")),
      cacheByDefault: deps.config.cache !== false && deps.config.cache.responses,
      metadata: asked.metadata ?? undefined,
      stream,
      idFirst: false,
      retries: false,
    },
    { requestId, caller, signal: request.signal, later: (work) => c.executionCtx.waitUntil(work), facts },
  );
  if (stream) {
    facts.stream = true;
    const now = Math.floor(deps.now() / 1_000);
    return eventStream(c, answered, (got) => new ResponsesSource(got, { requestId, asked: shown, now, ended: liveEnd(c) }));
  }
  const got = await answered;
  if (got.kind !== "whole") throw new Error("a stream where none was asked for");
  return Response.json(completeFinished(got.finished, shown), { headers: { ...NO_STORE, ...got.headers } });
}

async function getResponse(c: Context<AppEnv>): Promise<Response> {
  const { deps, facts } = c.var;
  const caller = await identify(deps, c.req.raw);
  facts.caller = caller.kind;
  const turn = await readMemory(deps, caller.owner, c.req.param("id") ?? "");
  const asked = { model: turn.model, ...(turn.metadata === undefined ? {} : { metadata: turn.metadata }) };
  const object = completeResponse(turn.response, { id: turn.id, previousId: turn.parent, asked, now: turn.at });
  if (c.req.query("stream") !== "true") return Response.json(object, { headers: NO_STORE });
  return new Response(replayText(object), { headers: { "content-type": "text/event-stream; charset=utf-8", ...NO_STORE } });
}

async function deleteResponse(c: Context<AppEnv>): Promise<Response> {
  const { deps, facts } = c.var;
  const caller = await identify(deps, c.req.raw);
  facts.caller = caller.kind;
  const id = c.req.param("id") ?? "";
  await forget(deps, caller.owner, id);
  return Response.json({ id, object: "response", deleted: true }, { headers: NO_STORE });
}

/** OpenAI's list shape. All of a turn's items fit one page: `limit`, `after` and `order` only choose among them. */
async function getInputItems(c: Context<AppEnv>): Promise<Response> {
  const { deps, facts } = c.var;
  const caller = await identify(deps, c.req.raw);
  facts.caller = caller.kind;
  const turn = await readMemory(deps, caller.owner, c.req.param("id") ?? "");
  const items = asItems(turn.input).map((item, at) => ({
    ...item,
    type: item["type"] ?? "message",
    id: typeof item["id"] === "string" ? item["id"] : `item_${at}_${turn.id.slice(-12)}`,
  }));
  // The newest first unless asked otherwise, as at OpenAI.
  const ordered = c.req.query("order") === "asc" ? items : items.toReversed();
  const after = c.req.query("after");
  const start = after === undefined ? 0 : ordered.findIndex((item) => item.id === after) + 1;
  if (after !== undefined && start === 0) {
    throw new Problem("invalid_request", "There is no item with the id in `after`. Take an id from the list.", { param: "after" });
  }
  const limit = Math.min(100, Math.max(1, Math.floor(Number(c.req.query("limit") ?? 20)) || 20));
  const data = ordered.slice(start, start + limit);
  return Response.json(
    { object: "list", data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: start + limit < ordered.length },
    { headers: NO_STORE },
  );
}
