/** A difference to Tempo that was looked into, and why it stays. */
export interface KnownDifference {
  /** Of these questions, as they are printed. */
  readonly asked: RegExp;
  readonly reason: string;
}

/** Found with Tempo 2.8; where 3.x is named, its documentation or change log says so. */
export const knownDifferences: readonly KnownDifference[] = [
  {
    asked: /= nil/,
    reason:
      "Tempo 2.8 refuses a comparison with nil other than !=; 3.x knows it, and so does the store",
  },
  {
    asked: /\{ \.count > 1\.5 \}|\{ \.ratio (?:=|>) \d \}/,
    reason:
      "Tempo 2.8 looks for 1.5 in its column of floats and for 2 in that of integers only; the store compares numbers as numbers",
  },
  {
    asked: /\.tags !=/,
    reason: "Tempo 2.8: one element of the array differs. 3.x and the store: no element is equal",
  },
  {
    asked: /event:name != /,
    reason: "Tempo takes a span without events for one with an event without a name",
  },
  {
    asked: /\.foo > "bar"/,
    reason: "Tempo compares the texts with their quotes: `bar.baz` then comes before `bar`",
  },
  { asked: /\^ 2/, reason: "Tempo swaps base and exponent of integers" },
  {
    asked: /2 < \.count/,
    reason: "Tempo asks its columns for count < 2 and finds nothing that is larger",
  },
  {
    asked: /1s \* 0\.5/,
    reason: "Tempo answers 500 to arithmetic between a duration and a number that nobody stored",
  },
  {
    asked: /\{ !\(/,
    reason: "Tempo fetches only spans that meet the condition inside, of which then none is left",
  },
  {
    asked: /&(?:>>|<<)/,
    reason: "Tempo's walk for the union leaves out a span whose tree ends inside another one's",
  },
  {
    asked: /span\.%22an%20odd\.name%22/,
    reason: "Tempo does not read a quoted name in the path",
  },
  {
    asked: /\/api\/search\/tag\/status\/values/,
    reason: "Tempo lists intrinsics with fixed values by version 2 of this route only",
  },
  {
    asked: /tag\/nobody\/values/,
    reason: "Tempo 2.8 answers 500 to a tag without a scope; 3.x and the store 400",
  },
  {
    asked: /q=%7B%20name%20%3D%201%20/,
    reason: "Tempo answers 500 to a comparison of other types; the store leaves it out",
  },
  {
    asked: /(span\.foo|resource\.zone)\/values\?q=.*\1%20(?:%3D~|%3E)/,
    reason: "Tempo tells the name of an attribute that the query compares as one of its values",
  },
  {
    asked: /\{ true \} !/,
    reason: "Tempo reads only spans that hang on a root where the tree is all that is asked about",
  },
  {
    asked: /\|\| true \}/,
    reason: "Tempo takes an || for false where one side is not there",
  },
  {
    asked: /by\([^)]*[+*/-]/,
    reason:
      "Tempo takes arithmetic with an attribute that is not there for false; the store says nil",
  },
];
