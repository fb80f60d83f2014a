// The menu: every fault that the emulator can play, by the name after `emulate/` in `model`.
// A number may follow the name; the one in the table is used where none does.
import * as content from "./content-faults.ts";
import * as event from "./event-faults.ts";
import type { Fault, Hooks } from "./fault.ts";
import * as refusal from "./refusals.ts";
import * as wire from "./wire-faults.ts";

const plays = (does: string, hooks: Hooks = {}, number?: number): Fault => ({
  does,
  ...hooks,
  ...(number === undefined ? {} : { number }),
});

const MENU: Record<string, Fault> = {
  text: plays("An ordinary answer, as every other model name gives"),

  // What the model made
  refusal: plays("The model refuses", content.refuses),
  incomplete: plays("Stopped by the content filter in mid-text", content.filtered),
  "reasoning-only": plays("Out of tokens before the first word", content.onlyReasons),
  failed: plays("HTTP 200 with status failed", content.fails),
  phases: plays("A commentary message, then the final answer", content.commentaryFirst),
  "two-messages": plays("Two messages in one answer", content.twoMessages),
  "unknown-items": plays("Unknown items, parts, events and fields", content.unknownItems),
  long: plays("That many words", content.manyWords, 2_000),
  "too-large": plays("A text of that many bytes in one event", content.manyBytes, 20_000_000),
  "chat-compat": plays("Converted from chat: chatcmpl- id, the chain silently ignored, few keys", content.chatCompat),

  // Statuses
  "400": plays("400, a parameter is not supported", refusal.badRequest),
  "401": plays("401, the key is invalid", refusal.badKey),
  "401-exhausted": plays("401, the key is used up", refusal.keyUsedUp),
  "401-quota": plays("401, parts of our key in the message", refusal.quotaWithKeyParts),
  "401-vendor-key": plays("401 about the aggregator's own key", refusal.vendorKey),
  "402": plays("402, payment required", refusal.paymentRequired),
  "403": plays("403, no balance, the balance in the message", refusal.noBalance),
  "404-model": plays("404, the model does not exist", refusal.unknownModel),
  "413": plays("413, the request is too large", refusal.tooLargeRequest),
  "429": plays("429, too fast, no Retry-After", refusal.tooFast),
  "429-retry-after": plays("429 with that Retry-After in seconds", refusal.tooFastUntil, 1),
  "429-once": plays("429 once, then well", refusal.once(refusal.tooFastUntil), 1),
  "429-empty": plays("429 with an empty body", refusal.emptyTooFast),
  "429-quota": plays("429 that is really about quota", refusal.quotaAs429),
  "429-saturated": plays("429, the group is saturated", refusal.saturated429),
  "429-rate-limit": plays("429 of OpenAI's own", refusal.rateLimited),
  "500": plays("500, the provider failed", refusal.serverError),
  "502-html": plays("502 with an HTML page", refusal.badGateway),
  "503": plays("503, saturated", refusal.saturated503),
  "503-once": plays("503 once, then well", refusal.once(refusal.saturatedUntil), 1),
  "503-times": plays("503 that many times, then well", refusal.times(refusal.saturated503), 2),
  "503-no-channel": plays("503, no channel for the model (one-hub)", refusal.noChannel),
  "503-model-not-found": plays("503, model not found (new-api)", refusal.noChannelNewApi),
  ...Object.fromEntries(
    Array.from({ length: 11 }, (_, index) => 520 + index).map((status) => [
      String(status),
      plays(`${status} of Cloudflare's, plain text`, {
        instead: (call) => refusal.statusOf(call, status),
      }),
    ]),
  ),
  status: plays("That HTTP status", refusal.anyStatus, 418),
  redirect: plays("302 to another host", refusal.redirect),

  // HTTP 200, and yet
  heartbeat: plays("Blank lines before the JSON, ::PING in the stream, that pause in ms between them", wire.heartbeat),
  "heartbeat-error": plays("Heartbeats, then an error with HTTP 200", refusal.heartbeatError),
  "error-200": plays("An error with HTTP 200", refusal.errorWith200),
  "unknown-error-200": plays("An unknown error with HTTP 200", refusal.unknownErrorWith200),
  "not-json": plays("Plain text with HTTP 200", refusal.notJson),

  // The chain and its ids
  "forgets-chain": plays("400 for every previous_response_id", refusal.forgetsChain(400)),
  "forgets-chain-404": plays("404 for every previous_response_id", refusal.forgetsChain(404)),
  "forgets-items": plays("400 for input items with rs_ ids", refusal.forgetsItems),
  "ignores-chain": plays("Answers without the chain, echoes null", event.ignoresChain),
  "ignores-chain-echoes": plays(
    "Answers without the chain and echoes its id all the same",
    event.ignoresChainButEchoes,
  ),
  "id-changes": plays("The id of the terminal event is another one", event.idChanges),
  "no-id": plays("A response without an id", event.noId),
  "long-id": plays("An id of 300 characters", content.longId),
  "uuid-id": plays("An id that is a bare UUID", content.uuidId),

  // Responses and events
  "error-event": plays("A flat error event ends the stream", event.errorEvent),
  "error-event-nested": plays("A nested error event, then failed", event.errorEventNested),
  "output-text-empty": plays('output_text: "" beside real text', event.emptyOutputText),
  "no-usage": plays("No usage", event.noUsage),
  "no-output-in-terminal": plays("The terminal event has no output", event.noOutputInTerminal),
  "no-deltas": plays("A stream without deltas", event.noDeltas),

  // Framing and encoding
  "bare-json": plays("A bare JSON line, then the stream ends", wire.bareJson),
  "no-event-lines": plays("A stream of data: lines only", wire.noEventLines),
  comments: plays("A stream with : PROCESSING comments", wire.comments),
  done: plays("data: [DONE] ends the stream", wire.done),
  crlf: plays("A stream with CRLF line ends", wire.crlf),
  "json-for-stream": plays("JSON although a stream was asked for", { wire: "json" }),
  "sse-for-json": plays("A stream although JSON was asked for", { wire: "sse" }),
  gzip: plays("A gzipped body", wire.gzipped),
  "bad-encoding": plays("Says gzip and is not", wire.badEncoding),
  "invalid-utf8": plays("Bytes that are no UTF-8", wire.invalidUtf8),
  unicode: plays("Multi-byte characters split over chunks", wire.splitCharacters),
  splits: plays("Every byte in a chunk of its own", wire.byteByByte),
  "endless-event": plays("An event, or a JSON string, without an end", wire.endless),

  // Time and connections
  cut: plays("Ends in the middle: a clean end of the stream, a short JSON body", wire.cut),
  reset: plays("The connection breaks in the middle of the body", wire.breaks),
  "reset-before-headers": plays("The connection breaks at once", wire.breaksBeforeHeaders),
  "first-byte": plays("Silent for that many ms before the headers", wire.silentAtFirst, 1_000),
  slow: plays("That pause in ms before each delta, or before the JSON", wire.slow, 200),
  stall: plays("Half of the answer, then silence", wire.stalls),
  drip: plays("One byte every that many ms", wire.byteByByte, 1),
};

/** Undefined for an `emulate/…` name that is not on the menu; other names are ordinary models. */
export function menuEntry(model: string): { fault: Fault; number: number } | undefined {
  if (!model.startsWith("emulate/")) return { fault: plays(""), number: 0 };
  const [, name = "", given] = /^emulate\/([^/]+)(?:\/(\d+))?$/.exec(model) ?? [];
  const fault = Object.hasOwn(MENU, name) ? MENU[name] : undefined;
  return fault && { fault, number: given === undefined ? (fault.number ?? 0) : Number(given) };
}

export const menuModels = (): { id: string; description: string }[] =>
  Object.entries(MENU).map(([name, { does, number }]) => ({
    id: `emulate/${name}${number === undefined ? "" : `/${number}`}`,
    description: does,
  }));
