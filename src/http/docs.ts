// GET /openapi.json and /docs: the API as a document, and a page that shows it. Both are public and always on, because they contain only
// what is in the project's source, and nothing from a deployer's config.
import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { assetResponse, PAGE_POLICY } from "./respond/asset.ts";

// Swagger UI works under this policy, which permits data URLs for images: its icons are such URLs.
const PAGE_HEADERS = { "content-security-policy": PAGE_POLICY, "referrer-policy": "no-referrer" };

export const docsRoutes = new Hono<AppEnv>()
  .get("/openapi.json", (c) => assetResponse(c, "/openapi.json"))
  .get("/docs", (c) => assetResponse(c, "/docs/docs.html", PAGE_HEADERS))
  // Also matches the page itself: /docs/docs.html.
  .get("/docs/:file", (c) => assetResponse(c, `/docs/${c.req.param("file")}`, PAGE_HEADERS));
