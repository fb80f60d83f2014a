// POST /ask and GET /ask/{id}: a small request in, the trimmed answer out, as JSON, text, event stream or text stream.
import { type Context, Hono } from "hono";
import { answer, type Question } from "../answer/answer.ts";
import { type AskReply, type StreamedAskReply, toAskReply } from "../answer/ask-reply.ts";
import { readChain } from "../answer/chain.ts";
import { joinAskRun, resumeAskRun } from "../answer/runs/join-run.ts";
import { readStoredTurn, answerFromTurn } from "../answer/stored-turns.ts";
import type { AppEnv } from "../app-env.ts";
import type { Answer, Thread } from "../contract/answer.ts";
import type { Config } from "../core/config/define-config.ts";
import { decodeUtf8, JSON_LIMITS } from "../core/lib/json.ts";
import { readCacheControl, isBodilessResume, readAccept } from "../core/request/headers.ts";
import { compose } from "../core/request/compose.ts";
import { isMultipart, readAsk, readMultipartAsk } from "../core/request/read-ask.ts";
import { restrictAsk, restrictCacheControl, restrictedBodyBytes } from "../core/request/restrict.ts";
import type { Deps, RequestContext } from "../deps.ts";
import { admit, admitById } from "../gate/admit.ts";
import { AskSource, type AskStreamContext, TextSource } from "./respond/ask-source.ts";
import { eventStream, json, NO_STORE, deferLogLine, awaitUntilPing } from "./respond/response.ts";
import { liveBody } from "./respond/stream-body.ts";
import type { Grant } from "../core/callers/caller.ts";

/** The default size limit for server callers. `limits.max_body_bytes` can only raise it. */
const SERVER_BODY_BYTES = 3 * 1_048_576;
/** `wrangler dev` compresses text/plain for browsers, and sends a compressed body in one piece at its end (workers-sdk#6577). */
const UNCOMPRESSED = { "content-encoding": "identity" };

export const askRoutes = new Hono<AppEnv>().post("/", postAsk).get("/:id", getAsk);

async function postAsk(c: Context<AppEnv>): Promise<Response> {
  const { deps, requestId, logFields, waitUntil } = c.var;
  const request = c.req.raw;
  const { headers, signal } = request;
  const caller = await admit(deps, request, { logFields, waitUntil });
  const bytes = await deps.receive(request, maxBodyBytes(caller.grant, deps.config));
  const context: RequestContext = { requestId, caller, signal, waitUntil, logFields };
  const contentType = headers.get("content-type");
  const text = isMultipart(contentType) ? undefined : decodeUtf8(bytes);

  if (text !== undefined && isBodilessResume(headers, text)) {
    const { reply, ...position } = await resumeAskRun(deps, context, headers);
    return eventResponse(c, reply, position);
  }

  const query = queryOf(request.url);
  const limits = caller.grant === undefined ? JSON_LIMITS.server : JSON_LIMITS.restricted;
  const parsed =
    text === undefined ? await readMultipartAsk(bytes, contentType, query) : readAsk(text, contentType, query, limits);
  const { ask, metadata } =
    caller.grant === undefined
      ? { ask: parsed, metadata: parsed.metadata }
      : restrictAsk(parsed, bytes.length, caller.grant, deps.config);
  const cacheControl = readCacheControl(headers.get("cache-control"));
  const accept = readAccept(headers.get("accept"));
  const stream = ask.stream ?? accept.events;
  const question: Question = {
    composed: compose(ask, deps.config),
    previousId: ask.previous_response_id,
    cache: ask.cache,
    cacheControl: caller.grant === undefined ? cacheControl : restrictCacheControl(cacheControl),
    cacheByDefault: true,
    metadata,
    stream,
    live: "text",
    retryIfBusy: true,
  };

  const joined = await joinAskRun(deps, question, context, parsed, headers);
  const pending = joined?.reply ?? answerDirectly(deps, question, context);
  if (!stream) {
    const reply = await pending;
    if (reply.kind !== "whole") throw new Error("a stream in place of a complete answer");
    return accept.form === "text"
      ? textResponse(reply.answer, reply.headers)
      : json(c, reply.answer, 200, reply.headers);
  }
  logFields.stream = true;
  if (accept.form === "text") return await textStreamResponse(c, await pending);
  return await eventResponse(c, pending, { run: joined?.run ?? deps.random(6), after: joined?.after ?? -1 });
}

function maxBodyBytes(grant: Grant | undefined, config: Config): number {
  if (grant !== undefined) return restrictedBodyBytes(grant, config);
  return Math.max(SERVER_BODY_BYTES, config.limits.max_body_bytes);
}

/** Most requests have no query, and parsing a URL is costly. */
function queryOf(url: string): Iterable<[name: string, value: string]> {
  return url.includes("?") ? new URL(url).searchParams : [];
}

/** Answers a request without an Idempotency-Key, for which no run is recorded. @throws Problem */
async function answerDirectly(deps: Deps, question: Question, context: RequestContext): Promise<AskReply> {
  return toAskReply(await answer(deps, question, context), context.requestId, question.composed.body.model);
}

function eventResponse(
  c: Context<AppEnv>,
  pending: Promise<AskReply>,
  position: Pick<AskStreamContext, "run" | "after">,
): Promise<Response> {
  c.get("logFields").stream = true;
  return eventStream(
    c,
    pending,
    (reply) => new AskSource(reply, { ...position, requestId: c.get("requestId"), onEnd: deferLogLine(c) }),
  );
}

/** Waits for the first text before sending headers, as the event stream waits for its reply. */
async function textStreamResponse(c: Context<AppEnv>, reply: AskReply): Promise<Response> {
  if (reply.kind === "whole") return textResponse(reply.answer, reply.headers);
  const source = new TextSource(reply, deferLogLine(c));
  await awaitUntilPing(source.readFirst());
  return new Response(liveBody(source, c.get("deps").now, { pings: false }), { headers: streamHeaders(reply) });
}

function streamHeaders({ id, headers }: StreamedAskReply): Record<string, string> {
  return { ...textHeaders(headers), ...UNCOMPRESSED, ...(id === undefined ? {} : { "x-response-id": id }) };
}

function textResponse(answer: Answer, headers: Record<string, string>): Response {
  const own = { "x-response-id": answer.id, "x-response-status": answer.status };
  return new Response(answer.text || (answer.refusal ?? ""), { headers: { ...textHeaders(headers), ...own } });
}

function textHeaders(headers: Record<string, string>): Record<string, string> {
  return { "content-type": "text/plain; charset=utf-8", ...NO_STORE, ...headers };
}

async function getAsk(c: Context<AppEnv>): Promise<Response> {
  const { deps } = c.var;
  const { owner } = await admitById(deps, c.req.raw, c.var);
  const turn = await readStoredTurn(deps, owner, c.req.param("id") ?? "");
  const { prices } = deps.config;
  if (c.req.query("thread") === "true") {
    const chain = await readChain(deps, owner, turn);
    const turns = chain.map((one) => ({ input: one.input, answer: answerFromTurn(one, prices) }));
    return json(c, { turns } satisfies Thread);
  }
  const answer = answerFromTurn(turn, prices);
  return readAccept(c.req.header("accept") ?? null).form === "text" ? textResponse(answer, {}) : json(c, answer);
}
