/** Connection URL of the lab's database for one role. */
export function databaseUrl(role: string, password: string, port: number): string {
  return `postgres://${role}:${encodeURIComponent(password)}@127.0.0.1:${port}/lab`;
}
