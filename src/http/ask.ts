// POST /ask and GET /ask/{id}: a small request in, the trimmed answer out, as JSON, text, event stream or text stream.
import type { Answer } from "../contract/answer.ts";
import { type Context, Hono } from "hono";
import { answer, type Question, type StreamedAnswer, type WholeAnswer } from "../answer/answer.ts";
import { eventStream, liveEnd, patiently } from "./respond/event-stream.ts";
import { AskSource, type AskStreamContext, TextSource, trimFinished } from "./respond/ask-source.ts";
import { joinRun, resumeRun } from "../answer/runs/join-run.ts";
import { admit, admitReader } from "../gate/admit.ts";
import { readChain } from "../answer/chain.ts";
import { readStoredTurn } from "../answer/stored-turns.ts";
import { compose } from "../core/request/compose.ts";
import { isBodilessResume } from "../core/request/idempotency.ts";
import { decodeUtf8 } from "../core/lib/json.ts";
import { restrictAsk, restrictCacheControl, restrictedBodyBytes } from "../core/request/restrict.ts";
import { methodNotAllowed } from "../core/lib/problem.ts";
import { readAccept, readAsk } from "../core/request/read-ask.ts";
import { answerFromTurn } from "../core/turns/stored-answer.ts";
import { assertNotFailed } from "../core/reply/trim.ts";
import type { Thread } from "../contract/answer.ts";
import type { AppEnv } from "../app-env.ts";
import type { RequestContext } from "../deps.ts";
import { jsonResponse } from "./respond/json-response.ts";
import { liveStream } from "./respond/live-stream.ts";
import { readCacheControl } from "../core/request/cache-control.ts";

/** Server callers' cap; `limits.max_body_bytes` can only raise it. */
const SERVER_BODY_BYTES = 3 * 1_048_576;
/** `wrangler dev` compresses text/plain for browsers, and gives a compressed text out in one piece at its end (workers-sdk#6577). */
const UNCOMPRESSED = { "content-encoding": "identity" };

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
  const deps = c.get("deps");
  const logFields = c.get("logFields");
  const request = c.req.raw;
  const waitUntil = (work: Promise<unknown>): void => c.executionCtx.waitUntil(work);
  const caller = await admit(deps, request, { logFields, waitUntil });
  const { grant } = caller;
  const cap =
    grant === undefined
      ? Math.max(SERVER_BODY_BYTES, deps.config.limits.max_body_bytes)
      : restrictedBodyBytes(grant, deps.config);
  const bytes = await deps.receive(request, cap);
  const text = decodeUtf8(bytes);
  const context: RequestContext = {
    requestId: c.get("requestId"),
    caller,
    signal: request.signal,
    waitUntil,
    logFields,
  };
  if (isBodilessResume(request.headers, text)) {
    const { run, after, answered } = await resumeRun(deps, context, request.headers);
    return eventsOf(c, answered.then(anAnswer), { run, after, model: "" });
  }
  const asked = readAsk(text, request.headers.get("content-type"), queryOf(request.url));
  const { ask, metadata } =
    grant === undefined
      ? { ask: asked, metadata: asked.metadata }
      : restrictAsk(asked, bytes.length, grant, deps.config);
  const composed = compose(ask, deps.config);
  const control = readCacheControl(request.headers.get("cache-control"));
  const accept = readAccept(request.headers.get("accept"));
  const stream = ask.stream ?? accept.events;
  const question: Question = {
    composed,
    previousId: ask.previous_response_id,
    cache: ask.cache,
    cacheControl: grant === undefined ? control : restrictCacheControl(control),
    cacheByDefault: true,
    metadata,
    stream,
    idFirst: stream && accept.form === "text",
    retries: true,
  };
  const flight = await joinRun(deps, question, context, {
    route: "/ask",
    asked,
    headers: request.headers,
    resumable: true,
  });
  const answered = (flight?.answered ?? answer(deps, question, context)).then(anAnswer);
  if (!stream) {
    const got = await answered;
    if (got.kind !== "whole") throw new Error("a stream where none was asked for");
    return accept.form === "text"
      ? wholeText(trimFinished(got.finished), got.headers)
      : jsonResponse(c, trimFinished(got.finished), got.headers);
  }
  if (accept.form === "text") {
    logFields.stream = true;
    return textStream(c, await answered);
  }
  const { run, after } = flight ?? { run: deps.random(6), after: -1 };
  return eventsOf(c, answered, { run, after, model: composed.body.model });
}

/** Most requests have none, and an address is costly to take apart. */
function queryOf(url: string): Iterable<[name: string, value: string]> {
  return url.includes("?") ? new URL(url).searchParams : [];
}

function eventsOf(
  c: Context<AppEnv>,
  answered: Promise<WholeAnswer | StreamedAnswer>,
  logFields: Pick<AskStreamContext, "run" | "after" | "model">,
): Promise<Response> {
  c.get("logFields").stream = true;
  return eventStream(
    c,
    answered,
    (got) => new AskSource(got, { ...logFields, requestId: c.get("requestId"), ended: liveEnd(c) }),
  );
}

/** A response that failed is none, and while nothing has left it can say so with a status. @throws Problem */
function anAnswer(got: WholeAnswer | StreamedAnswer): WholeAnswer | StreamedAnswer {
  if (got.kind === "whole") assertNotFailed(got.finished.response);
  return got;
}

/** Waits for the first word, as the event stream does for its first event. */
async function textStream(c: Context<AppEnv>, got: WholeAnswer | StreamedAnswer): Promise<Response> {
  if (got.kind === "whole") return wholeText(trimFinished(got.finished), got.headers);
  const source = new TextSource(got, liveEnd(c));
  await patiently(source.first());
  const headers = {
    ...textHeaders(got.headers),
    ...UNCOMPRESSED,
    ...(got.id === undefined ? {} : { "x-response-id": got.id }),
  };
  return new Response(liveStream(source, undefined, c.get("deps").now), { headers });
}

function wholeText(answer: Answer, headers: Record<string, string>): Response {
  const own = { "x-response-id": answer.id, "x-response-status": answer.status };
  return new Response(answer.text || (answer.refusal ?? ""), { headers: { ...textHeaders(headers), ...own } });
}

function textHeaders(headers: Record<string, string>): Record<string, string> {
  return { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", ...headers };
}

async function getAsk(c: Context<AppEnv>): Promise<Response> {
  const { deps, logFields } = c.var;
  const { owner } = await admitReader(deps, c.req.raw, {
    logFields,
    waitUntil: (work) => c.executionCtx.waitUntil(work),
  });
  const turn = await readStoredTurn(deps, owner, c.req.param("id") ?? "");
  const { prices } = deps.config;
  if (c.req.query("thread") === "true") {
    const turns = (await readChain(deps, owner, turn)).map((one) => ({
      input: one.input,
      answer: answerFromTurn(one, prices),
    }));
    return jsonResponse(c, { turns } satisfies Thread);
  }
  const answer = answerFromTurn(turn, prices);
  return readAccept(c.req.header("accept") ?? null).form === "text" ? wholeText(answer, {}) : jsonResponse(c, answer);
}
