// Checks the headers that a hook's `output` returned. It may not set headers that belong to the connection or the message's framing, that
// the network adds, that are credentials, or that a receiver could take for a signature. A value can't contain a line break, which would
// begin another header.
import { isRecord } from "../lib/json.ts";
import { HEADER_NAME, isTransportHeader } from "../lib/http-headers.ts";

const HEADER_VALUE = /^[\t\x20-\x7e]*$/;

/**
 * Checks the headers and converts their names to lower case.
 * @param authHeader the header that the callback's `auth` sets
 * @param invalidOutput creates the error, whose text never contains a header's value
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
