// GET /openapi.json and /docs: this API as a document, and that document as a page. Both are public and always on: they say nothing
// that the source of the project doesn't, and hold nothing of a deployer's config.
import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { methodNotAllowed } from "../core/lib/problem.ts";
import { PAGE_POLICY, pageFile } from "./respond/page-file.ts";

// Swagger UI keeps to it: its icons are data URLs.
const OF_THE_PAGE = { "content-security-policy": PAGE_POLICY, "referrer-policy": "no-referrer" };

export const docsRoutes = new Hono<AppEnv>()
  .get("/openapi.json", (c) => pageFile(c, "/openapi.json"))
  .get("/docs", (c) => pageFile(c, "/docs/docs.html", OF_THE_PAGE))
  // The page itself is one of them, under its own name.
  .get("/docs/:file", (c) => pageFile(c, `/docs/${c.req.param("file")}`, OF_THE_PAGE))
  .on("ALL", ["/openapi.json", "/docs"], () => {
    throw methodNotAllowed("GET, HEAD");
  });
