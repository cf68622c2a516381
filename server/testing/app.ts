import { startPostgres, type TestPostgres } from "./postgres.ts";
import { startServer, type TestServer } from "./server.ts";
import { startStore, type TestStore } from "./store.ts";

/** The app with a database and a store of its own. */
export interface TestApp {
  readonly postgres: TestPostgres;
  readonly store: TestStore;
  readonly server: TestServer;
  readonly stop: () => Promise<void>;
}

export async function startApp(): Promise<TestApp> {
  const [postgres, store] = await Promise.all([startPostgres(), startStore()]);
  const stopBoth = () => Promise.all([postgres.stop(), store.stop()]);
  const server = await startServer({ postgres, telemetryUrl: store.url }).catch(async (error) => {
    await stopBoth();
    throw error;
  });
  return {
    ...{ postgres, store, server },
    async stop() {
      await server.stop();
      await stopBoth();
    },
  };
}
