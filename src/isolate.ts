// What this isolate has once, for the router and for every object in it: the deployer's config, and the wire made of it.
import config from "#config";
import { createWire } from "./wire.ts";

export { config };
export const wire = createWire(config);
