/**
 * To be imported before oidc-provider, which writes a warning into the service's log when it is
 * loaded by a Node without long-term support. Which Node the lab runs on is the lab's decision.
 */
const warn = console.warn.bind(console);

console.warn = (...words: readonly unknown[]): void => {
  if (!/^oidc-provider WARNING: Unsupported runtime\b/.test(String(words[0]))) warn(...words);
};

export {};
