// Rules for URLs: which hosts are loopback hosts, and what an origin, an endpoint and a callback in src/config.ts may be. Each `…Mistake`
// returns a sentence, or null if nothing is wrong. No sentence repeats the URL, which may hold a secret. core/callbacks/url.ts applies
// the callback rule again when a callback is sent.

const HTTP_LOOPBACK_HOSTS = new Set(["localhost", "127.0.0.1", "[::1]"]);
const NOT_HTTPS = "must begin with https:// (http:// only for localhost, 127.0.0.1 or [::1])";
const NO_USERINFO = "must not hold a user name or password";
const NOT_PUBLIC = "must have a public host name: no bare name, no localhost, .local or .internal";
/**
 * A URL that means the same before and after parsing. The URL parser drops line breaks, turns backslashes into slashes, accepts one slash
 * for two and ignores an empty user name.
 */
const PLAIN = /^https?:\/\/[^/?#@\\\s\p{Cc}]+(?:[/?][^#\\\s\p{Cc}]*)?$/iu;
/** Letters, digits, - and _ between dots; the last label starts with a letter. The URL parser accepts more, but no public name has it. */
const PUBLIC_NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]*[a-z0-9])?$/;
const PRIVATE_NAME = /\.(?:localhost|local|internal|localdomain)$/;

/** http to the developer's own machine. The config may have it; at run time it works under ENVIRONMENT=local only. */
export const isHttpLoopback = ({ protocol, hostname }: URL): boolean =>
  protocol === "http:" && HTTP_LOOPBACK_HOSTS.has(hostname);

export function originMistake(parsed: URL, written: string): string | null {
  if (parsed.protocol !== "https:" && !isHttpLoopback(parsed)) return NOT_HTTPS;
  if (written.includes("*")) return "must be one exact origin: * is not supported, so list each origin";
  return written === parsed.origin ? null : `must be an exact origin: write "${parsed.origin}"`;
}

export function endpointMistake(parsed: URL): string | null {
  if (parsed.username !== "" || parsed.password !== "") return NO_USERINFO;
  return parsed.protocol === "https:" || isHttpLoopback(parsed) ? null : NOT_HTTPS;
}

/**
 * The URL parser has already written every notation of an IPv4 address (hex, octal, a single number, fullwidth digits) as four decimals.
 * A name that resolves to a private address passes, since DNS can't be checked here; Cloudflare's network does not route to it.
 */
export function callbackMistake(parsed: URL, written: string): string | null {
  const mistake = endpointMistake(parsed);
  if (mistake !== null) return mistake;
  if (!PLAIN.test(written))
    return "must be a plain URL: no spaces, line breaks, backslashes, @ or #, and two slashes before the host";
  if (isHttpLoopback(parsed)) return null;
  if (parsed.port !== "") return "must use port 443: leave the port out";
  const host = parsed.hostname.replace(/\.$/, "");
  if (/^\[|^\d+(?:\.\d+){3}$/.test(host)) return "must have a host name, not an IP address";
  if (!PUBLIC_NAME.test(host) || PRIVATE_NAME.test(host)) return NOT_PUBLIC;
  return host === parsed.hostname ? null : "must have a host name without a dot at its end";
}

/** Whether a URL has the host and port of one of these origins. The scheme is ignored, and all loopback hosts are the same. */
export function isAtOrigin(url: URL, origins: readonly string[]): boolean {
  return origins.some((origin) => {
    const parsed = URL.parse(origin);
    return parsed !== null && hostAndPortOf(parsed) === hostAndPortOf(url);
  });
}

function hostAndPortOf({ hostname, port }: URL): string {
  return `${isLoopbackHost(hostname) ? "loopback" : hostname.replace(/\.$/, "")}:${port}`;
}

/** localhost, 127.0.0.0/8 or ::1, as the URL parser writes them. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/**
 * Whether a request without a credential is accepted under ENVIRONMENT=local: it has no Origin, or comes from a page of this machine. Any
 * other page in the developer's browser must not spend the developer's money.
 */
export function isLocalOrigin(origin: string | null): boolean {
  if (origin === null) return true;
  const url = URL.parse(origin);
  return url !== null && /^https?:$/.test(url.protocol) && isLoopbackHost(url.hostname);
}
