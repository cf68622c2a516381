import { connect } from "node:net";

/**
 * Sends lines that no HTTP client would, and gives back everything that was answered.
 * `head` is the request line with its headers, each ended by CRLF.
 */
export function rawRequest(port: number, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`${head}Connection: close\r\n\r\n`);
    });
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("end", () => resolve(answer));
    socket.on("error", reject);
  });
}
