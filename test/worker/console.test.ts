// The console's paths in workerd: where it is on, where it is off, and with which policy it is served. test/browser tests how it works.
import { describe, expect, test } from "vitest";
import { eachTestAlone, problemOf, startWorker } from "./worker.ts";

eachTestAlone();

const PRODUCTION = { ENVIRONMENT: "production", SERVER_KEYS: "sk_somebody_0123456789", UNIAPI_BASE_URL: "" };
const FILES = ["/", "/console/console.js", "/console/console.css", "/console/icon.svg"];

describe("in production the console", () => {
  test("is off, and all its paths answer like an unknown path", async () => {
    const worker = startWorker({}, PRODUCTION);
    const { request_id: _, ...unknown } = await problemOf(await worker.get("/nothing-here"));
    for (const path of FILES) {
      for (const method of ["GET", "POST", "DELETE"]) {
        const response = await worker.send(path, { method });
        const { request_id: _id, ...problem } = await problemOf(response);
        expect([response.status, response.headers.get("allow"), problem], `${method} ${path}`).toEqual([
          404,
          null,
          unknown,
        ]);
      }
    }
  });

  test("is served to anyone with `console: true`, but its requests need a credential", async () => {
    const worker = startWorker({ console: true }, PRODUCTION);
    for (const path of FILES) expect((await worker.get(path)).status, path).toBe(200);
    expect(await (await worker.get("/")).text()).toContain('data-environment="production"');
    expect((await worker.get("/v1/models")).status).toBe(401);
  });
});

test("under ENVIRONMENT=local the console is always on, and its page knows that it needs no credential", async () => {
  const page = await startWorker().get("/");
  expect(page.status).toBe(200);
  expect(await page.text()).toContain('data-environment="local"');
});

test("the console's policy allows its own scripts only, no other origin, no frames, and no markup from strings", async () => {
  const worker = startWorker({ console: true }, PRODUCTION);
  const page = await worker.get("/");
  expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(page.headers.get("x-content-type-options")).toBe("nosniff");
  expect(page.headers.get("referrer-policy")).toBe("no-referrer");
  expect((page.headers.get("content-security-policy") ?? "").split("; ")).toEqual([
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ]);
  const html = await page.text();
  expect(html).not.toMatch(/<script(?![^>]* src="\/console\/)|<style| style=| on\w+=|https?:/);
  const script = await (await worker.get("/console/console.js")).text();
  expect(script).not.toMatch(/\beval\(|new Function|document\.write|localStorage\.\w*\(?"[^"]*key/i);
  expect(await (await worker.get("/console/console.css")).text()).not.toMatch(/url\(\s*["']?https?:|@import/);
});

test("other methods on the console's paths get 405 with Allow, and unknown files get 404", async () => {
  const response = await startWorker().send("/", { method: "POST", body: "x" });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  for (const path of ["/console", "/console/nothing.js", "/console/..%2Fopenapi.json", "/console/.env"]) {
    expect((await startWorker().get(path)).status, path).toBe(404);
  }
});
