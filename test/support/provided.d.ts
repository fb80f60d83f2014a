// What the global set-ups hand to the tests.
import "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** Address of the UniAPI emulator that all tests in workerd share. */
    emulatorUrl: string;
    /** Address of the identity provider and of siteverify, for the same tests. */
    issuerUrl: string;
    /** Address of the receiver of callbacks, for the same tests. */
    receiverUrl: string;
    /** Folder of the production bundle. */
    bundleDir: string;
    /** wrangler.toml as Miniflare's options. */
    workerOptions: { bindings: object };
  }
}
