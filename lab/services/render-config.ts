import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "#lab/state/atomic-file.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { renderTemplate, type TemplateValues } from "./template.ts";

/** Renders a template, named by its path in `compose/`, into a file that only its owner reads. */
export async function renderConfig(
  template: string,
  values: TemplateValues,
  file: string,
  mode = 0o600,
): Promise<void> {
  const text = await readFile(join(repositoryDir, "compose", template), "utf8");
  await writeFileAtomic(file, renderTemplate(text, values), mode);
}
