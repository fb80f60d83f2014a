// The deployer's config and the wire. Each isolate has one of each, which the router, the Workflow and the Durable Objects share.
import config from "#config";
import { createWire } from "./wire.ts";

export { config };
export const wire = createWire(config);
