import { randomBytes } from "node:crypto";

/** 256 bits; the default of koa-session has 122. */
export const newSessionId = (): string => randomBytes(32).toString("base64url");
