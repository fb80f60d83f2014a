// POST, GET and DELETE /v1/responses (also /responses): for any OpenAI client, with only baseURL and apiKey changed. GET, DELETE and
// input_items work on the turns in KV, because UniAPI has no such routes.
import { type Context, Hono } from "hono";
import { answer, type Question } from "../answer/answer.ts";
import { joinResponsesRun } from "../answer/runs/join-run.ts";
import { deleteStoredTurn, readStoredTurn } from "../answer/stored-turns.ts";
import { compose, type Composed, composeResponses } from "../core/request/compose.ts";
import { decodeUtf8, JSON_LIMITS, type JsonObject } from "../core/lib/json.ts";
import { restrictCacheControl, restrictedBodyBytes, restrictResponses } from "../core/request/restrict.ts";
import { Problem, unsupportedMethod } from "../core/lib/problem.ts";
import { readResponses } from "../core/request/read-responses.ts";
import { inputItemsOf } from "../core/turns/input-items.ts";
import { completeResponse } from "../core/reply/response-object.ts";
import type { Config } from "../core/config/define-config.ts";
import type { ResponsesRequest } from "../contract/ask.ts";
import type { AppEnv } from "../app-env.ts";
import type { Caller, RequestContext } from "../deps.ts";
import { admit, admitById } from "../gate/admit.ts";
import { eventStream, json, NO_STORE, deferLogLine } from "./respond/response.ts";
import { eventStreamText, responseObjectOf, ResponsesSource } from "./respond/responses-source.ts";
import { readCacheControl } from "../core/request/headers.ts";
import type { DeletedResponse, InputItems } from "../contract/response.ts";
import type { Grant } from "../core/callers/caller.ts";

/** The default size limit for server callers. `limits.server.max_body_bytes` replaces it. */
const SERVER_BODY_BYTES = 8 * 1_048_576;

export const responsesRoutes = new Hono<AppEnv>()
  .post("/", postResponses)
  .all("/", refuseMethod)
  .get("/:id", getResponse)
  .delete("/:id", deleteResponse)
  .all("/:id", refuseMethodById)
  .get("/:id/input_items", getInputItems);

/**
 * Addresses of OpenAI's API that look like the id of a response, with the error's message for each. They are not separate routes, because
 * Hono would then need a slower router.
 */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ["input_tokens", "Tokens are counted with each answer: read `usage` of POST /v1/responses."],
  [
    "compact",
    'Conversations can\'t be compacted. Continue one with `previous_response_id` and `"truncation": "auto"` in POST /v1/responses.',
  ],
]);

/**
 * Refuses every method but POST. A request for a WebSocket gets a status of its own, 426, so that agents that prefer a WebSocket switch to
 * POST immediately.
 */
async function refuseMethod(c: Context<AppEnv>): Promise<Response> {
  if (c.req.header("upgrade")?.toLowerCase() !== "websocket") throw unsupportedMethod(["POST"]);
  await admit(c.var.deps, c.req.raw, c.var);
  throw new Problem(
    "upgrade_required",
    "There is no WebSocket here. Send POST /v1/responses with `stream: true`, which returns the same events.",
  );
}

/**
 * Admits a request that is about a stored response.
 * @throws Problem 404 not_found for an address that is not an id, and the problems of admitById()
 */
async function admitToResponse(c: Context<AppEnv>): Promise<{ caller: Caller; id: string }> {
  const caller = await admitById(c.var.deps, c.req.raw, c.var);
  const id = c.req.param("id") ?? "";
  const instead = INSTEAD.get(id);
  if (instead !== undefined) throw new Problem("not_found", instead);
  return { caller, id };
}

async function refuseMethodById(c: Context<AppEnv>): Promise<Response> {
  if (INSTEAD.has(c.req.param("id") ?? "")) await admitToResponse(c);
  throw unsupportedMethod(["GET", "HEAD", "DELETE"]);
}

async function postResponses(c: Context<AppEnv>): Promise<Response> {
  const { deps, requestId, logFields, waitUntil } = c.var;
  const { config } = deps;
  const request = c.req.raw;
  const { headers, signal } = request;
  const caller = await admit(deps, request, { logFields, waitUntil });
  const { grant } = caller;
  const bytes = await deps.receive(request, maxBodyBytes(grant, config));
  const limits = grant === undefined ? JSON_LIMITS.server : JSON_LIMITS.restricted;
  const parsed = readResponses(decodeUtf8(bytes), headers.get("content-type"), limits);
  const cacheControl = readCacheControl(headers.get("cache-control"));
  const { composed, echoed, metadata } = composeFor(grant, parsed, bytes.length, config);
  const stream = parsed.stream ?? false;
  const restricted = grant !== undefined;
  const question: Question = {
    composed,
    previousId: parsed.previous_response_id ?? undefined,
    cache: undefined,
    cacheControl: restricted ? restrictCacheControl(cacheControl) : cacheControl,
    // A client that sends max-age=0 wants no cache at all. On /ask, where the cache is on by default, it asks for a fresh answer.
    cacheByDefault: config.cache !== false && config.cache.responses && cacheControl.maxAge !== 0,
    metadata,
    stream,
    live: "all",
    indexesItems: !restricted,
    retryIfBusy: false,
  };
  const context: RequestContext = { requestId, caller, signal, waitUntil, logFields };
  const joined = await joinResponsesRun(deps, question, context, parsed, headers);
  const pending = joined?.reply ?? answer(deps, question, context);
  if (stream) {
    logFields.stream = true;
    const now = Math.floor(deps.now() / 1_000);
    return eventStream(
      c,
      pending,
      (reply) => new ResponsesSource(reply, { requestId, request: echoed, restricted, now, onEnd: deferLogLine(c) }),
    );
  }
  const reply = await pending;
  if (reply.kind !== "whole") throw new Error("a stream in place of a complete answer");
  return json(c, responseObjectOf(reply.finished, { request: echoed, restricted }), 200, reply.headers);
}

function maxBodyBytes(grant: Grant | undefined, config: Config): number {
  if (grant !== undefined) return restrictedBodyBytes(grant, config);
  return config.limits.server?.max_body_bytes ?? SERVER_BODY_BYTES;
}

/**
 * Composes the upstream body, after restricting the request of a restricted caller.
 * @returns `echoed` has the request fields that the response object may show. A server caller sees the composed request without a preset's
 * instructions. For a restricted caller, `instructions`, `tools`, `tool_choice`, `text` and `metadata` are only its own, and the ids that
 * the Worker adds (`user`, `safety_identifier`, `prompt_cache_key`) are absent
 */
function composeFor(
  grant: Grant | undefined,
  parsed: ResponsesRequest,
  bytes: number,
  config: Config,
): { composed: Composed; echoed: JsonObject; metadata: Record<string, string> | undefined } {
  if (grant === undefined) {
    const composed = composeResponses(parsed, config);
    return {
      composed,
      echoed: { ...composed.body, instructions: parsed.instructions ?? null },
      metadata: parsed.metadata ?? undefined,
    };
  }
  const { ask, metadata } = restrictResponses(parsed, bytes, grant, config);
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
  return { composed, echoed: { ...composed.body, ...own }, metadata };
}

async function getResponse(c: Context<AppEnv>): Promise<Response> {
  const { deps } = c.var;
  const { caller, id } = await admitToResponse(c);
  const after = readStartingAfter(c.req.query("starting_after"));
  const turn = await readStoredTurn(deps, caller.owner, id);
  const object = completeResponse(turn.response, {
    id: turn.id,
    previousId: turn.parent,
    request: { model: turn.model, ...(turn.metadata === undefined ? {} : { metadata: turn.metadata }) },
    restricted: caller.grant !== undefined,
    now: turn.at,
  });
  if (c.req.query("stream") !== "true") return json(c, object);
  return new Response(eventStreamText(object, after), {
    headers: { "content-type": "text/event-stream; charset=utf-8", ...NO_STORE },
  });
}

/** Reads the `sequence_number` of the last event that the caller has. @returns -1 if it has none */
function readStartingAfter(text: string | undefined): number {
  if (text === undefined) return -1;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Problem("invalid_request", "`starting_after` must be the `sequence_number` of an event: 0, 1, 2 …", {
    param: "starting_after",
  });
}

async function deleteResponse(c: Context<AppEnv>): Promise<Response> {
  const { deps } = c.var;
  const { caller, id } = await admitToResponse(c);
  await deleteStoredTurn(deps, caller.owner, id);
  return json(c, { id, object: "response", deleted: true } satisfies DeletedResponse);
}

/** Lists a turn's input items in OpenAI's format. The turn has all of its items, so `limit`, `after` and `order` only select from them. */
async function getInputItems(c: Context<AppEnv>): Promise<Response> {
  const { deps } = c.var;
  const { caller, id } = await admitToResponse(c);
  const turn = await readStoredTurn(deps, caller.owner, id);
  const items = inputItemsOf(turn);
  // As in OpenAI's API, the newest item comes first by default.
  const ordered = c.req.query("order") === "asc" ? items : items.toReversed();
  const after = c.req.query("after");
  const start = after === undefined ? 0 : ordered.findIndex((item) => item.id === after) + 1;
  if (after !== undefined && start === 0) {
    throw new Problem("invalid_request", "There is no item with the id in `after`. Use an id from the list.", {
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
  return json(c, page);
}
