// The values that the global setup files provide to the tests.
import "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** Address of the UniAPI emulator that the tests in workerd share. */
    emulatorUrl: string;
    /** Address of their identity provider and siteverify. */
    issuerUrl: string;
    /** Address of their callback receiver. */
    receiverUrl: string;
    /** Folder of the production bundle. */
    bundleDir: string;
    /** Miniflare's options for wrangler.toml. */
    workerOptions: { bindings: object };
  }
}
