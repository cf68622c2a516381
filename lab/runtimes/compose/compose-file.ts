import { join } from "node:path";
import { type Env, repositoryDir } from "#lab/state/lab-dir.ts";

/** The file that describes the services as containers. */
export const composeFile = join(repositoryDir, "compose", "compose.yaml");

/** Image of every service by its id: `image: ${MINIO_IMAGE:-quay.io/minio/minio:…}`. */
export const imagesNamed = (text: string, env: Env): ReadonlyMap<string, string> =>
  new Map(
    [...text.matchAll(/^ {2}([\w-]+):\n(?: {4}.*\n)*? {4}image: \$\{(\w+):-([^}]+)\}$/gm)].map(
      ([, id = "", variable = "", image = ""]) => [id, env[variable] || image],
    ),
  );
