// The menu: every fault that the emulator can play, by the name after `emulate/` in `model`. A number may follow the name; the number in
// the table is the default. Entries joined by `+` change one answer together: `emulate/everything+without-created`. An ordinary name may
// come first, for SDKs that judge a model by its name: `gpt-6-sol/emulate/shares-nothing`.
import * as content from "./content-faults.ts";
import { ERROR_FORMS } from "./error-families.ts";
import * as event from "./event-faults.ts";
import * as stream from "./event-families.ts";
import { bind, type BoundHooks, type Family, type Fault, type Hooks } from "./fault.ts";
import { ITEM_FORMS } from "./item-faults.ts";
import * as lost from "./lost-faults.ts";
import * as refusal from "./refusals.ts";
import { USAGE_FORMS } from "./usage-faults.ts";
import * as wire from "./wire-faults.ts";

const entry = (description: string, hooks: Hooks = {}, number?: number): Fault => ({
  description,
  ...hooks,
  ...(number === undefined ? {} : { number }),
});

const MENU: Record<string, Fault> = {
  text: entry("An ordinary answer, as every other model name gives"),

  // The model's output
  refusal: entry("The model refuses", content.refuses),
  incomplete: entry("Stopped by the content filter in mid-text", content.filtered),
  "reasoning-only": entry("Out of tokens before the first word", content.onlyReasons),
  failed: entry("HTTP 200 with status failed", content.fails),
  phases: entry("A commentary message, then the final answer", content.commentaryFirst),
  "two-messages": entry("Two messages in one answer", content.twoMessages),
  "unknown-items": entry("Unknown items, parts, events and fields", content.unknownItems),
  everything: entry("Reasoning, a search, a text with a citation, and a function call", content.everything),
  reasons: entry("Reasoning before every message and call, as a reasoning model gives it", content.reasonsAlways),
  "asks-approval": entry("Asks whether a remote tool may run, until the caller agrees", content.asksApproval),
  "big-integers": entry("Integers beyond 2^53 in the text and in a call's arguments", content.bigIntegers),
  long: entry("An answer of that many words", content.manyWords, 2_000),
  "too-large": entry("A text of that many bytes in one event", content.manyBytes, 20_000_000),
  "chat-compat": entry("Converted from chat: chatcmpl- id, the chain silently ignored, few keys", content.chatCompat),

  // Statuses
  "400": entry("400, a parameter is not supported", refusal.badRequest),
  "401": entry("401, the key is invalid", refusal.badKey),
  "401-exhausted": entry("401, the key has no quota left", refusal.keyUsedUp),
  "401-quota": entry("401, parts of our key in the message", refusal.quotaWithKeyParts),
  "401-vendor-key": entry("401 about the relay's own key", refusal.vendorKey),
  "402": entry("402, payment required", refusal.paymentRequired),
  "403": entry("403, no balance, the balance in the message", refusal.noBalance),
  "404-model": entry("404, the model does not exist", refusal.unknownModel),
  "413": entry("413, the request is too large", refusal.tooLargeRequest),
  "429": entry("429, too many requests, no Retry-After", refusal.tooFast),
  "429-retry-after": entry("429 with that Retry-After in seconds", refusal.tooFastUntil, 1),
  "429-once": entry("429 once, then an answer", refusal.once(refusal.tooFastUntil), 1),
  "429-empty": entry("429 with an empty body", refusal.emptyTooFast),
  "429-quota": entry("429 that is really an exhausted quota", refusal.quotaAs429),
  "429-saturated": entry("429, the group is saturated", refusal.saturated429),
  "429-rate-limit": entry("429 from OpenAI itself", refusal.rateLimited),
  "500": entry("500, the provider failed", refusal.serverError),
  "502-html": entry("502 with an HTML page", refusal.badGateway),
  "503": entry("503, saturated", refusal.saturated503),
  "503-once": entry("503 once, then an answer", refusal.once(refusal.saturatedUntil), 1),
  "503-times": entry("503 that many times, then an answer", refusal.times(refusal.saturated503), 2),
  "503-no-channel": entry("503, no channel for the model (one-hub)", refusal.noChannel),
  "503-model-not-found": entry("503, model not found (new-api)", refusal.noChannelNewApi),
  ...Object.fromEntries(
    Array.from({ length: 11 }, (_, index) => 520 + index).map((status) => [
      String(status),
      entry(`${status} from Cloudflare, plain text`, {
        instead: (call) => refusal.statusOf(call, status),
      }),
    ]),
  ),
  status: entry("That HTTP status", refusal.anyStatus, 418),
  redirect: entry("302 to another host", refusal.redirect),

  // Errors with HTTP 200
  heartbeat: entry("Blank lines before the JSON, ::PING in the stream, that pause in ms between them", wire.heartbeat),
  "heartbeat-error": entry("Heartbeats, then an error with HTTP 200", refusal.heartbeatError),
  "error-200": entry("An error with HTTP 200", refusal.errorWith200),
  "unknown-error-200": entry("An unknown error with HTTP 200", refusal.unknownErrorWith200),
  "chat-completion": entry("An answer of Chat Completions", refusal.chatCompletion),
  "not-json": entry("Plain text with HTTP 200", refusal.notJson),

  // The chain and its ids
  "forgets-chain": entry("400 for every previous_response_id", lost.forgetsChain),
  "forgets-items": entry(
    "400 for items with rs_, msg_ and fc_ ids and for item references; always reasons",
    lost.forgetsItems,
  ),
  "shares-nothing": entry(
    "Keeps nothing between calls: no response, no item, no sealed reasoning, each refused in OpenAI's words; always reasons",
    lost.sharesNothing,
  ),
  "ignores-chain": entry("Ignores the chain and returns null as its id", event.ignoresChain),
  "ignores-chain-echoes": entry("Ignores the chain, but returns its id", event.ignoresChainButEchoes),
  "id-changes": entry("The id of the terminal event is another one", event.idChanges),
  "no-id": entry("A response without an id", event.noId),
  "long-id": entry("An id of 300 characters", content.longId),
  "uuid-id": entry("An id that is a bare UUID", content.uuidId),

  // Responses and events
  "error-event": entry("A flat error event ends the stream", event.errorEvent),
  "error-event-nested": entry("A nested error event, then failed", event.errorEventNested),
  "output-text-empty": entry('output_text: "" beside real text', event.emptyOutputText),
  "no-usage": entry("No usage", event.noUsage),
  "no-output-in-terminal": entry("The terminal event has no output", event.noOutputInTerminal),
  "no-deltas": entry("A stream without deltas", event.noDeltas),
  "all-hollow": entry("Only the deltas have content: what ends a part or an item is empty", stream.allHollow),
  "whole-added": entry("Items are whole where they begin, and nothing follows them", stream.wholeAdded),
  "only-deltas": entry("Nothing begins or ends but the response", stream.onlyDeltas),
  "cumulative-deltas": entry("Each delta is everything so far", stream.cumulativeDeltas),
  "deltas-as-objects": entry("Deltas as objects with a text", stream.deltasAsObjects),
  "output-text-only": entry("No items, only output_text", event.outputTextOnly),
  "no-indexes": entry("Events without indexes", stream.noIndexes),
  "all-index-0": entry("Every index is 0", stream.allIndex0),
  "indexes-as-texts": entry("Indexes as text", stream.indexesAsTexts),
  "indexes-with-gaps": entry("Indexes that begin at 2 and leave gaps", stream.indexesWithGaps),
  "no-item-ids": entry("Events without item_id", stream.noItemIds),
  "item-ids-change": entry("Another item id in every event", stream.itemIdsChange),
  keepalives: entry("keepalive, ping and other events that aren't of Responses, after every event", stream.keepalives),
  "chat-chunks-inside": entry("Chunks of Chat Completions between the events", stream.chatChunksInside),
  "stray-json": entry("null, a text and a list as data between the events", stream.strayJson),

  // Framing and encoding
  "bare-json": entry("A bare JSON line, then the stream ends", wire.bareJson),
  "no-event-lines": entry("A stream of data: lines only", wire.noEventLines),
  comments: entry("A stream with : PROCESSING comments", wire.comments),
  done: entry("data: [DONE] ends the stream", wire.done),
  crlf: entry("A stream with CRLF line ends", wire.crlf),
  "json-for-stream": entry("JSON although a stream was asked for", { wire: "json" }),
  "sse-for-json": entry("A stream although JSON was asked for", { wire: "sse" }),
  gzip: entry("A gzipped body", wire.gzipped),
  "bad-encoding": entry("Claims gzip, but isn't", wire.badEncoding),
  "invalid-utf8": entry("Bytes that aren't UTF-8", wire.invalidUtf8),
  unicode: entry("Multi-byte characters split over chunks", wire.splitCharacters),
  "split-surrogates": entry("Characters of two UTF-16 units split over deltas", {
    draft: content.multiByte,
    ...stream.splitSurrogates,
  }),
  splits: entry("Every byte in a chunk of its own", wire.byteByByte),
  "endless-event": entry("An event, or a JSON string, without an end", wire.endless),

  // Time and connections
  cut: entry("Ends in the middle: the stream ends cleanly, the JSON body is too short", wire.cut),
  reset: entry("The connection breaks in the middle of the body", wire.breaks),
  "reset-before-headers": entry("The connection breaks at once", wire.breaksBeforeHeaders),
  "first-byte": entry("Silent for that many ms before the headers", wire.silentAtFirst, 1_000),
  slow: entry("That pause in ms before each delta, or before the JSON", wire.slow, 200),
  stall: entry("Half of the answer, then silence", wire.stalls),
  drip: entry("One byte every that many ms", wire.byteByByte, 1),
};

/** Entries that are alike. In a pattern, a word in capitals stands for the part of the name that differs. */
export const FAMILIES: readonly Family[] = [
  {
    pattern: "without-EVENT",
    description: "A stream without that event",
    members: prefixed("without-", stream.WITHOUT_EVENT),
  },
  {
    pattern: "doubled-EVENT",
    description: "A stream with that event twice",
    members: prefixed("doubled-", stream.DOUBLED_EVENT),
  },
  {
    pattern: "early-EVENT",
    description: "That event right after the first one",
    members: prefixed("early-", stream.EARLY_EVENT),
  },
  {
    pattern: "late-EVENT",
    description: "That event right before the last one",
    members: prefixed("late-", stream.LATE_EVENT),
  },
  {
    pattern: "renamed-EVENT",
    description: "That event under another name",
    members: prefixed("renamed-", stream.RENAMED_EVENT),
  },
  {
    pattern: "hollow-EVENT",
    description: "That event with empty text, arguments and content",
    members: prefixed("hollow-", stream.HOLLOW_EVENT),
  },
  {
    pattern: "without-field-FIELD",
    description: "Without that field of the events, the response, the items or the parts",
    members: prefixed("without-field-", stream.WITHOUT_FIELD),
  },
  {
    pattern: "null-field-FIELD",
    description: "With null in that field",
    members: prefixed("null-field-", stream.NULL_FIELD),
  },
  {
    pattern: "terminal-FORM",
    description: "A last event of that form",
    members: prefixed("terminal-", stream.TERMINAL_FORMS),
  },
  {
    pattern: "numbers-FORM",
    description: "Sequence numbers of that form",
    members: prefixed("numbers-", stream.NUMBER_FORMS),
  },
  {
    pattern: "created-at-FORM",
    description: "created_at in that form",
    members: prefixed("created-at-", stream.CREATED_AT_FORMS),
  },
  { pattern: "frames-FORM", description: "Frames of that form", members: prefixed("frames-", wire.FRAME_FORMS) },
  {
    pattern: "content-type-FORM",
    description: "A content type of that form",
    members: prefixed("content-type-", wire.CONTENT_TYPES),
  },
  { pattern: "items-with-FORM", description: "Items of that form", members: prefixed("items-with-", ITEM_FORMS) },
  { pattern: "usage-FORM", description: "Usage of that form", members: prefixed("usage-", USAGE_FORMS) },
  {
    pattern: "WHAT-as-FORM-in-PLACE",
    description: "That error in that form: with its status, with 200, or before or after the first output of a stream",
    members: Object.fromEntries(Object.entries(ERROR_FORMS).map(([name, { hooks }]) => [name, hooks])),
  },
  {
    pattern: "forgets-chain-WAY",
    description: "Refuses every previous_response_id in that way",
    members: prefixed("forgets-chain-", lost.FORGETS_CHAIN),
  },
  {
    pattern: "forgets-calls-WAY",
    description: "Ignores the chain, and refuses a tool's output in that way since its call is missing",
    members: prefixed("forgets-calls-", lost.FORGETS_CALLS),
  },
  {
    pattern: "forgets-items-WAY",
    description: "Refuses items in that way; always reasons",
    members: prefixed("forgets-items-", lost.FORGETS_ITEMS),
  },
];

function prefixed(prefix: string, members: Record<string, Hooks>): Record<string, Hooks> {
  return Object.fromEntries(Object.entries(members).map(([name, hooks]) => [prefix + name, hooks]));
}

const MEMBERS: Record<string, Hooks> = Object.assign({}, ...FAMILIES.map(({ members }) => members)) as Record<
  string,
  Hooks
>;

function entryOf(text: string): { hooks: Hooks; number: number } | undefined {
  const [, name = "", given] = /^([^/]+)(?:\/(\d+))?$/.exec(text) ?? [];
  const fault = Object.hasOwn(MENU, name) ? MENU[name] : undefined;
  const hooks = fault ?? (Object.hasOwn(MEMBERS, name) ? MEMBERS[name] : undefined);
  return hooks && { hooks, number: given === undefined ? (fault?.number ?? 0) : Number(given) };
}

/** Undefined for an `emulate/…` name that is not on the menu. Other names are ordinary models. */
export function faultOf(model: string): BoundHooks | undefined {
  const [, names] = /(?:^|\/)emulate\/(.*)$/.exec(model) ?? [];
  if (names === undefined) return bind([]);
  const entries = names.split("+").map(entryOf);
  return entries.includes(undefined) ? undefined : bind(entries.filter((each) => each !== undefined));
}

/** Each entry, and one member of each family. */
export const menuModels = (): { id: string; description: string }[] => [
  ...Object.entries(MENU).map(([name, { description, number }]) => ({
    id: `emulate/${name}${number === undefined ? "" : `/${number}`}`,
    description,
  })),
  ...FAMILIES.map(({ pattern, description, members }) => ({
    id: `emulate/${Object.keys(members)[0] ?? ""}`,
    description: `${description}: one of ${Object.keys(members).length} entries ${pattern}`,
  })),
];
