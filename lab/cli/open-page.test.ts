import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { forgetOpening, openByLink } from "./open-page.ts";

const link = "http://localhost:4700/lab/enter/k3Jd8s0PqLmZx71Tn4VwYg";

/** A state folder, and an `xdg-open` that writes down what it was asked to open. */
function desktop(): { readonly dir: string; readonly asked: () => string } {
  const dir = mkdtempSync(join(tmpdir(), "lab-open-"));
  const asked = join(dir, "asked");
  writeFileSync(
    join(dir, "xdg-open"),
    `#!/bin/sh\nprintf '%s' "$*" > '${asked}.new' && mv '${asked}.new' '${asked}'\n`,
  );
  chmodSync(join(dir, "xdg-open"), 0o700);
  vi.stubEnv("PATH", `${dir}${delimiter}${process.env.PATH}`);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(dir, { recursive: true });
  });
  return { dir, asked: () => (existsSync(asked) ? readFileSync(asked, "utf8") : "") };
}

test.runIf(process.platform === "linux")(
  "a link is opened by a file of this user's, not by an argument that everybody can read",
  async () => {
    const { dir, asked } = desktop();
    await openByLink(link, { dir, env: { DISPLAY: ":0" } });
    const file = join(dir, "open.html");
    await expect.poll(asked, { interval: 10 }).toBe(file);
    expect(readFileSync(file, "utf8")).toContain(`url=${link}`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await forgetOpening(dir);
    expect(existsSync(file)).toBe(false);
  },
);
