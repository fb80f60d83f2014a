// Reads a body of multipart/form-data: text fields, and files that are images. The platform parses the form. This module checks what its
// parser accepts silently, and converts each image to a data URL.
import { base64 } from "../lib/bytes.ts";
import { JSON_LIMITS, tooManyFields } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { startOf } from "../lib/text.ts";

export interface MultipartForm {
  fields: [name: string, value: string][];
  /** The files as data URLs, in their order. The names of their fields do not count. */
  images: string[];
}

/** The types that OpenAI's models accept, and the wrong name that some clients use for JPEG. */
const IMAGE_TYPES: ReadonlyMap<string, string> = new Map([
  ["image/png", "png"],
  ["image/jpeg", "jpeg"],
  ["image/jpg", "jpeg"],
  ["image/webp", "webp"],
  ["image/gif", "gif"],
]);

/** The first bytes of each type. A dot matches any byte. */
const SIGNATURES: readonly (readonly [type: string, start: RegExp])[] = [
  ["png", /^\x89PNG\r\n/],
  ["jpeg", /^\xff\xd8\xff/],
  ["webp", /^RIFF.{4}WEBP/s],
  ["gif", /^GIF8[79]a/],
];
const SIGNATURE_BYTES = 12;

/**
 * Reads a multipart form.
 * @param contentType the value of Content-Type, whose `boundary` separates the parts
 * @throws Problem 400 invalid_request, too_many_values; 415 for a file that is not an image
 */
export async function readMultipart(bytes: Uint8Array, contentType: string): Promise<MultipartForm> {
  const entries = [...(await parseForm(bytes, contentType))];
  const { fields: maxFields } = JSON_LIMITS.restricted;
  if (entries.length > maxFields) throw tooManyFields(maxFields);
  const form: MultipartForm = { fields: [], images: [] };
  for (const [name, value] of entries) {
    if (typeof value === "string") {
      form.fields.push([name, value]);
    } else {
      form.images.push(await dataUrlOf(name, value));
    }
  }
  assertUtf8(form.fields, bytes);
  return form;
}

async function parseForm(bytes: Uint8Array, contentType: string): Promise<FormData> {
  try {
    return await new Response(bytes as Uint8Array<ArrayBuffer>, {
      headers: { "content-type": contentType },
    }).formData();
  } catch {
    throw new Problem(
      "invalid_request",
      "The multipart form can't be read. Check that Content-Type has the `boundary` that separates the parts, and that the last part is complete.",
    );
  }
}

const latin1 = new TextDecoder("latin1");

/** The platform's parser replaces bytes that are not UTF-8. So a replacement character is accepted only if it is in the body itself. */
function assertUtf8(fields: MultipartForm["fields"], bytes: Uint8Array): void {
  const replaced = fields.filter(([, value]) => value.includes("\uFFFD"));
  if (replaced.length === 0) return;
  const body = latin1.decode(bytes);
  for (const [name, value] of replaced) {
    if (body.includes(latin1.decode(new TextEncoder().encode(value)))) continue;
    throw new Problem("invalid_request", "A form field is not well-formed UTF-8. Send it encoded as UTF-8.", {
      param: startOf(name, 80),
    });
  }
}

async function dataUrlOf(name: string, file: File): Promise<string> {
  const param = startOf(name, 80);
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes.length === 0) throw new Problem("invalid_request", "This file is empty.", { param });
  const type = IMAGE_TYPES.get(file.type.split(";")[0]?.trim().toLowerCase() ?? "") ?? typeOf(bytes);
  if (type === undefined) {
    throw new Problem(
      "unsupported_media_type",
      "This file is not an image. A form's files may be PNG, JPEG, WebP or GIF.",
      {
        param,
      },
    );
  }
  return `data:image/${type};base64,${base64(bytes)}`;
}

/** Recognizes an image by its first bytes, because some clients label every file as application/octet-stream. */
function typeOf(bytes: Uint8Array): string | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, SIGNATURE_BYTES));
  return SIGNATURES.find(([, signature]) => signature.test(start))?.[0];
}
