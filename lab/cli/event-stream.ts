/** One message of a Server-Sent Events stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export interface StreamMessage {
  readonly id: string;
  readonly data: string;
}

/** Messages with data, as they come. Comments and other fields are skipped. */
export async function* eventMessages(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<StreamMessage> {
  const decoder = new TextDecoder();
  let rest = "";
  let id = "";
  let data: string[] = [];
  for await (const chunk of body) {
    // A chunk may end between CR and LF, so CRs are dropped: our own streams have none in data.
    const lines = (rest + decoder.decode(chunk, { stream: true }).replaceAll("\r", "")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      else if (line.startsWith("id:")) id = line.slice(3).trim();
      else if (line === "" && data.length > 0) {
        yield { id, data: data.join("\n") };
        data = [];
      }
    }
  }
}
