// /openapi.json and /docs in workerd: who may read them, and their Content-Security-Policy. The document's content is tested in test/unit and, with
// requests to a Worker, in test/e2e; the page's appearance in test/browser.
import { expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { defineConfig } from "../../src/core/config/define-config.ts";
import { eachTestAlone, problemOf, startWorker } from "./worker.ts";

eachTestAlone();

interface Described {
  openapi: string;
  paths: Record<
    string,
    Record<string, { operationId: string; parameters?: { name: string }[]; responses: Record<string, object> }>
  >;
}

/** A page and every file that it loads. */
async function filesOf(page: string): Promise<string[]> {
  const html = await (await startWorker().get(page)).text();
  return [page, ...[...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path = ""]) => path)];
}

test("the document's paths are exactly the app's routes", async () => {
  const { paths } = await (await startWorker().get("/openapi.json")).json<Described>();
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const routes = createApp(defineConfig({ defaults: { model: "gpt-6-luna" } }))
    .routes.filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(?:\{[^}]*\})?/g, "{$1}")}`)
    // Except for pages and the alias of /v1/responses.
    .filter((route) => !/^GET \/(?:docs\b|console\b|$)|^\w+ \/responses\b/.test(route));
  expect(described.toSorted()).toEqual(routes.toSorted());
  const operations = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
  expect(new Set(operations).size).toBe(described.length);
});

test("in production the document and the docs page are public, while other routes need a credential", async () => {
  const worker = startWorker(
    {},
    { ENVIRONMENT: "production", SERVER_KEYS: "sk_somebody_0123456789", UNIAPI_BASE_URL: "" },
  );
  for (const path of ["/openapi.json", "/docs", "/docs/docs.js"]) expect((await worker.get(path)).status).toBe(200);
  expect((await worker.get("/v1/models")).status).toBe(401);
});

test("the docs page's policy allows its own scripts only, no inline script, no eval and no other origin", async () => {
  const page = await startWorker().get("/docs");
  expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect((await startWorker().get("/docs/docs.html")).headers.get("content-security-policy")).toBe(policyOf(page));
  expect(page.headers.get("x-content-type-options")).toBe("nosniff");
  const policy = policyOf(page);
  expect(policy).toContain(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'",
  );
  expect(policy).not.toMatch(/unsafe|\*|https?:/);
  const html = await page.text();
  expect(html).not.toMatch(/<script(?![^>]* src="\/docs\/)|<style| style=| on\w+=|https?:/);
  for (const [, path = ""] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g))
    expect((await startWorker().get(path)).status).toBe(200);
});

test("a file that the client has gets 304", async () => {
  const worker = startWorker();
  const etag = (await worker.get("/docs/docs.css")).headers.get("etag") ?? "";
  expect(etag).not.toBe("");
  const again = await worker.get("/docs/docs.css", { "if-none-match": etag });
  expect([again.status, await again.text()]).toEqual([304, ""]);
  expect((await worker.send("/docs/docs.css", { method: "HEAD" })).status).toBe(200);
});

test("every path with an ETag answers 304 to a client that has it, and no other path does; the document lists which", async () => {
  const worker = startWorker();
  const { paths } = await (await worker.get("/openapi.json")).json<Described>();
  const described = Object.keys(paths).filter((path) => "get" in (paths[path] ?? {}) && !path.includes("{"));
  const pages = [...(await filesOf("/docs")), ...(await filesOf("/"))];
  expect(pages.length).toBeGreaterThan(8);
  const conditional: string[] = [];
  for (const path of [...described, ...pages]) {
    const full = await worker.get(path);
    const [etag, cacheControl] = ["etag", "cache-control"].map((name) => full.headers.get(name)) as [
      string | null,
      string | null,
    ];
    if (etag !== null) conditional.push(path);
    for (const known of [etag, `W/${etag}`]) {
      const again = await worker.get(path, { "if-none-match": known ?? '"any"' });
      const { status, headers } = again;
      expect([path, status, headers.get("etag"), headers.get("cache-control")]).toEqual([
        path,
        etag === null ? 200 : 304,
        etag,
        cacheControl,
      ]);
      expect(cacheControl).not.toBeNull();
      if (etag !== null)
        expect([await again.text(), headers.get("x-request-id")]).toEqual(["", expect.stringMatching(/^req_/)]);
    }
    expect((await worker.get(path, { "if-none-match": '"another"' })).status).toBe(200);
  }
  expect(conditional).toEqual(["/client.js", "/openapi.json", ...pages]);
  const say = (what: (path: string) => boolean | undefined): string[] => described.filter((path) => what(path));
  expect(say((path) => "304" in (paths[path]?.["get"]?.responses ?? {}))).toEqual(["/client.js", "/openapi.json"]);
  expect(say((path) => paths[path]?.["get"]?.parameters?.some(({ name }) => name === "If-None-Match"))).toEqual([
    "/client.js",
    "/openapi.json",
  ]);
});

test.each(["/docs/nothing.js", "/docs/..%2Fopenapi.json", "/docs/docs.html/more", "/docs/.env", "/openapi.yaml"])(
  "%s gets 404",
  async (path) => {
    const response = await startWorker().get(path);
    expect(response.status).toBe(404);
    expect((await problemOf(response)).code).toBe("not_found");
  },
);

test("other methods on the docs paths get 405 with Allow", async () => {
  const response = await startWorker().send("/openapi.json", { method: "POST", body: "x" });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

test("without the ASSETS binding, the error names the binding", async () => {
  const response = await startWorker({}, { ASSETS: undefined }).get("/docs");
  expect(response.status).toBe(503);
  expect((await problemOf(response)).message).toContain("ASSETS");
});

const policyOf = (page: Response): string => page.headers.get("content-security-policy") ?? "";
