/** The page's own addresses, with at most a plain query: nothing else is ever redirected to. */
const ownPage =
  /^\/(?:(?:scenarios|runs?|traces)(?:\/[\w.~-]+)*\/?|services\/?)?(?:\?[\w.~%=&:+,-]*)?$/;

/** Where to go after a sign-in: `value` if it is a page of ours, else the first page. */
export const returnPath = (value: unknown): string =>
  typeof value === "string" &&
  value.length <= 500 &&
  ownPage.test(value) &&
  !/\/\.\.?(?:[/?]|$)/.test(value)
    ? value
    : "/";
