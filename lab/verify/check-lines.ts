import { type Check, type EvidenceQuery, evidenceSourceTitle } from "#lab/api/checks.ts";

/** What a check that did not pass wanted, saw and missed narrowly, as lines of text. */
export function missLines({
  title,
  expected,
  seen,
  nearest,
  query,
  hint,
}: Check): readonly string[] {
  return [
    `expected  ${expected ?? title}`,
    ...(seen === undefined ? [] : [`seen      ${seen}`]),
    ...(nearest
      ? [
          `nearest   ${nearest.kind} ${nearest.title}`,
          ...nearest.ticks.map((tick) =>
            tick.ok
              ? `          ✓ ${tick.predicate} ${tick.seen}`
              : `          ✗ ${tick.predicate}: expected ${tick.expected}, seen ${tick.seen}`,
          ),
        ]
      : []),
    ...(query === undefined ? [] : [`query     ${query.text}${askedWords(query)}`]),
    `hint      ${hint}`,
  ];
}

const askedWords = ({ asked }: EvidenceQuery): string =>
  asked === undefined ? "" : `   (asked: ${evidenceSourceTitle[asked]})`;
