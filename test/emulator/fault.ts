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
  readonly draft?: (draft: Draft, number: number) => Draft;
  /** Changes the response before events are made of it. */
  readonly response?: (response: JsonObject, call: Call) => JsonObject;
  readonly events?: (events: JsonObject[], call: Call) => JsonObject[];
  readonly script?: (script: Script, call: Call, number: number) => Script;
};

export type Fault = Hooks & {
  /** Shown by GET /v1/models. */
  readonly description: string;
  /** The entry takes a number after its name; this is the default. */
  readonly number?: number;
};
