import { type Context, ROOT_CONTEXT } from "@opentelemetry/api";
import { StackContextManager } from "@opentelemetry/sdk-trace-web";

/**
 * Keeps one interaction's context active for code that runs after a native `await`, where the
 * browser has no async context yet. With overlapping interactions the latest one wins, so requests
 * that must be right pass their context explicitly.
 */
export class AmbientContextManager extends StackContextManager {
  #ambient: Context | undefined;

  override active(): Context {
    const stacked = super.active();
    return stacked === ROOT_CONTEXT && this.#ambient !== undefined ? this.#ambient : stacked;
  }

  /** Makes `ambient` the fallback until the returned function is called. */
  enter(ambient: Context): () => void {
    this.#ambient = ambient;
    return () => {
      if (this.#ambient === ambient) this.#ambient = undefined;
    };
  }
}
