// What a locked caller may say: messages of user and assistant, made anew from the few keys that are known, and images from where its
// preset allows. No typed items (they reach into the shared upstream account), no files, no other role.
import { isRecord, type JsonObject } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import type { Ask } from "../../contract/ask.ts";

const MAX_IMAGE_BYTES = 2 * 1_048_576;
const DATA_URL = /^data:image\/(?:png|jpeg|webp|gif);base64,([A-Za-z0-9+/]+={0,2})$/;
/** Keys that SDKs send back with what they were given; they say nothing to a model. */
const MESSAGE_KEYS: ReadonlySet<string> = new Set(["type", "role", "content", "id", "status", "phase"]);
const TEXT_KEYS: ReadonlySet<string> = new Set(["type", "text", "annotations", "logprobs"]);
const IMAGE_KEYS: ReadonlySet<string> = new Set(["type", "image_url", "detail"]);
const REFUSAL_KEYS: ReadonlySet<string> = new Set(["type", "refusal"]);
const DETAILS: ReadonlySet<unknown> = new Set(["auto", "low", "high"]);

/** As in a Preset: false, or the hosts that https images may come from. */
type Images = false | { hosts: readonly string[] };

/** @throws Problem 400, naming the place */
export function restrictInput(input: Ask["input"], images: Images): Ask["input"] {
  return typeof input === "string" ? input : input.map((item, at) => message(item, `input[${at}]`, images));
}

/** `images` of /ask. @throws Problem 400 */
export function restrictImages(urls: readonly string[], images: Images): string[] {
  return urls.map((url, at) => imageUrl(url, `images[${at}]`, images));
}

function message(item: JsonObject, path: string, images: Images): JsonObject {
  const { type, role, content } = item;
  if (type !== undefined && type !== "message")
    throw refused(`${path}.type`, 'must be "message": this caller sends messages only');
  if (role !== "user" && role !== "assistant") throw refused(`${path}.role`, 'must be "user" or "assistant"');
  assertKeys(item, MESSAGE_KEYS, path);
  if (typeof content === "string") return { role, content };
  if (!Array.isArray(content) || content.length === 0)
    throw refused(`${path}.content`, "must be a text or a list of parts");
  return { role, content: content.map((one: unknown, at) => part(one, role, `${path}.content[${at}]`, images)) };
}

function part(one: unknown, role: "user" | "assistant", path: string, images: Images): JsonObject {
  if (!isRecord(one)) throw refused(path, "must be an object");
  const { type } = one;
  if (type === (role === "user" ? "input_text" : "output_text")) {
    assertKeys(one, TEXT_KEYS, path);
    return { type, text: text(one["text"], `${path}.text`) };
  }
  if (role === "assistant" && type === "refusal") {
    assertKeys(one, REFUSAL_KEYS, path);
    return { type, refusal: text(one["refusal"], `${path}.refusal`) };
  }
  if (role === "user" && type === "input_image" && images !== false) {
    assertKeys(one, IMAGE_KEYS, path);
    const { detail } = one;
    if (detail !== undefined && detail !== null && !DETAILS.has(detail))
      throw refused(`${path}.detail`, 'must be "auto", "low" or "high"');
    const url = imageUrl(text(one["image_url"], `${path}.image_url`), `${path}.image_url`, images);
    return { type, image_url: url, ...(typeof detail === "string" ? { detail } : {}) };
  }
  const known =
    role === "assistant" ? "output_text or refusal" : images === false ? "input_text" : "input_text or input_image";
  throw refused(`${path}.type`, `must be ${known} in a message of the ${role}`);
}

/** An https address comes back as it was read, so that nobody after us reads another host in it. */
function imageUrl(url: string, path: string, images: Images): string {
  if (images === false) throw refused(path, "is not open to this caller");
  if (url.startsWith("data:")) {
    const data = DATA_URL.exec(url)?.[1];
    if (data === undefined || data.length % 4 !== 0)
      throw refused(path, "must be a data: URL of a PNG, JPEG, WebP or GIF in base64");
    const padding = data.endsWith("==") ? 2 : data.endsWith("=") ? 1 : 0;
    if ((data.length / 4) * 3 - padding > MAX_IMAGE_BYTES) throw refused(path, "has more than 2 MiB");
    return url;
  }
  const parsed = URL.parse(url);
  const plain = parsed?.protocol === "https:" && parsed.username === "" && parsed.password === "" && parsed.port === "";
  if (parsed === null || !plain || !images.hosts.includes(parsed.hostname)) {
    throw refused(path, "must be a data: URL, or an https address on a host that this Worker's owner has allowed");
  }
  return parsed.href;
}

function text(value: unknown, path: string): string {
  if (typeof value !== "string") throw refused(path, "must be a text");
  return value;
}

function assertKeys(value: JsonObject, known: ReadonlySet<string>, path: string): void {
  for (const key of Object.keys(value)) {
    if (known.has(key)) continue;
    const param = `${path}.${key}`.slice(0, 120);
    throw new Problem("unknown_parameter", `\`${param}\` is not open to this caller: leave it out.`, { param });
  }
}

function refused(param: string, what: string): Problem {
  return new Problem("invalid_request", `\`${param}\` ${what}.`, { param });
}
