// Determines what an unpaid refusal by upstream is about, so that the call can be repeated without the part that upstream does not know.
// Upstream's many backends name that part with a code, with a field or in words. A wrong guess costs one more unpaid call.
import type { ErrorFields } from "./error-fields.ts";

/**
 * `parent`: the response that the request continues. `calls`: a call that upstream does not have, although the input has its output.
 * `items`: items of the input that upstream does not know or can't use, such as reasoning items and references.
 */
export type RefusalSubject = "parent" | "calls" | "items";

/** Statuses of limits and of time-outs. */
const OTHER_STATUSES = new Set([408, 425, 429, 499]);
/** Statuses of refusals that are about the account, unless they name `previous_response_id`. */
const ACCOUNT_STATUSES = new Set([401, 402, 403]);
/** Words in the codes of refusals that are about something else. */
const OTHER_CODES =
  /context|length|content_policy|content_filter|moderation|sensitive|policy|image|file|model|max|below_min|quota|rate_limit|prompt|schema|function_parameters|missing_required/;
const OTHER_WORDS = /context (?:length|window)|too (?:long|many)|maximum|content policy|上下文/i;
const MODEL_WORDS = /\bmodels?\b|\bdeployments?\b|\bendpoints? found\b|模型/i;

const PARENT_CODE =
  /previous_?response|conversation_state|^(?:response|conversation|session|chain)_(?:id_)?(?:not_found|expired|unknown|invalid)/;
const PARENT_PARAM = /previous[\s_-]?response|^(?:response|conversation|session)[_-]?id$/i;
const PARENT_WORDS = [
  /\b(?:previous|prior|parent|referenced|stored)[\s_-]?(?:response|turn|conversation)/i,
  /\bresp_[\w-]{3,}|\bresponse[\s_]ids?\b/i,
  /\b(?:conversation|session|response|chat)s? (?:state|history|chain)\b|\bstateful\b|\bstateless\b|\bno state\b/i,
  /\b(?:stores?|stored|keeps?|kept) (?:nothing|no (?:responses?|conversations?|history))\b/i,
  /\b(?:no|unknown|invalid|expired) (?:such )?(?:responses?|conversations?)(?! format)\b/i,
  /\b(?:responses?|conversations?|sessions?|threads?)\b.{0,80}\b(?:not (?:be )?found|not exist|unknown|expired|no longer)\b/i,
  /\b(?:responses?|conversations?|history)\b.{0,60}\bnot (?:been |be )?(?:stored|persisted|kept|saved|retained|loaded|available)\b/i,
  /\b(?:multi[\s-]?turn|continuation|chaining)\b.{0,40}\b(?:not (?:supported|available|implemented)|unsupported)\b/i,
];

const ITEM_CODE = /^(?:invalid_encrypted_content|(?:input_)?item_not_found|invalid_item_reference)$/;
/** Keys of an input item that only the backend that made the item accepts. `call_id` is not one of them. */
const ITEM_PARAM = /^input\b.*[.\]](?:id|status|summary|encrypted_content)$/;
const ITEM_WORDS = [
  /\bitem[\s_]reference\b/i,
  /\bencrypted[\s_]content\b/i,
  /\bwithout its required\b/i,
  /\bduplicate items?\b/i,
  // How FastAPI begins if an item fits none of its types.
  /\binput should be a valid\b/i,
  /\bitems?\b.{0,120}\b(?:not (?:be )?found|not exist|not persisted|unknown)\b/i,
  /\b(?:no such|unknown|could not find|no) (?:input )?items?\b/i,
  /(?<![A-Za-z])(?:rs|msg|fc|ctc|ws|item)_[\w-]{3,}.{0,80}\b(?:not (?:be )?found|not exist|unknown|invalid)\b/i,
  /\bexpected an id that begins with\b/i,
  /\breasoning[\s_-]?(?:items?|content|blocks?|inputs?)\b.{0,60}\b(?:not (?:supported|allowed|permitted)|unsupported|unknown)\b/i,
  /\b(?:unknown|unsupported|unexpected|invalid)\b.{0,40}\b(?:types?|items?)\b.{0,20}\breasoning\b/i,
  /\binvalid value: .reasoning\b/i,
  /\bsignature\b.{0,40}\b(?:invalid|not valid)\b|\binvalid\b.{0,20}\bsignature\b/i,
];

/** Words about an output without its call, with spaces for quotes and underscores. "No output for this call" is something else. */
const CALL_WORDS = [
  /\bno\b.{0,40}\bcalls?\b.{0,60}\boutputs?\b/i,
  /\boutputs?\b.{0,120}\b(?:no|not|without|unknown|missing)\b.{0,40}\bcalls?\b/i,
  /\b(?:no|without an?|missing) (?:matching|corresponding|such|preceding) (?:tool |function )?calls?\b/i,
  /\b(?:could|did) not find\b(?:(?!output).){0,40}\bcalls?\b/i,
  /\bcall id\b.{0,120}\b(?:not (?:be )?found|not exist|unknown|invalid|no match)/i,
  /\b(?:unknown|no such|unexpected|invalid) (?:tool |function )?call id\b|\bunknown (?:tool|function) call\b/i,
  /\bunexpected tool use id\b|\beach tool result\b.{0,20}\bmust have\b|\borphan(?:ed)?\b/i,
  /\b(?:role|messages?) tool\b.{0,80}\b(?:must|without|preceding|after)\b|\bunexpected role tool\b/i,
  /\btool (?:messages?|results?)\b.{0,60}\b(?:must follow|without|preceding)\b/i,
  /\bfunction response\b.{0,80}\bfunction call\b/i,
  /(?:未找到|找不到|没有).{0,20}(?:工具|函数)调用/,
];

/** The rest of a longer message is ignored, because it is likely to repeat the caller's input. So is a long quotation. */
const MAX_MESSAGE_CHARS = 1_000;
const LONG_QUOTE = /(["'`])[^"'`]{200,}\1/g;
/** A quotation of several words, which repeats the caller's input if the error is about the input. */
const QUOTED_WORDS = /(?<!\w)(["'`])[^"'`]*\s[^"'`]*\1(?!\w)/g;

/**
 * Determines what an unpaid refusal is about.
 * @param status the HTTP status; 400 for a refusal inside a body or a stream
 * @returns undefined if it is about anything else
 */
export function refusalOf(status: number, fields: ErrorFields): RefusalSubject | undefined {
  if (OTHER_STATUSES.has(status)) return undefined;
  const { param } = fields;
  const code = fields.code.toLowerCase();
  const type = fields.type.toLowerCase();
  if (PARENT_CODE.test(code) || PARENT_CODE.test(type) || PARENT_PARAM.test(param)) return "parent";
  if (ITEM_CODE.test(code) || ITEM_CODE.test(type) || ITEM_PARAM.test(param)) return "items";
  if (OTHER_CODES.test(code)) return undefined;

  const words = wordsOf(fields);
  if (ACCOUNT_STATUSES.has(status)) return words.includes("previous_response_id") ? "parent" : undefined;
  // Another field in `param` shows that the error is about that field.
  const isAboutInput = /^(?:$|(?:input|messages|items?|body|request)\b)/i.test(param);
  if (isAboutInput) {
    if (ITEM_WORDS.some((pattern) => pattern.test(words))) return "items";
    const plainWords = words.replace(/[_'"`]+/g, " ").replace(/ {2,}/g, " ");
    if (CALL_WORDS.some((pattern) => pattern.test(plainWords))) return "calls";
    const isGeneral = !/[.[]/.test(param);
    if (isGeneral && !OTHER_WORDS.test(words) && PARENT_WORDS.some((pattern) => pattern.test(words))) return "parent";
  }
  return status === 404 && param !== "model" && !MODEL_WORDS.test(words) ? "parent" : undefined;
}

/** Returns the message without what may be the caller's own words. */
function wordsOf({ param, message }: ErrorFields): string {
  const words = message.slice(0, MAX_MESSAGE_CHARS).replace(LONG_QUOTE, "");
  return param === "" ? words : words.replace(QUOTED_WORDS, "");
}
