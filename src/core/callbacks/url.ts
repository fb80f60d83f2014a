// Determines the URL of one callback: the url of its entry, or a path on that url's origin. A path may contain text from a webhook's
// sender, so it must not change the origin and must not contain "..". An error never contains a URL.
import { misconfigured } from "../config/setting.ts";
import { callbackMistake, isHttpLoopback, isAtOrigin } from "../lib/url-rules.ts";

export interface UrlPolicy {
  /** Whether ENVIRONMENT is `local`. Then http on loopback is allowed. */
  local: boolean;
  /** The Worker's own origins. An answer that is sent there could cause another question, in an endless loop. */
  ownOrigins: readonly string[];
}

/**
 * Returns the URL of one callback. A path is resolved like a link: "/x" replaces the path of the url, "x" replaces the part after its last
 * slash, and "?x=1" retains the path.
 * @param setting the setting in src/config.ts that has the url, for errors
 * @param pathSetting the setting in src/config.ts whose function returned the path, for errors
 * @throws Problem 503 misconfigured; another attempt would fail too
 */
export function callbackUrl(
  url: string,
  path: string | undefined,
  policy: UrlPolicy,
  setting: string,
  pathSetting: string,
): URL {
  const base = URL.parse(url);
  const mistake = base === null ? "must be a URL" : callbackMistake(base, url);
  if (base === null || mistake !== null) throw misconfigured(setting, mistake ?? "");
  if (isHttpLoopback(base) && !policy.local)
    throw misconfigured(setting, "must begin with https:// (http:// under ENVIRONMENT=local only)");
  if (isAtOrigin(base, policy.ownOrigins)) throw misconfigured(setting, "must not be this Worker itself");
  if (path === undefined) return base;
  const resolved = isSafePath(path) ? URL.parse(path, base.href) : null;
  if (resolved === null || resolved.origin !== base.origin || resolved.username !== "" || resolved.password !== "") {
    throw misconfigured(
      pathSetting,
      'returned an unsafe path: it must be like "/items/7", without "//" at its start, "..", "\\", "#", spaces or a host',
    );
  }
  return resolved;
}

/**
 * Checks a path before URL parses it, because URL hides unsafe parts: it drops tabs, turns backslashes into slashes, and resolves "..",
 * even if it is written with %2e.
 */
function isSafePath(path: string): boolean {
  if (/[#\\\s\p{Cc}]|^\/\/|^[a-z][a-z0-9+.-]*:/iu.test(path)) return false;
  const [segments = ""] = path.split("?");
  // Servers decode more than URL does, so "..%2f" could also lead to the parent folder.
  const decoded = segments.replace(/%2e/gi, ".").replace(/%2f|%5c/gi, "/");
  return !decoded.split("/").some((segment) => segment === "." || segment === "..");
}
