// The types of requests and answers that users of the client see, taken from src/contract. A project that uses the client has no zod, so
// `expand` makes tsc write each type out in full in the declarations that the package ships. Only `import type` from this file: its values
// don't exist at run time.
import type { Answer as ContractAnswer, AskEvent as ContractEvent } from "../contract/answer.ts";
import type { AskBody as ContractBody } from "../contract/ask.ts";

type Expand<T> = T extends object
  ? T extends infer Fields
    ? { [Key in keyof Fields]: Expand<Fields[Key]> }
    : never
  : T;
declare function expand<T>(): Expand<T>;

const answer = expand<ContractAnswer>();
const event = expand<Exclude<ContractEvent, { event: "done" | "error" }>>();
const body = expand<Omit<ContractBody, "stream">>();

/** The body of a 200 response of POST /ask. The keys after `usage` are present only if they have a value. */
export type Answer = typeof answer;

/** An event of a stream. An `error` event is thrown as an AskError instead. */
export type AskEvent = typeof event | { event: "done"; data: Answer };

/**
 * The body of POST /ask. docs/api.md describes its fields. null and undefined mean that a field is not set. There is no `stream` field: you
 * choose by calling `ask()` or `stream()`.
 */
export type AskBody = typeof body;

/** A string, or a list of messages and items as in the Responses API. */
export type Input = AskBody["input"];
