/** Patterns of KEYS, SCAN and PSUBSCRIBE: `*`, `?`, `[ab]`, `[^a]`, `[a-c]`, and `\` before any of them. */
export function globMatcher(pattern: string): (text: string) => boolean {
  const source = pattern.replace(
    /\\([\s\S])|(\*+)|(\?)|\[(\^?)((?:\\[\s\S]|[^\]\\])*)\]|([\s\S])/g,
    (_all, escaped, stars, any, not, set, other) => {
      if (stars !== undefined) return "[\\s\\S]*";
      if (any !== undefined) return "[\\s\\S]";
      if (set !== undefined) return `[${not}${set.replace(/\\?([\\[\]^])/g, "\\$1")}]`;
      return (escaped ?? other).replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
    },
  );
  try {
    const regex = new RegExp(`^${source}$`);
    return (text) => regex.test(text);
  } catch {
    // A range from high to low matches nothing.
    return () => false;
  }
}
