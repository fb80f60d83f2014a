// Rules for URLs: which hosts are loopback hosts, and which origins, endpoints and callbacks src/config.ts may have. Each `…Mistake`
// function returns an error text, or null if the URL is valid. The text never repeats a URL that may contain a secret.
// core/callbacks/url.ts applies the callback rule again before a callback is sent.

const HTTP_LOOPBACK_HOSTS = new Set(["localhost", "127.0.0.1", "[::1]"]);
const NOT_HTTPS = "must begin with https:// (http:// only for localhost, 127.0.0.1 or [::1])";
const NO_USERINFO = "must not hold a user name or password";
const NOT_PUBLIC = "must have a public host name: no bare name, no localhost, .local or .internal";
/**
 * Matches only URLs that parsing does not change. The URL parser removes line breaks, turns backslashes into slashes, accepts one slash
 * instead of two, and ignores an empty user name.
 */
const PLAIN = /^https?:\/\/[^/?#@\\\s\p{Cc}]+(?:[/?][^#\\\s\p{Cc}]*)?$/iu;
/** Labels of letters, digits, - and _. The last one starts with a letter. The URL parser accepts more names, but none of them is public. */
const PUBLIC_NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]*[a-z0-9])?$/;
const PRIVATE_NAME = /\.(?:localhost|local|internal|localdomain)$/;

/** Whether the URL is http to the developer's own machine. The config accepts it, but it works only under ENVIRONMENT=local. */
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
 * The URL parser has already converted every notation of an IPv4 address (hex, octal, a single number, fullwidth digits) to four decimals.
 * A name that resolves to a private address is accepted, since DNS can't be checked here. Cloudflare's network does not route to it.
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

/** Whether a URL has the host and port of one of these origins. Ignores the scheme, and treats all loopback hosts as equal. */
export function isAtOrigin(url: URL, origins: readonly string[]): boolean {
  return origins.some((origin) => {
    const parsed = URL.parse(origin);
    return parsed !== null && hostAndPortOf(parsed) === hostAndPortOf(url);
  });
}

function hostAndPortOf({ hostname, port }: URL): string {
  return `${isLoopbackHost(hostname) ? "loopback" : hostname.replace(/\.$/, "")}:${port}`;
}

/** Whether a host is localhost, in 127.0.0.0/8, or ::1. @param hostname as the URL parser writes it */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/**
 * Whether a request without a credential is accepted under ENVIRONMENT=local. It is if it has no Origin or comes from a page on this
 * machine. Any other page in the developer's browser must not spend the developer's money.
 */
export function isLocalOrigin(origin: string | null): boolean {
  if (origin === null) return true;
  const url = URL.parse(origin);
  return url !== null && /^https?:$/.test(url.protocol) && isLoopbackHost(url.hostname);
}
