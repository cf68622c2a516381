/** What the names of a template stand for; a block whose name is undefined is left out. */
export type TemplateValues = Readonly<Record<string, string | undefined>>;

/**
 * Fills in a configuration template: `${name}` becomes its value; what lies between the lines
 * `# when name` and `# end` stays only when `name` has one.
 * @throws Error for a name without a value outside of such a block: a mistake in the template.
 */
export function renderTemplate(template: string, values: TemplateValues): string {
  const blocks = /^[ \t]*# when (\w+)\n([\s\S]*?)^[ \t]*# end\n/gm;
  return template
    .replace(blocks, (_all, name: string, block: string) =>
      values[name] === undefined ? "" : block,
    )
    .replace(/\$\{(\w+)\}/g, (_all, name: string) => {
      const value = values[name];
      if (value === undefined) throw new Error(`the template asks for ${name}, which has no value`);
      return value;
    });
}
