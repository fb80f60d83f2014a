// The headers that a hook's `output` may set. It may not set a header that frames the message or the connection, that the network adds, that
// is a credential, or that a receiver takes for a signature. A value contains no line break, so it can't begin another header.
import { isRecord } from "../lib/json.ts";
import { HEADER_NAME, isTransportHeader } from "../lib/http-headers.ts";

const HEADER_VALUE = /^[\t\x20-\x7e]*$/;

/**
 * The headers that `output` returned, their names in lower case.
 * @param authHeader the header that the callback's `auth` fills
 * @param invalidOutput makes the error; its text never contains a value
 */
export function readOutputHeaders(
  returned: unknown,
  authHeader: string | undefined,
  invalidOutput: (what: string) => Error,
): Record<string, string> {
  if (returned === undefined) return {};
  if (!isRecord(returned)) throw invalidOutput("returned headers that are not an object");
  const entries = Object.entries(returned).map(([key, value]): [string, string] => {
    const name = key.toLowerCase();
    if (!HEADER_NAME.test(name)) throw invalidOutput("returned a header with an invalid name");
    const reserved =
      name !== "content-type" && (isTransportHeader(name) || /^(?:authorization|cookie2?|webhook-.*)$/.test(name));
    if (reserved || name === authHeader) throw invalidOutput(`returned the header ${name}, which it must not set`);
    if (typeof value !== "string" || !HEADER_VALUE.test(value))
      throw invalidOutput(`returned a value of the header ${name} that is not ASCII text`);
    return [name, value];
  });
  return Object.fromEntries(entries);
}
