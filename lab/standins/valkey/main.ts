/** The stand-in for Valkey: `LAB_VALKEY_PORT` and `LAB_VALKEY_PASSWORD` say where and for whom. SIGTERM ends it. */
import { openValkeyStandIn } from "./standin.ts";

const { LAB_VALKEY_PORT, LAB_VALKEY_PASSWORD } = process.env;
if (!LAB_VALKEY_PORT || !LAB_VALKEY_PASSWORD) {
  process.stderr.write("LAB_VALKEY_PORT and LAB_VALKEY_PASSWORD must be set.\n");
  process.exit(3);
}
const standIn = await openValkeyStandIn({
  port: Number(LAB_VALKEY_PORT),
  password: LAB_VALKEY_PASSWORD,
});
process.stdout.write(`Stand-in for Valkey: ready on 127.0.0.1:${standIn.port}\n`);
process.on("SIGTERM", () => void standIn.close().then(() => process.exit(0)));
