import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** For machines that several people share: loopback is open to every one of them. */
export interface TokenGate {
  /** Path of a new one-time link; the newest few stay good until used. */
  readonly newLink: () => string;
  /** The `Set-Cookie` value for the first visit with a link's token; undefined for any other. */
  readonly exchange: (linkToken: string, port: number) => string | undefined;
  readonly admits: (request: {
    readonly port: number;
    readonly cookie: string | undefined;
    readonly authorization: string | undefined;
  }) => boolean;
}

/** Links that wait for their visit. */
const openLinks = 8;

/** Cookies of the gate, of any port: cookies do not know ports. They are for the door alone. */
export const gateCookie = /^lab_door_\d+=/;

/**
 * @param token what programs of the same user send as `Authorization: Bearer`; at least 128 bits.
 */
export function openTokenGate(token: string): TokenGate {
  const session = secret();
  /** The port sets apart the cookies of two labs on one machine. */
  const pairAt = (port: number): string => `lab_door_${port}=${session}`;
  let links: readonly string[] = [];
  return {
    newLink: () => {
      const link = secret();
      links = [...links, link].slice(-openLinks);
      return `/lab/enter/${link}`;
    },
    exchange: (linkToken, port) => {
      const used = links.find((link) => same(link, linkToken));
      if (used === undefined) return undefined;
      links = links.filter((link) => link !== used);
      return `${pairAt(port)}; HttpOnly; SameSite=Lax; Path=/`;
    },
    admits: ({ port, cookie = "", authorization = "" }) => {
      const values = cookie.split(";").map((pair) => pair.trim());
      return (
        values.some((pair) => same(pair, pairAt(port))) || same(authorization, `Bearer ${token}`)
      );
    },
  };
}

/** 128 bits. */
const secret = (): string => randomBytes(16).toString("base64url");

/** In constant time, lengths included: both sides are hashed first. */
const same = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
