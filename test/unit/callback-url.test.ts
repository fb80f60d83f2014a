// The URLs of callbacks: a hostile one is refused when the config is read and again when a callback is sent, and no path leaves its origin.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callbackUrl, type UrlPolicy } from "../../src/core/callbacks/url.ts";
import { ConfigError, defineConfig } from "../../src/core/config/define-config.ts";
import { Problem } from "../../src/core/lib/problem.ts";

const HOSTED: UrlPolicy = {
  local: false,
  ownOrigins: ["https://ask.example.com", "https://uniapi-edge.me.workers.dev"],
};
const LOCAL: UrlPolicy = { local: true, ownOrigins: ["http://localhost:8787"] };

/** null if the config accepts the url. */
function configMistake(url: string): string | null {
  try {
    defineConfig({ callbacks: { crm: { url } } });
    return null;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message;
  }
}

/** The URL of a callback, or the message of the Problem. */
function resultOf(url: string, path?: string, reach: UrlPolicy = HOSTED): string {
  try {
    return callbackUrl(url, path, reach, "callbacks.crm.url", "hooks.h.output").href;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    expect(error.code).toBe("misconfigured");
    expect(error.isRetryable).toBe(false);
    return error.message;
  }
}

describe("the config and the check before sending refuse hostile URLs only", () => {
  test.each([
    // IPv4 in every notation.
    ["decimal", "https://127.0.0.1/in"],
    ["a public address", "https://93.184.216.34/in"],
    ["one number", "https://2130706433/in"],
    ["hex", "https://0x7f000001/in"],
    ["hex in parts", "https://0x7f.0.0x0.1/in"],
    ["octal", "https://0177.0.0.01/in"],
    ["octal as one number", "https://017700000001/in"],
    ["a short form", "https://127.1/in"],
    ["two parts", "https://10.1/in"],
    ["zero", "https://0/in"],
    ["a dot at the end", "https://127.0.0.1./in"],
    ["full-width digits", "https://１２７.０.０.１/in"],
    ["ideographic dots", "https://127。0。0。1/in"],
    ["circled digits", "https://①②⑦.0.0.1/in"],
    ["percent-encoded", "https://%31%32%37.0.0.1/in"],
    ["cloud metadata", "https://169.254.169.254/latest/meta-data"],
    ["too large", "https://256.256.256.256/in"],
    // IPv6.
    ["IPv6 loopback", "https://[::1]/in"],
    ["IPv6 unspecified", "https://[::]/in"],
    ["IPv4-mapped", "https://[::ffff:127.0.0.1]/in"],
    ["IPv4-mapped in hex", "https://[::ffff:7f00:1]/in"],
    ["IPv6 link-local", "https://[fe80::1]/in"],
    ["a zone", "https://[fe80::1%25eth0]/in"],
    ["a bare zone", "https://[fe80::1%eth0]/in"],
    ["unique local", "https://[fd00:ec2::254]/in"],
    // Names.
    ["localhost", "https://localhost/in"],
    ["localhost with a dot", "https://localhost./in"],
    ["localhost in capitals", "https://LOCALHOST/in"],
    ["full-width localhost", "https://ｌocalhost/in"],
    ["a subdomain of localhost", "https://example.localhost/in"],
    ["a subdomain of localhost with a dot", "https://example.localhost./in"],
    ["local", "https://printer.local/in"],
    ["internal", "https://metadata.google.internal/in"],
    ["internal in capitals with a dot", "https://METADATA.GOOGLE.INTERNAL./in"],
    ["localdomain", "https://localhost.localdomain/in"],
    ["a bare name", "https://crm/in"],
    ["a dot at the end of a good name", "https://crm.example.com./in"],
    ["two dots", "https://crm..example.com/in"],
    ["a wildcard", "https://*.example.com/in"],
    ["a number as the last label", "https://crm.example.1/in"],
    ["a soft hyphen in localhost", "https://local\u00ADhost/in"],
    // Userinfo and separators.
    ["a user name and a password", "https://me:secret@crm.example.com/in"],
    ["a user name", "https://crm.example.com@evil.example/in"],
    ["an empty user name", "https://@crm.example.com/in"],
    ["an empty user name and password", "https://:@crm.example.com/in"],
    ["a backslash before @", "https://crm.example.com\\@evil.example/in"],
    ["backslashes", "https:\\\\crm.example.com\\in"],
    ["a tab", "https://crm.exa\tmple.com/in"],
    ["a newline", "https://crm.example.com/in\n"],
    ["a space in front", " https://crm.example.com/in"],
    ["a NUL at the end", "https://crm.example.com/in\u0000"],
    ["one slash", "https:/crm.example.com/in"],
    ["no slash", "https:crm.example.com/in"],
    ["three slashes", "https:///crm.example.com/in"],
    ["a fragment", "https://crm.example.com/in#x"],
    // Schemes and ports.
    ["http", "http://crm.example.com/in"],
    ["http with port 443", "http://crm.example.com:443/in"],
    ["ftp", "ftp://crm.example.com/in"],
    ["file", "file:///etc/passwd"],
    ["data", "data:text/plain,x"],
    ["javascript", "javascript:alert(1)"],
    ["no scheme", "crm.example.com/in"],
    ["no scheme, two slashes", "//crm.example.com/in"],
    ["another port", "https://crm.example.com:8443/in"],
    ["port 80", "https://crm.example.com:80/in"],
    ["port 0", "https://crm.example.com:0/in"],
    ["loopback with https", "https://127.0.0.1:8443/in"],
    ["http on another loopback address", "http://127.0.0.2/in"],
    ["http on 0.0.0.0", "http://0.0.0.0:8787/in"],
    ["http on IPv4-mapped loopback", "http://[::ffff:127.0.0.1]/in"],
    ["an empty string", ""],
  ])("%s: %s", (_, url) => {
    expect(configMistake(url)).toMatch(/^src\/config\.ts: callbacks\.crm\.url: must /);
    expect(resultOf(url)).toMatch(/^This Worker's setting callbacks\.crm\.url must /);
    expect(resultOf(url, undefined, LOCAL)).toMatch(/^This Worker's setting callbacks\.crm\.url must /);
  });

  test.each([
    ["https://crm.example.com", "https://crm.example.com/"],
    ["https://crm.example.com/in?token=x", "https://crm.example.com/in?token=x"],
    ["https://CRM.Example.com:443/In", "https://crm.example.com/In"],
    ["https://localhost.example/in", "https://localhost.example/in"],
    ["https://notlocal.com/in", "https://notlocal.com/in"],
    ["https://internal.example.com/in", "https://internal.example.com/in"],
    ["https://bücher.example/in", "https://xn--bcher-kva.example/in"],
    ["https://my_app.example.com/in", "https://my_app.example.com/in"],
    ["https://1password.com/in", "https://1password.com/in"],
    // A Worker can't see what a name resolves to, and Cloudflare's network has no route to a private address.
    ["https://127.0.0.1.nip.io/in", "https://127.0.0.1.nip.io/in"],
  ])("%s is public", (url, href) => {
    expect(configMistake(url)).toBeNull();
    expect(resultOf(url)).toBe(href);
  });
});

describe("a callback to this machine", () => {
  test.each(["http://localhost:3000/in", "http://127.0.0.1:3000/in", "http://[::1]:3000/in"])(
    "%s is accepted with ENVIRONMENT=local only",
    (url) => {
      expect(configMistake(url)).toBeNull();
      expect(resultOf(url, undefined, LOCAL)).toBe(url);
      expect(resultOf(url)).toContain("ENVIRONMENT=local only");
    },
  );
});

describe("a callback to the Worker itself", () => {
  test.each([
    "https://ask.example.com/hooks/h",
    "https://ASK.example.com:443",
    "https://uniapi-edge.me.workers.dev/ask",
  ])("is refused: %s", (url) => {
    expect(resultOf(url)).toContain("must not be this Worker itself");
  });
  test.each(["http://localhost:8787/ask", "http://127.0.0.1:8787/ask", "http://[::1]:8787/ask"])(
    "is refused under ENVIRONMENT=local: %s",
    (url) => {
      expect(resultOf(url, undefined, LOCAL)).toContain("must not be this Worker itself");
    },
  );
  test("is refused regardless of the scheme of the request that started the job", () => {
    expect(
      resultOf("https://ask.example.com", undefined, { local: false, ownOrigins: ["http://ask.example.com"] }),
    ).toContain("this Worker itself");
  });
  test("is refused by the config if it has the host of public_url", () => {
    expect(() =>
      defineConfig({
        public_url: "https://ask.example.com",
        callbacks: { crm: { url: "https://ask.example.com./in" } },
      }),
    ).toThrow("callbacks.crm.url: must not be this Worker itself (public_url)");
  });
  test("is distinguished from one to a subdomain or the parent domain, which is accepted", () => {
    expect(resultOf("https://crm.ask.example.com")).toBe("https://crm.ask.example.com/");
    expect(resultOf("https://example.com")).toBe("https://example.com/");
  });
});

describe("a callback's path", () => {
  test.each([
    ["https://api.github.com", "/repos/o/r/issues/7/comments", "https://api.github.com/repos/o/r/issues/7/comments"],
    ["https://crm.example.com/in", "/tickets/7", "https://crm.example.com/tickets/7"],
    ["https://crm.example.com/in", "tickets/7", "https://crm.example.com/tickets/7"],
    ["https://crm.example.com/v2/", "tickets/7", "https://crm.example.com/v2/tickets/7"],
    ["https://crm.example.com/v2/in?a=1", "?b=2", "https://crm.example.com/v2/in?b=2"],
    ["https://crm.example.com/in?a=1", "", "https://crm.example.com/in?a=1"],
    ["https://crm.example.com/in?a=1", "/x", "https://crm.example.com/x"],
    [
      "https://git.example.com",
      "/projects/group%2Fproject/notes",
      "https://git.example.com/projects/group%2Fproject/notes",
    ],
    ["https://crm.example.com", "/a..b/.well-known/...", "https://crm.example.com/a..b/.well-known/..."],
    [
      "https://crm.example.com",
      "/@someone?next=https://x.example/../y",
      "https://crm.example.com/@someone?next=https://x.example/../y",
    ],
    ["https://crm.example.com", "/é", "https://crm.example.com/%C3%A9"],
    ["https://crm.example.com", "/x:y", "https://crm.example.com/x:y"],
  ])("is resolved against %s: %s", (url, path, href) => expect(resultOf(url, path)).toBe(href));

  test.each([
    "//evil.example/x",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "https://evil.example/x",
    "HTTPS://evil.example/x",
    "https:evil.example",
    "https:/evil.example",
    "http://crm.example.com/x",
    "javascript:alert(1)",
    "ht\ntps://evil.example",
    "/..//evil.example",
    "/.//evil.example",
    "..",
    "/repos/../../user",
    "/repos/%2e%2e/user",
    "/repos/%2E./user",
    "/repos/..%2f..%2fuser",
    "/repos/x%5c..%5cuser",
    "/a/.",
    "/in#x",
    "/a b",
    "/a\r\nx-evil: 1",
    "/a\u0000",
    "/a\u2028b",
  ])("%j is refused", (path) => {
    expect(resultOf("https://crm.example.com/in", path)).toContain("hooks.h.output returned an unsafe path");
  });

  const bits = fc.constantFrom(
    ..."/ \\ // @ : . .. ? # % %2e %2F %5c %0d https: evil.example user:pass@ http \t \n \u00a0 ／ ＠ 。 [::1] 127.0.0.1 ; & ~ \ud800".split(
      " ",
    ),
    "",
    " ",
  );
  test.each(["https://crm.example.com", "https://crm.example.com/v2/in?x=1", "http://127.0.0.1:4000/in"])(
    "of arbitrary characters remains on the origin of %s or is refused",
    (url) => {
      const path = fc.oneof(
        fc.string({ unit: "binary" }),
        fc.webUrl(),
        fc.array(bits, { maxLength: 8 }).map((parts) => parts.join("")),
      );
      const { origin } = new URL(url);
      fc.assert(
        fc.property(path, (path) => {
          const went = resultOf(url, path, LOCAL);
          if (went.startsWith("This Worker's setting")) return;
          const href = new URL(went);
          expect([href.origin, href.username, href.password, href.hash]).toEqual([origin, "", "", ""]);
          expect(went).toMatch(/^[\x21-\x7e]+$/);
        }),
        { numRuns: 1_000 },
      );
    },
  );
});
