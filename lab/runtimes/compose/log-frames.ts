/** Bytes before each piece: stream, three zeros, length. */
const headBytes = 8;

/**
 * Takes the frames off a container's log, in which the engine mixes standard output and error
 * (https://docs.docker.com/reference/api/engine/, "Stream format").
 */
export function openLogFrames(onBytes: (bytes: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let left = 0;
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length > 0) {
      if (left === 0) {
        if (rest.length < headBytes) return;
        left = rest.readUInt32BE(4);
        rest = rest.subarray(headBytes);
        continue;
      }
      const piece = rest.subarray(0, left);
      left -= piece.length;
      rest = rest.subarray(piece.length);
      onBytes(piece);
    }
  };
}
