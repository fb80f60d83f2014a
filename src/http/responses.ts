// POST, GET and DELETE /v1/responses (also /responses): any OpenAI client, unchanged but for baseURL and apiKey. GET, DELETE and
// input_items come from KV: UniAPI has none of them.
import { type Context, Hono } from "hono";
import { answer, type Question } from "../answer/answer.ts";
import { joinRun } from "../answer/runs/join-run.ts";
import { deleteStoredTurn, readStoredTurn } from "../answer/stored-turns.ts";
import { compose, type Composed, composeResponses } from "../core/request/compose.ts";
import { decodeUtf8, type JsonObject } from "../core/lib/json.ts";
import { restrictCacheControl, restrictedBodyBytes, restrictResponses } from "../core/request/restrict.ts";
import { methodNotAllowed, Problem } from "../core/lib/problem.ts";
import { readResponses } from "../core/request/read-responses.ts";
import { asItems } from "../core/turns/replay-input.ts";
import { completeResponse } from "../core/reply/response-object.ts";
import type { Config } from "../core/config/define-config.ts";
import type { Grant } from "../core/callers/grant.ts";
import type { ResponsesRequest } from "../contract/ask.ts";
import type { AppEnv } from "../app-env.ts";
import type { RequestContext } from "../deps.ts";
import { admit, admitReader } from "../gate/admit.ts";
import { eventStream, liveEnd } from "./respond/event-stream.ts";
import { jsonResponse } from "./respond/json-response.ts";
import { completeFinished, replayText, ResponsesSource } from "./respond/responses-source.ts";
import { readCacheControl } from "../core/request/cache-control.ts";
import type { DeletedResponse, InputItems } from "../contract/response.ts";

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
  const deps = c.get("deps");
  const logFields = c.get("logFields");
  const requestId = c.get("requestId");
  const { config } = deps;
  const request = c.req.raw;
  const waitUntil = (work: Promise<unknown>): void => c.executionCtx.waitUntil(work);
  const caller = await admit(deps, request, { logFields, waitUntil });
  const { grant } = caller;
  const cap =
    grant === undefined
      ? (config.limits.server?.max_body_bytes ?? SERVER_BODY_BYTES)
      : restrictedBodyBytes(grant, config);
  const bytes = await deps.receive(request, cap);
  const asked = readResponses(decodeUtf8(bytes), request.headers.get("content-type"));
  const control = readCacheControl(request.headers.get("cache-control"));
  const { composed, shown, metadata } = composedFor(grant, asked, bytes.length, config);
  const stream = asked.stream ?? false;
  const locked = grant !== undefined;
  const question: Question = {
    composed,
    previousId: asked.previous_response_id ?? undefined,
    cache: undefined,
    cacheControl: locked ? restrictCacheControl(control) : control,
    cacheByDefault: config.cache !== false && config.cache.responses,
    metadata,
    stream,
    idFirst: false,
    retries: false,
  };
  const context: RequestContext = { requestId, caller, signal: request.signal, waitUntil, logFields };
  const { headers } = request;
  const flight = await joinRun(deps, question, context, { route: "/v1/responses", asked, headers, resumable: false });
  const answered = flight?.answered ?? answer(deps, question, context);
  if (stream) {
    logFields.stream = true;
    const now = Math.floor(deps.now() / 1_000);
    return eventStream(
      c,
      answered,
      (got) => new ResponsesSource(got, { requestId, asked: shown, locked, now, ended: liveEnd(c) }),
    );
  }
  const got = await answered;
  if (got.kind !== "whole") throw new Error("a stream where none was asked for");
  return jsonResponse(c, completeFinished(got.finished, { asked: shown, locked }), got.headers);
}

/** `shown` is what the answer may echo: the composed request but for a preset's instructions; for a locked caller, its own words only. */
function composedFor(
  grant: Grant | undefined,
  asked: ResponsesRequest,
  bytes: number,
  config: Config,
): { composed: Composed; shown: JsonObject; metadata: Record<string, string> | undefined } {
  if (grant === undefined) {
    const composed = composeResponses(asked, config);
    return {
      composed,
      shown: { ...composed.body, instructions: asked.instructions ?? null },
      metadata: asked.metadata ?? undefined,
    };
  }
  const { ask, metadata } = restrictResponses(asked, bytes, grant, config);
  const composed = compose(ask, config);
  const { tools, tool_choice, text, instructions = null } = ask;
  const own = {
    instructions,
    tools,
    tool_choice,
    text,
    metadata,
    user: undefined,
    safety_identifier: undefined,
    prompt_cache_key: undefined,
  };
  return { composed, shown: { ...composed.body, ...own }, metadata };
}

async function getResponse(c: Context<AppEnv>): Promise<Response> {
  const { deps, logFields } = c.var;
  const caller = await admitReader(deps, c.req.raw, { logFields, waitUntil: (work) => c.executionCtx.waitUntil(work) });
  const turn = await readStoredTurn(deps, caller.owner, c.req.param("id") ?? "");
  const asked = { model: turn.model, ...(turn.metadata === undefined ? {} : { metadata: turn.metadata }) };
  const object = completeResponse(turn.response, {
    id: turn.id,
    previousId: turn.parent,
    request: asked,
    restricted: caller.grant !== undefined,
    now: turn.at,
  });
  if (c.req.query("stream") !== "true") return jsonResponse(c, object);
  return new Response(replayText(object), {
    headers: { "content-type": "text/event-stream; charset=utf-8", ...NO_STORE },
  });
}

async function deleteResponse(c: Context<AppEnv>): Promise<Response> {
  const { deps, logFields } = c.var;
  const caller = await admitReader(deps, c.req.raw, { logFields, waitUntil: (work) => c.executionCtx.waitUntil(work) });
  const id = c.req.param("id") ?? "";
  await deleteStoredTurn(deps, caller.owner, id);
  return jsonResponse(c, { id, object: "response", deleted: true } satisfies DeletedResponse);
}

/** OpenAI's list shape. All of a turn's items fit one page: `limit`, `after` and `order` only choose among them. */
async function getInputItems(c: Context<AppEnv>): Promise<Response> {
  const { deps, logFields } = c.var;
  const caller = await admitReader(deps, c.req.raw, { logFields, waitUntil: (work) => c.executionCtx.waitUntil(work) });
  const turn = await readStoredTurn(deps, caller.owner, c.req.param("id") ?? "");
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
    throw new Problem("invalid_request", "There is no item with the id in `after`. Take an id from the list.", {
      param: "after",
    });
  }
  const limit = Math.min(100, Math.max(1, Math.floor(Number(c.req.query("limit") ?? 20)) || 20));
  const data = ordered.slice(start, start + limit);
  const page: InputItems = {
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + limit < ordered.length,
  };
  return jsonResponse(c, page);
}
