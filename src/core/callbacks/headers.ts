// Which headers a callback may have beside our own: none that frames the message or the connection, that the network adds, that is a
// credential, or that a receiver takes for a signature. Values hold no line break, so that none begins another header.
import { isRecord } from "../lib/json.ts";
import { HEADER_NAME, isTransportHeader } from "../lib/http-headers.ts";

const HEADER_VALUE = /^[\t\x20-\x7e]*$/;

/**
 * The headers that an `output` gave, names in lower case.
 * @param ownedByAuth the header that the entry's auth fills @param wrong makes what is thrown; its words never hold a value
 */
export function givenHeaders(
  given: unknown,
  ownedByAuth: string | undefined,
  wrong: (what: string) => Error,
): Record<string, string> {
  if (given === undefined) return {};
  if (!isRecord(given)) throw wrong("gave headers that are no object");
  const entries = Object.entries(given).map(([written, value]): [string, string] => {
    const name = written.toLowerCase();
    if (!HEADER_NAME.test(name)) throw wrong("gave a header whose name is none");
    const reserved =
      name !== "content-type" && (isTransportHeader(name) || /^(?:authorization|cookie2?|webhook-.*)$/.test(name));
    if (reserved || name === ownedByAuth) throw wrong(`gave the header ${name}, which it must not set`);
    if (typeof value !== "string" || !HEADER_VALUE.test(value))
      throw wrong(`gave the header ${name} a value that is no text of ASCII`);
    return [name, value];
  });
  return Object.fromEntries(entries);
}
