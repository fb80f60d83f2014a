// The deployer's config and the wire: one of each per isolate, shared by the router and by every Durable Object.
import config from "#config";
import { createWire } from "./wire.ts";

export { config };
export const wire = createWire(config);
