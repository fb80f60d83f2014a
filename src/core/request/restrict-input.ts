// Restricts the input of a restricted caller to messages of the user and the assistant, and to images from hosts that the preset permits.
// Rebuilds each message from its known keys. Refuses files, other roles, and other items, which can refer to data in the shared upstream
// account.
import type { Ask } from "../../contract/ask.ts";
import { isRecord, type JsonObject } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { startOf } from "../lib/text.ts";

const MAX_IMAGE_BYTES = 2 * 1_048_576;
const DATA_URL = /^data:image\/(?:png|jpeg|webp|gif);base64,([A-Za-z0-9+/]+={0,2})$/;
/** The keys that SDKs send when they return the messages of an answer. The model needs only `role` and `content`. */
const MESSAGE_KEYS: ReadonlySet<string> = new Set(["type", "role", "content", "id", "status", "phase"]);
const TEXT_KEYS: ReadonlySet<string> = new Set(["type", "text", "annotations", "logprobs"]);
const IMAGE_KEYS: ReadonlySet<string> = new Set(["type", "image_url", "detail"]);
const REFUSAL_KEYS: ReadonlySet<string> = new Set(["type", "refusal"]);
const DETAILS: ReadonlySet<unknown> = new Set(["auto", "low", "high"]);

/** The `images` of a preset: false, or the hosts from which https images may come. */
type Images = false | { hosts: readonly string[] };

/** Restricts `input`. @throws Problem 400 that names the item */
export function restrictInput(input: Ask["input"], images: Images): Ask["input"] {
  return typeof input === "string" ? input : input.map((item, at) => messageOf(item, `input[${at}]`, images));
}

/** Restricts the field `images` of /ask. @throws Problem 400 that names the image */
export function restrictImages(urls: readonly string[], images: Images): string[] {
  return urls.map((url, at) => imageUrlOf(url, `images[${at}]`, images));
}

function messageOf(item: JsonObject, path: string, images: Images): JsonObject {
  const { type, role, content } = item;
  if (type !== undefined && type !== "message")
    throw invalidField(`${path}.type`, 'must be "message": this caller may send only messages');
  if (role !== "user" && role !== "assistant") throw invalidField(`${path}.role`, 'must be "user" or "assistant"');
  assertKeys(item, MESSAGE_KEYS, path);
  if (typeof content === "string") return { role, content };
  if (!Array.isArray(content) || content.length === 0)
    throw invalidField(`${path}.content`, "must be a string or a list of parts");
  return { role, content: content.map((part: unknown, at) => partOf(part, role, `${path}.content[${at}]`, images)) };
}

function partOf(part: unknown, role: "user" | "assistant", path: string, images: Images): JsonObject {
  if (!isRecord(part)) throw invalidField(path, "must be an object");
  const { type } = part;
  if (type === (role === "user" ? "input_text" : "output_text")) {
    assertKeys(part, TEXT_KEYS, path);
    return { type, text: stringOf(part["text"], `${path}.text`) };
  }
  if (role === "assistant" && type === "refusal") {
    assertKeys(part, REFUSAL_KEYS, path);
    return { type, refusal: stringOf(part["refusal"], `${path}.refusal`) };
  }
  if (role === "user" && type === "input_image" && images !== false) {
    assertKeys(part, IMAGE_KEYS, path);
    const { detail } = part;
    if (detail !== undefined && detail !== null && !DETAILS.has(detail))
      throw invalidField(`${path}.detail`, 'must be "auto", "low" or "high"');
    const url = imageUrlOf(stringOf(part["image_url"], `${path}.image_url`), `${path}.image_url`, images);
    return { type, image_url: url, ...(typeof detail === "string" ? { detail } : {}) };
  }
  const known =
    role === "assistant" ? "output_text or refusal" : images === false ? "input_text" : "input_text or input_image";
  throw invalidField(`${path}.type`, `must be ${known} in a message of the ${role}`);
}

/** Checks the URL of an image. Returns an https URL in its parsed form, so that no other parser can find a different host in it. */
function imageUrlOf(url: string, path: string, images: Images): string {
  if (images === false) throw invalidField(path, "is not allowed for this caller");
  if (url.startsWith("data:")) {
    const data = DATA_URL.exec(url)?.[1];
    if (data === undefined || data.length % 4 !== 0)
      throw invalidField(path, "must be a data: URL of a PNG, JPEG, WebP or GIF in base64");
    const padding = data.endsWith("==") ? 2 : data.endsWith("=") ? 1 : 0;
    if ((data.length / 4) * 3 - padding > MAX_IMAGE_BYTES) throw invalidField(path, "has more than 2 MiB");
    return url;
  }
  const parsed = URL.parse(url);
  const isPlain =
    parsed?.protocol === "https:" && parsed.username === "" && parsed.password === "" && parsed.port === "";
  if (parsed === null || !isPlain || !images.hosts.includes(parsed.hostname)) {
    throw invalidField(path, "must be a data: URL, or an https address on a host that this Worker's owner has allowed");
  }
  return parsed.href;
}

function stringOf(value: unknown, path: string): string {
  if (typeof value !== "string") throw invalidField(path, "must be a string");
  return value;
}

function assertKeys(value: JsonObject, known: ReadonlySet<string>, path: string): void {
  for (const key of Object.keys(value)) {
    if (known.has(key)) continue;
    const param = startOf(`${path}.${key}`, 120);
    throw new Problem("unknown_parameter", `\`${param}\` is not allowed for this caller. Remove it.`, { param });
  }
}

function invalidField(param: string, what: string): Problem {
  return new Problem("invalid_request", `\`${param}\` ${what}.`, { param });
}
