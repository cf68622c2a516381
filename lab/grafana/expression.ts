import { parser as logql } from "@grafana/lezer-logql";
import { parser as promql } from "@prometheus-io/lezer-promql";

/** The part of the grammars' parsers that is used; both are generated for the same runtime. */
interface Grammar {
  readonly parse: (text: string) => Tree;
}
interface Tree {
  readonly iterate: (visit: { readonly enter: (node: TreeNode) => void }) => void;
}
interface TreeNode {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly type: { readonly isError: boolean };
}

/** What of a PromQL expression its grammar refuses; empty when it is valid. */
export const promqlErrors = (expr: string): readonly string[] => errorsOf(promql, expr);
/** As {@link promqlErrors}, of LogQL. */
export const logqlErrors = (expr: string): readonly string[] => errorsOf(logql, expr);

function errorsOf(grammar: Grammar, expr: string): readonly string[] {
  if (expr.trim() === "") return ["empty"];
  const errors: string[] = [];
  grammar.parse(expr).iterate({
    enter: ({ type, from }) => {
      if (type.isError) errors.push(`at ${from}: ${JSON.stringify(expr.slice(from, from + 30))}`);
    },
  });
  return errors;
}

/** Names of the metrics that a PromQL expression reads, each once; also those of `{__name__=~"a|b"}`. */
export function metricNames(expr: string): readonly string[] {
  const names = new Set<string>();
  (promql as Grammar).parse(expr).iterate({
    enter: ({ name, from, to }) => {
      const text = expr.slice(from, to);
      const [, listed] =
        name === "UnquotedLabelMatcher" ? (/^__name__=~"(.+)"$/.exec(text) ?? []) : [];
      if (listed !== undefined) for (const one of listed.split("|")) names.add(one);
      if (name === "Identifier") names.add(text);
    },
  });
  return [...names];
}

/** Names of the labels that a PromQL expression matches, groups by, or reads in `label_replace`, each once; without those it makes. */
export function labelNames(expr: string): readonly string[] {
  const names = new Set<string>();
  const made = new Set<string>();
  (promql as Grammar).parse(expr).iterate({
    enter: ({ name, from, to }) => {
      const text = expr.slice(from, to);
      if (name === "LabelName" && text !== "__name__") names.add(text);
      if (name !== "FunctionCall" || !text.startsWith("label_replace(")) return;
      const [, target, source] =
        /, "(\w+)", "[^"]*", "(\w+)", "(?:[^"\\]|\\.)*"\)$/.exec(text) ?? [];
      if (target !== undefined) made.add(target);
      if (source !== undefined) names.add(source);
    },
  });
  return [...names].filter((name) => !made.has(name));
}
