// The parts that an entry of the menu may change, from the request to the bytes. Each hook maps plain data to
// plain data. An entry without hooks gives an ordinary answer.
import type { Draft } from "./draft.ts";
import type { JsonObject } from "./json.ts";
import type { Script } from "./script.ts";

export type Call = {
  /** As received, without the changes of a `request` hook. */
  readonly body: JsonObject;
  readonly raw: string;
  readonly model: string;
  readonly stream: boolean;
  /** The caller's key: one error of the menu shows parts of it. */
  readonly key: string;
  readonly requestId: string;
  readonly port: number;
  /** Bodies refused by a `…-once` entry and not repeated since. */
  readonly refusedOnce: Set<string>;
};

export type Hooks = {
  /** The form of the answer, regardless of the request's `stream`. */
  readonly wire?: "json" | "sse";
  /** An answer instead of a generation; undefined lets the request pass. */
  readonly instead?: (call: Call, number: number) => Script | undefined;
  readonly request?: (body: JsonObject) => JsonObject;
  /** `items` is the conversation up to the answer. */
  readonly draft?: (draft: Draft, number: number, items: readonly JsonObject[]) => Draft;
  /** Changes the response before events are made of it. */
  readonly response?: (response: JsonObject, call: Call) => JsonObject;
  /** Changes a response that is sent as JSON. */
  readonly json?: (response: JsonObject, call: Call) => JsonObject;
  /** Changes the events of a stream. They are numbered afterwards, except those that already have a `sequence_number`. */
  readonly events?: (events: JsonObject[], call: Call) => JsonObject[];
  readonly script?: (script: Script, call: Call, number: number) => Script;
};

/** Entries that differ in one part of their name, such as the event that they leave out. */
export type Family = {
  /** The names as a pattern, such as `without-EVENT`. */
  readonly pattern: string;
  readonly description: string;
  /** By name. The first one stands for the family in GET /v1/models. */
  readonly members: Readonly<Record<string, Hooks>>;
};

export type Fault = Hooks & {
  /** Shown by GET /v1/models. */
  readonly description: string;
  /** The entry takes a number after its name; this is the default. */
  readonly number?: number;
};

/** All hooks of a model's name, in the order of its entries. */
export type BoundHooks = {
  readonly wire: "json" | "sse" | undefined;
  readonly instead: (call: Call) => Script | undefined;
  readonly request: (body: JsonObject) => JsonObject;
  readonly draft: (draft: Draft, items: readonly JsonObject[]) => Draft;
  readonly response: (response: JsonObject, call: Call) => JsonObject;
  readonly json: (response: JsonObject, call: Call) => JsonObject;
  readonly events: (events: JsonObject[], call: Call) => JsonObject[];
  readonly script: (script: Script, call: Call) => Script;
};

/** Joins the hooks of several entries, each with its number. Each hook gets what the one before it returned. */
export function bind(entries: readonly { readonly hooks: Hooks; readonly number: number }[]): BoundHooks {
  const chain =
    <T>(step: (value: T, entry: { hooks: Hooks; number: number }) => T | undefined): ((value: T) => T) =>
    (first) =>
      entries.reduce((value, entry) => step(value, entry) ?? value, first);
  return {
    wire: entries.findLast(({ hooks }) => hooks.wire !== undefined)?.hooks.wire,
    instead: (call) => {
      for (const { hooks, number } of entries) {
        const script = hooks.instead?.(call, number);
        if (script) return script;
      }
      return undefined;
    },
    request: chain((body, { hooks }) => hooks.request?.(body)),
    draft: (draft, items) => chain<Draft>((value, { hooks, number }) => hooks.draft?.(value, number, items))(draft),
    response: (response, call) => chain<JsonObject>((value, { hooks }) => hooks.response?.(value, call))(response),
    json: (response, call) => chain<JsonObject>((value, { hooks }) => hooks.json?.(value, call))(response),
    events: (events, call) => chain<JsonObject[]>((value, { hooks }) => hooks.events?.(value, call))(events),
    script: (script, call) => chain<Script>((value, { hooks, number }) => hooks.script?.(value, call, number))(script),
  };
}
