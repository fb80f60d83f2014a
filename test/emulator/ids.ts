// Ids that look like those of OpenAI (`resp_` and 50 hex digits) and of one-hub (time and 8 letters).
// They are random: nothing in an answer's text depends on them.
import { randomBytes, randomInt } from "node:crypto";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const letters = (count: number): string =>
  Array.from({ length: count }, () => LETTERS[randomInt(LETTERS.length)]).join("");

/** `newId("msg")` is `msg_` and 50 hex digits. */
export const newId = (prefix: string): string => `${prefix}_${randomBytes(25).toString("hex")}`;

export const newCallId = (): string => `call_${letters(24)}`;

export const newChatId = (): string => `chatcmpl-${letters(29)}`;

export const newRequestId = (): string => new Date().toISOString().replace(/\D/g, "").slice(0, 14) + letters(8);
