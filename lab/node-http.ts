/**
 * `node:http` for what never calls fetch. Imported as a module it would evaluate all that it exports,
 * `WebSocket` too, and load undici for it: 6 MB and 40 ms of every process and every thread.
 */
export const http = process.getBuiltinModule("node:http");
