// Where one callback goes: the url of its entry, or a path on that url's origin. Whatever a path is made of (it may hold words of a
// webhook's sender), it stays on the origin and climbs nowhere; what would not is refused for good. No sentence repeats a URL.
import { misconfigured } from "../config/setting.ts";
import { callbackMistake, isHttpLoopback, leadsTo } from "../lib/url-rules.ts";

export interface UrlPolicy {
  /** `ENVIRONMENT=local`: http to loopback is allowed. */
  local: boolean;
  /** Origins of the Worker itself: an answer posted there could be asked again without end. */
  own: readonly string[];
}

/**
 * A path is resolved as a link on a page is: "/x" replaces the url's own path, "x" goes on from its last slash, "?x=1" keeps the path.
 * @param setting the url's place in src/config.ts @param pathSetting what gave the path
 * @throws Problem misconfigured: another try would change nothing
 */
export function callbackUrl(
  url: string,
  path: string | undefined,
  reach: UrlPolicy,
  setting: string,
  pathSetting: string,
): URL {
  const base = URL.parse(url);
  const mistake = base === null ? "must be a URL" : callbackMistake(base, url);
  if (base === null || mistake !== null) throw misconfigured(setting, mistake ?? "");
  if (isHttpLoopback(base) && !reach.local)
    throw misconfigured(setting, "must begin with https:// (http:// under ENVIRONMENT=local only)");
  if (leadsTo(base, reach.own)) throw misconfigured(setting, "must not be this Worker itself");
  if (path === undefined) return base;
  const resolved = staysPut(path) ? URL.parse(path, base.href) : null;
  if (resolved === null || resolved.origin !== base.origin || resolved.username !== "" || resolved.password !== "") {
    throw misconfigured(
      pathSetting,
      'gave a path that does not stay where it should: it must be like "/items/7", without "//" at its start, "..", "\\", "#", spaces or a host',
    );
  }
  return resolved;
}

/** Before URL reads it, since URL mends: it drops tabs, turns backslashes round and resolves "..", written plainly or as %2e. */
function staysPut(path: string): boolean {
  if (/[#\\\s\p{Cc}]|^\/\/|^[a-z][a-z0-9+.-]*:/iu.test(path)) return false;
  const [segments = ""] = path.split("?");
  // Servers decode once more than URL does, so that "..%2f" climbs too.
  const decoded = segments.replace(/%2e/gi, ".").replace(/%2f|%5c/gi, "/");
  return !decoded.split("/").some((segment) => segment === "." || segment === "..");
}
