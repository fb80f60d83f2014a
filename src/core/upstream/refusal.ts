// Determines what an unpaid refusal by upstream is about, so that the call can be repeated without the part that upstream does not know.
// Upstream's many backends have no common words for it, so an error is compared with what the request contains: its parent, outputs of
// calls, and items. A wrong guess costs one more unpaid call, so only an error that may be a failure needs clear words.
import { type JsonObject, recordsOf, textOf } from "../lib/json.ts";
import type { ErrorFields } from "./error-fields.ts";
import { VENDOR_KEYS } from "./output.ts";

/**
 * `parent`: the response that the request continues. `calls`: a call that upstream does not have, although the input has its output.
 * `items`: items that upstream does not know or can't use, such as reasoning items and references.
 */
export type RefusalSubject = "parent" | "calls" | "items";

/** What a request contains that a backend may not know. */
interface RequestParts {
  /** The upstream id of the response that the request continues; "" if it continues none. */
  parentId: string;
  items: readonly JsonObject[];
  /** Whether the request continues a response and has outputs of calls. The calls are then in upstream's storage. */
  hasOutputs: boolean;
  /** Whether items of the input or of the stored conversation may be known to one backend only. */
  hasVendorItems: boolean;
}

/** An error's texts, as the functions below compare them. */
interface ErrorTexts {
  param: string;
  /** `param` and the message. */
  text: string;
  /** The message, the code and the type, with spaces for underscores. */
  words: readonly string[];
  model: string;
}

/** Statuses of limits, of time-outs and of a key or an account. */
const OTHER_STATUSES = new Set([401, 402, 408, 425, 429, 499]);
/** The rest of a longer message is ignored, because it is likely to repeat the caller's input. */
const MAX_MESSAGE_CHARS = 4_000;
/** A shorter id is likely to be a word of the message, so it can't show that an error under HTTP 200 is a refusal. */
const MIN_ID_CHARS = 4;

/** Words of errors about an account. With status 403, such an error counts only if it names a part of the request. */
const ACCOUNT =
  /permission|access|denied|forbidden|\bkeys?\b|\bplans?\b|tier|group|account|region|country|权限|无权|分组/i;
const BALANCE = /quota|balance|credit|billing|余额|额度|欠费/i;
const POLICY =
  /\bcontent (?:management )?(?:policy|policies|filter)|\busage polic|\bmoderation\b|\bsafety system\b|\bflagged\b|内容.{0,6}(?:审核|违规|安全)|敏感/i;
/** Codes and types of errors about a limit or a policy, whatever else they name. */
const LIMIT_CODE =
  /quota|balance|credit|billing|rate ?limit|too many|throttl|context (?:length|window)|(?:prompt|input|request) too (?:long|large)|policy|moderation|content filter|sensitive|prompt blocked/i;
/** Words about the length of the input or of the answer. */
const LENGTH =
  /\btokens?\b.{0,60}\b(?:limits?|exceed\w*|maximum)\b|\b(?:limits?|exceed\w*|maximum|reduce)\b.{0,60}\btokens?\b|\btoo (?:long|large)\b/i;
/** Words of failures, which may have been paid if there is no HTTP error status. */
const FAILURE =
  /\bfail\w*\b(?! to (?:decrypt|decode|deserialize|find|load|match|parse|resolve|validate|verify))|\berror occurred\b|\b(?:abort|cancel|interrupt|stopp)\w*|\btook\b|\bagain later\b|\btimed? ?out\b|\binternal\b|\bserver (?:had|error)|\bcrash|\bconnection\b|\bunavailable\b|overload/i;
/** Codes of errors about a part of the request that upstream does not store. */
const OTHER_CODE = /image|file|audio|schema|function parameters|^(?:unsupported |unknown )?model\b(?! feature)|model$/i;

const PARENT = /previous[\s_-]?response|\bresp_\w/i;
const PARENT_PARAM = /^(?:response|conversation|session|parent)[_-]?id$/i;
/** Words for a conversation in upstream's storage. */
const STORED =
  /\b(?:responses?|conversations?|sessions?|threads?|histor(?:y|ies)|chains?|chaining|state|stateful|stateless|turns?|multi-?turns?|continu\w+|contexts?|parents?|stored?|stores)\b|会话|对话|上下文|响应/i;
/** The same nouns with another meaning. */
const OTHER_STORED =
  /\bresponses? (?:formats?|modalit\w+|schemas?|mime\w*)|\bresponses (?:api|endpoint)|\/responses\b/gi;
/** Words for the lack of something, or for something that upstream can't use. */
const MISSING =
  /\b(?:no|not|can ?not|none|never|nothing|nobody|stateless|missing|absent|lost|gone|expired|invalid|without|unable|disabled|fail\w*|non-?exist\w*|dangling|stray|orphan\w*|mismatch\w*|un(?:known|matched|expected|recogni[sz]ed|resolved|paired|available|supported|associated|verified))\b|未|没有|缺少|找不到|不存在|不支持|无效|过期/i;
/** The order that a backend requires between a call and its output. */
const ORDER =
  /\b(?:before|after|prior|previous|earlier|pending|immediately|must|should|needs?|require[sd]?|expect\w*|ensure|equal|preced\w*|preceed\w*|follow\w*|origin\w*|correspond\w*|match\w*|belongs?)\b|对应|必须/i;

const TOOL = /tool|function|computer|shell|patch|approval|mcp|工具|函数/i;
const PART_OF_CALL =
  /calls?\b|results?\b|outputs?\b|responses?\b|roles?\b|\bids?\b|invocations?\b|\buse\b|messages?\b|turns?\b|角色|消息|调用|结果|输出/i;
const CALL_OR_OUTPUT = /\b(?:calls?|outputs?|invocations?)\b/i;
/** The same nouns with another meaning. */
const OTHER_OUTPUT =
  /\bmax output\b|\b(?:structured|json) outputs?\b|\boutput (?:tokens?|formats?|modalit\w+|limits?|text)\b|\b(?:api|http) calls?\b|\bcall limits?\b/gi;
/** Words about the tools that the request defines, or that the model supports. */
const TOOL_DEFINITION =
  /\btools?(?:\[|\.\w)|\bschemas?\b|\b(?:tool|function) names?\b|\btool choice\b|\btool calls (?:parameter|option)\b|\bparallel tool|\b(?:max|many) tool|\bdefin\w+|\bdeclar\w+|\b(?:tools?|(?:tool|function) (?:use|calls?|calling))\b.{0,20}\bnot support|\bsupport\w* (?:\w+ ){0,2}(?:tools?|function)\b/i;
const TOOL_PARAM = /^(?:tools?|functions?|tool_choice|parallel_tool_calls|max_tool_calls)\b/i;
/** A call without its output, which the caller must send. */
const OPEN_CALL =
  /\b(?:no|missing|without(?: an?| any| its)?|lacks?(?: an?)?|did not have|have no)\b (?:matching |corresponding |required )?(?:tool |function |call |custom |computer )*(?:outputs?|results?|response messages?)\b(?! without\b)|\bmust be followed by\b/i;

/** The id of an item, which a request that continues a response does not have to contain. */
const ITEM_ID = /(?<![A-Za-z])(?:rs|msg|fc|ctc|ws)_\w/;
const ITEM_CODE = /^(?:invalid encrypted content|(?:input )?item not found|invalid item reference)$/i;
const ITEM_WORDS = /reasoning|encrypted|decrypt|thinking|\bitem ?reference\b|推理|思考|加密|解密/i;
/** Names of settings that contain the same words. */
const REASONING_SETTING =
  /\breasoning\.\w+|\b(?:enable |max )?(?:reasoning|thinking)[ .](?:efforts?|budgets?|config|modes?|levels?|tokens|summary parameter)(?:[. ]tokens)?\b|\benable thinking\b/gi;
const INPUT_ITEM = /\bitems?\b|\binput should be\b|\bsignatures?\b|\bextra (?:inputs?|fields?|keys?)\b|签名/i;
const EXTRA_KEY =
  /\b(?:extra|additional|unknown|unrecogni[sz]ed|unexpected|unsupported|invalid)\b.{0,20}\b(?:fields?|keys?|propert\w+|parameters?|arguments?|inputs?|attributes?)\b/i;
const KEY_OF_ITEM = new Set([...VENDOR_KEYS, "summary", "encrypted_content"]);

const INPUT = /\binputs?\b|\bfields?\b|\broles?\b/i;
/** The values of `param` with which the words of an error count. */
const INPUT_PARAM = /^(?:$|(?:input|messages?|contents?|items?|body|request)\b)|(?:call|use)_id$/i;
const MODEL = /\bmodels?\b|\bdeployments?\b|\bengines?\b|\bendpoints?\b|模型/i;
const NO_DEPLOYMENT = /^(?:model|deployment) ?not ?found$/i;

/**
 * Determines what an unpaid refusal is about.
 * @param status the HTTP status; 200 if there is no error status and the error may be a failure, in which case only clear words count
 * @param body the body of the refused request
 * @returns undefined if it is about anything else
 */
export function refusalOf(status: number, fields: ErrorFields, body: JsonObject): RefusalSubject | undefined {
  if (OTHER_STATUSES.has(status)) return undefined;
  const error = errorTextsOf(fields, body);
  if (status === 200 && FAILURE.test(error.text)) return undefined;
  const [message = "", ...codes] = error.words;
  if (POLICY.test(message) || codes.some((text) => LIMIT_CODE.test(text))) return undefined;
  if (status === 403 && BALANCE.test(error.text)) return undefined;
  const request = requestOf(body);
  const named = namedSubject(error, request, status === 200 ? MIN_ID_CHARS : 1);
  if (named !== undefined) return named;
  if (status === 404 && isAboutModel(error)) return undefined;
  return subjectOfWords(status, error, request) ?? (status === 404 ? subjectOf404(request) : undefined);
}

function errorTextsOf({ code, type, param: path, message }: ErrorFields, { model }: JsonObject): ErrorTexts {
  // The beginnings of JSON pointers and JSONPath.
  const param = path.replace(/^[#$/.]+/, "");
  const cut = message.slice(0, MAX_MESSAGE_CHARS);
  return {
    param,
    text: `${param} ${cut}`,
    // A code in camel case, such as `PreviousResponseNotFound`, has words too.
    words: [cut, ...[code, type].map((text) => text.slice(0, 200).replace(/([a-z])([A-Z])/g, "$1 $2"))].map((text) =>
      text
        .replace(/n['’]t\b/gi, " not")
        .replace(/[_'"`]+/g, " ")
        .replace(/ {2,}/g, " "),
    ),
    model: textOf(model),
  };
}

function requestOf({ previous_response_id, input }: JsonObject): RequestParts {
  const parentId = textOf(previous_response_id);
  const items = recordsOf(input);
  return {
    parentId,
    items,
    hasOutputs: parentId !== "" && items.some(isOutput),
    hasVendorItems: parentId !== "" || items.some(isVendorItem),
  };
}

/** Returns what an error names: by its id, by its path in the request, or by a code or field that has one meaning only. */
function namedSubject(error: ErrorTexts, request: RequestParts, minIdChars: number): RefusalSubject | undefined {
  const { param, text, words } = error;
  const ids = new IdsIn(text, minIdChars);
  const { parentId, items, hasOutputs } = request;
  if (parentId !== "") {
    const isNamed = [text, ...words].some((part) => PARENT.test(part)) || PARENT_PARAM.test(param);
    if (isNamed || ids.has(parentId)) return "parent";
  }
  if (words.some((part) => ITEM_CODE.test(part))) return "items";
  if (items.some((item) => ids.has(item["id"]))) return "items";
  const isOpenCall = words.some((part) => OPEN_CALL.test(part));
  const mayBeOutput = hasOutputs && !isOpenCall && !TOOL_PARAM.test(param);
  if (mayBeOutput && items.some((item) => isOutput(item) && callIdsOf(item).some((id) => ids.has(id)))) return "calls";
  for (const { item, key } of pathsIn(text, items)) {
    if (KEY_OF_ITEM.has(key)) return "items";
    if (item === undefined) continue;
    if (isOutput(item) && mayBeOutput) return "calls";
    if (isVendorItem(item)) return "items";
  }
  return parentId !== "" && ITEM_ID.test(text) ? "items" : undefined;
}

/** Returns what the words of an error mention; undefined for anything else, or if the error may be a failure. */
function subjectOfWords(status: number, error: ErrorTexts, request: RequestParts): RefusalSubject | undefined {
  const { param, text, words } = error;
  if (!INPUT_PARAM.test(param) || words.slice(1).some((code) => OTHER_CODE.test(code))) return undefined;
  if (LENGTH.test(text) || (status === 403 && ACCOUNT.test(text))) return undefined;
  // Without an HTTP error status, the words must refuse something that the request contains.
  const refuses = (part: string): boolean =>
    status !== 200 || (request.hasVendorItems && (MISSING.test(part) || ORDER.test(part) || INPUT.test(part)));
  if (words.some((part) => isAboutReasoning(part) && refuses(part))) return "items";
  const isAboutOther = words.some(isAboutOtherCall);
  if (request.hasOutputs && !isAboutOther && words.some((part) => isAboutCall(part) && refuses(part))) return "calls";
  if (words.some((part) => isAboutItem(part) && refuses(part))) return "items";
  // A general word such as "response" counts only if no place in the input is named.
  const isGeneral = !/[.[]/.test(param) && status !== 200 && request.parentId !== "";
  return isGeneral && !isAboutOther && words.some(isAboutStored) ? "parent" : undefined;
}

function isAboutReasoning(words: string): boolean {
  return ITEM_WORDS.test(words.replace(REASONING_SETTING, ""));
}

function isAboutItem(words: string): boolean {
  if (INPUT_ITEM.test(words) && !/\bschemas?\b/i.test(words)) return true;
  return EXTRA_KEY.test(words) && words.split(/[^a-z]+/).some((word) => word === "id" || word === "status");
}

function isAboutCall(text: string): boolean {
  const words = text.replace(OTHER_OUTPUT, "");
  if (TOOL.test(words) && PART_OF_CALL.test(words.replace(TOOL, ""))) return true;
  return CALL_OR_OUTPUT.test(words) && (MISSING.test(words) || ORDER.test(words));
}

function isAboutOtherCall(words: string): boolean {
  return TOOL_DEFINITION.test(words) || OPEN_CALL.test(words);
}

function isAboutStored(text: string): boolean {
  const words = text.replace(OTHER_STORED, "");
  return STORED.test(words) && MISSING.test(words);
}

/** Whether a 404 says that upstream does not have the model. An error about a lost response may mention a model, too. */
function isAboutModel({ param, words, text, model }: ErrorTexts): boolean {
  if (param === "model" || words.slice(1).some((code) => NO_DEPLOYMENT.test(code))) return true;
  const isStored = /\b(?:response|conversation|session|history)\b/i.test(text.replace(OTHER_STORED, ""));
  return MODEL.test(text) && !isStored && model !== "" && new IdsIn(text, 1).has(model);
}

/** Returns what a 404 without clear words is about: the backend does not have what the request refers to. Undefined if that is nothing. */
function subjectOf404({ parentId, hasVendorItems }: RequestParts): RefusalSubject | undefined {
  if (parentId !== "") return "parent";
  return hasVendorItems ? "items" : undefined;
}

/** Whether an item is the client's answer to a call. */
function isOutput(item: JsonObject): boolean {
  const type = textOf(item["type"]);
  return type.endsWith("_output") || type === "mcp_approval_response";
}

function callIdsOf(item: JsonObject): unknown[] {
  return [item["call_id"], item["approval_request_id"]];
}

/** Whether an item may be known to one backend only: it has an id, or content that only that backend can read. */
function isVendorItem(item: JsonObject): boolean {
  return textOf(item["id"]) !== "" || item["type"] === "reasoning" || typeof item["encrypted_content"] === "string";
}

/** The ids that a text names. An id inside a longer word does not count. */
class IdsIn {
  readonly #text: string;
  readonly #minChars: number;
  readonly #words: ReadonlySet<string>;

  constructor(text: string, minChars: number) {
    this.#text = text;
    this.#minChars = minChars;
    this.#words = new Set(text.match(/[\w-]+/g));
  }

  has(id: unknown): boolean {
    if (typeof id !== "string" || id.length < this.#minChars) return false;
    return /^[\w-]*$/.test(id) ? this.#words.has(id) : this.#text.includes(id);
  }
}

/** Finds the paths into the input, such as `input[2].id` or `input.2.content`. `key` is the last key; "" if there is none. */
function* pathsIn(
  text: string,
  items: readonly JsonObject[],
): Generator<{ item: JsonObject | undefined; key: string }> {
  for (const [, path = ""] of text.matchAll(/\binput([.[/][\w.[\]/-]*)/g)) {
    const at = /[.[/](\d{1,6})(?=$|[.\]/])/.exec(path)?.[1];
    yield { item: at === undefined ? undefined : items[Number(at)], key: /[./](\w+)\.?$/.exec(path)?.[1] ?? "" };
  }
}
