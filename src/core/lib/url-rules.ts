// What a URL in src/config.ts may be: an origin, an endpoint, a place for callbacks. Each rule gives its own sentence, or null where
// nothing is wrong; none repeats the URL, which may hold a secret. callback-url.ts holds every callback to the same rule when it is sent.
import { isLoopbackHost } from "./loopback.ts";

const HTTP_LOOPBACK_HOSTS = new Set(["localhost", "127.0.0.1", "[::1]"]);
const NOT_HTTPS = "must begin with https:// (http:// only for localhost, 127.0.0.1 or [::1])";
const NO_USERINFO = "must not hold a user name or password";
const NOT_PUBLIC = "must have a public host name: no bare name, no localhost, .local or .internal";
/** URL drops line breaks, turns backslashes round, takes one slash for two and skips an empty user name: what is read is what is called. */
const PLAIN = /^https?:\/\/[^/?#@\\\s\p{Cc}]+(?:[/?][^#\\\s\p{Cc}]*)?$/iu;
/** Letters, digits, - and _ between dots, the last label no number: URL lets more through, and no public name has it. */
const PUBLIC_NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]*[a-z0-9])?$/;
const PRIVATE_NAME = /\.(?:localhost|local|internal|localdomain)$/;

/** http to the developer's own machine: passes here, and at run time under ENVIRONMENT=local only. */
export const isHttpLoopback = ({ protocol, hostname }: URL): boolean =>
  protocol === "http:" && HTTP_LOOPBACK_HOSTS.has(hostname);

export function originMistake(parsed: URL, written: string): string | null {
  if (parsed.protocol !== "https:" && !isHttpLoopback(parsed)) return NOT_HTTPS;
  if (written.includes("*")) return "must be one exact origin: list each origin, * is not known here";
  return written === parsed.origin ? null : `must be an exact origin: write "${parsed.origin}"`;
}

export function endpointMistake(parsed: URL): string | null {
  if (parsed.username !== "" || parsed.password !== "") return NO_USERINFO;
  return parsed.protocol === "https:" || isHttpLoopback(parsed) ? null : NOT_HTTPS;
}

// URL has by now written every notation of an IPv4 address (hex, octal, one number, wide digits) as four decimals. Where a name leads
// can't be seen from here: one that resolves to a private address passes, and Cloudflare's network has no way to that address.
export function callbackMistake(parsed: URL, written: string): string | null {
  const mistake = endpointMistake(parsed);
  if (mistake !== null) return mistake;
  if (!PLAIN.test(written))
    return "must be written plainly: no spaces, line breaks, backslashes, @ or #, and two slashes before the host";
  if (isHttpLoopback(parsed)) return null;
  if (parsed.port !== "") return "must use port 443: leave the port out";
  const host = parsed.hostname.replace(/\.$/, "");
  if (/^\[|^\d+(?:\.\d+){3}$/.test(host)) return "must have a host name, not an IP address";
  if (!PUBLIC_NAME.test(host) || PRIVATE_NAME.test(host)) return NOT_PUBLIC;
  return host === parsed.hostname ? null : "must have a host name without a dot at its end";
}

/** Whether a URL leads to one of these origins: by http or https, and on this machine by any of its names. */
export function leadsTo(url: URL, origins: readonly string[]): boolean {
  return origins.some((origin) => {
    const parsed = URL.parse(origin);
    return parsed !== null && placeOf(parsed) === placeOf(url);
  });
}

function placeOf({ hostname, port }: URL): string {
  return `${isLoopbackHost(hostname) ? "loopback" : hostname.replace(/\.$/, "")}:${port}`;
}
