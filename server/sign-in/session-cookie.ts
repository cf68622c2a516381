/** The session's cookie: its name carries the front door's port, because cookies do not know ports. */
export interface SessionCookie {
  readonly name: string;
  readonly secure: boolean;
}

/**
 * Over https with the `__Host-` prefix and `Secure`. Over plain http without: Safari drops `Secure`
 * cookies there, on localhost too (https://bugs.webkit.org/show_bug.cgi?id=232088).
 * @param origin canonical origin of the page.
 */
export function sessionCookie(origin: string): SessionCookie {
  const { port, protocol } = new URL(origin);
  const secure = protocol === "https:";
  const name = `lab_session_${port || (secure ? "443" : "80")}`;
  return { name: secure ? `__Host-${name}` : name, secure };
}
