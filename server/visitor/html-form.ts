/** A form of a page, as far as somebody who fills it in needs it. */
export interface HtmlForm {
  readonly id: string;
  readonly action: string;
  /** Names and values of its hidden fields. */
  readonly hidden: Readonly<Record<string, string>>;
}

/** The forms of a page. Reads what Keycloak and the lab's stand-in write; it is no HTML parser. */
export function formsOf(html: string): readonly HtmlForm[] {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(
    ([, tag = "", body = ""]) => ({
      id: attributeOf(tag, "id"),
      action: attributeOf(tag, "action"),
      hidden: Object.fromEntries(
        [...body.matchAll(/<input\b([^>]*)>/gi)]
          .map(([, input = ""]) => input)
          .filter((input) => attributeOf(input, "type").toLowerCase() === "hidden")
          .map((input) => [attributeOf(input, "name"), attributeOf(input, "value")]),
      ),
    }),
  );
}

const entities: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  "#39": "'",
  "#x27": "'",
  "#x2F": "/",
};

function attributeOf(tag: string, name: string): string {
  const found = new RegExp(`(?:^|\\s)${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s>]+))`, "i").exec(
    tag,
  );
  const raw = found?.[1] ?? found?.[2] ?? found?.[3] ?? "";
  return raw.replace(/&(#?\w+);/g, (whole, entity: string) => entities[entity] ?? whole);
}
