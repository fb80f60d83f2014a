// POST /ask and GET /ask/{id}: a small request in, the trimmed answer out, as JSON, text, event stream or text stream.
import { type Context, Hono } from "hono";
import { answer, type Question, type Streamed, type Whole } from "../answer/answer.ts";
import { AskSource, TextSource } from "../respond/ask-source.ts";
import { identify } from "../gate/identify.ts";
import { readChain } from "../answer/chain.ts";
import { readBody } from "../core/body.ts";
import { compose } from "../core/compose.ts";
import { readId } from "../core/ids.ts";
import { decodeUtf8 } from "../core/json.ts";
import { readCacheControl } from "../core/policy.ts";
import { methodNotAllowed, Problem } from "../core/problem.ts";
import { readAccept, readAsk } from "../core/read-ask.ts";
import { recall } from "../core/recall.ts";
import type { Answer } from "../core/trim.ts";
import { decodeTurn, turnKey } from "../core/turn.ts";
import type { AppEnv, Deps, RequestContext } from "../deps.ts";
import { liveStream } from "../respond/live-stream.ts";

/** Server callers' cap; `limits.max_body_bytes` can only raise it. */
const SERVER_BODY_BYTES = 3 * 1_048_576;
/** Of silence, before a comment keeps the connection and its proxies awake. */
const PING = { text: ": ping\n\n", afterMs: 5_000 };

export const askRoutes = new Hono<AppEnv>()
  .post("/ask", postAsk)
  .get("/ask/:id", getAsk)
  .all("/ask", () => {
    throw methodNotAllowed("POST");
  })
  .all("/ask/:id", () => {
    throw methodNotAllowed("GET, HEAD");
  });

async function postAsk(c: Context<AppEnv>): Promise<Response> {
  const { deps, facts } = c.var;
  const request = c.req.raw;
  const caller = await identify(deps, request);
  facts.caller = caller.kind;
  const text = decodeUtf8(await bodyOf(request, deps));
  const ask = readAsk(text, request.headers.get("content-type"), new URL(request.url).searchParams);
  const composed = compose(ask, deps.config);
  const accept = readAccept(request.headers.get("accept"));
  const stream = ask.stream ?? accept.events;
  const question: Question = {
    composed,
    previousId: ask.previous_response_id,
    cache: ask.cache,
    control: readCacheControl(request.headers.get("cache-control")),
    metadata: ask.metadata,
    stream,
    idFirst: stream && accept.form === "text",
  };
  const context: RequestContext = {
    requestId: c.var.requestId,
    caller,
    signal: request.signal,
    later: (work) => c.executionCtx.waitUntil(work),
    facts,
  };
  const answered = answer(deps, question, context);
  if (!stream) {
    const got = await answered;
    if (got.kind !== "whole") throw new Error("a stream where none was asked for");
    return accept.form === "text" ? wholeText(got.answer, got.headers) : wholeJson(got.answer, got.headers);
  }
  facts.stream = true;
  return accept.form === "text" ? textStream(c, await answered) : eventStream(c, answered, composed.body.model);
}

async function bodyOf(request: Request, deps: Deps): Promise<Uint8Array> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), deps.bodyTimeoutMs);
  try {
    return await readBody(request, Math.max(SERVER_BODY_BYTES, deps.config.limits.max_body_bytes), late.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for the first event, so that a refusal keeps its status; but not longer than a client should have to wait for a sign of life. */
async function eventStream(c: Context<AppEnv>, answered: Promise<Whole | Streamed>, model: string): Promise<Response> {
  const { now } = c.var.deps;
  const silentSince = now();
  const got = await patiently(answered);
  const source = new AskSource(got ?? answered, { run: c.var.deps.random(6), requestId: c.var.requestId, model, ended: liveEnd(c) });
  const headers = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    ...got?.headers,
  };
  return new Response(liveStream(source, PING, now, got === undefined ? silentSince : undefined), { headers });
}

/** What comes while a client can wait without a sign of life; undefined after that. */
async function patiently<T>(coming: Promise<T>): Promise<T | undefined> {
  let timer: number | null = null;
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PING.afterMs);
  });
  return await Promise.race([coming, patience]).finally(() => clearTimeout(timer));
}

/** Waits for the first word, as the event stream does for its first event. */
async function textStream(c: Context<AppEnv>, got: Whole | Streamed): Promise<Response> {
  if (got.kind === "whole") return wholeText(got.answer, got.headers);
  const source = new TextSource(got, liveEnd(c));
  await patiently(source.first());
  const headers = { ...textHeaders(got.headers), ...(got.id === undefined ? {} : { "x-response-id": got.id }) };
  return new Response(liveStream(source, undefined, c.var.deps.now), { headers });
}

/** The request's log line waits for the stream's end. */
function liveEnd(c: Context<AppEnv>): (problem?: Problem) => void {
  const { facts, finish } = c.var;
  c.set("live", true);
  return (problem) => {
    if (problem !== undefined) {
      facts.code = problem.code;
      facts.reason = problem.details.reason;
    }
    finish();
  };
}

function wholeJson(answer: Answer, headers: Record<string, string>): Response {
  return Response.json(answer, { headers: { "cache-control": "no-store", ...headers } });
}

function wholeText(answer: Answer, headers: Record<string, string>): Response {
  const own = { "x-response-id": answer.id, "x-response-status": answer.status };
  return new Response(answer.text || (answer.refusal ?? ""), { headers: { ...textHeaders(headers), ...own } });
}

function textHeaders(headers: Record<string, string>): Record<string, string> {
  return { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", ...headers };
}

async function getAsk(c: Context<AppEnv>): Promise<Response> {
  const { deps, facts } = c.var;
  const { owner, kind } = await identify(deps, c.req.raw);
  facts.caller = kind;
  const id = c.req.param("id") ?? "";
  const genuine = (await readId(deps.idKeys, owner, id)) !== null;
  const [text] = genuine ? await deps.store.read([turnKey(owner, id)]) : [];
  const turn = decodeTurn(text ?? null);
  if (turn === null) {
    throw new Problem(
      "response_not_found",
      "There is no answer with this id: it was never given to this caller, or its time in memory is over.",
      { param: "id" },
    );
  }
  const { prices } = deps.config;
  if (c.req.query("thread") === "true") {
    const turns = (await readChain(deps, owner, turn)).map((one) => ({ input: one.input, answer: recall(one, prices) }));
    return Response.json({ turns }, { headers: { "cache-control": "no-store" } });
  }
  const answer = recall(turn, prices);
  return readAccept(c.req.header("accept") ?? null).form === "text" ? wholeText(answer, {}) : wholeJson(answer, {});
}
