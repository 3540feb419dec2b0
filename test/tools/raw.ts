import { connect, type Socket } from "node:net";

/** Sends bytes as they are to a port of the loopback interface, and returns all that comes back. */
export async function sendRaw(
  port: number,
  text: string | Buffer,
  options: { readonly halfClose?: boolean } = {},
): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.write(text);
  if (options.halfClose) socket.end();
  await new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
    socket.once("error", () => resolve());
  });
  return Buffer.concat(chunks).toString("latin1");
}

/** Reads from a socket until what has come contains `text`. Rejects when the connection ends before. */
export async function readUntil(socket: Socket, text: string): Promise<string> {
  let seen = "";
  return await new Promise((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      seen += chunk.toString("latin1");
      if (!seen.includes(text)) return;
      socket.off("data", onData);
      resolve(seen);
    };
    socket.on("data", onData);
    socket.once("close", () => reject(new Error(`closed after ${JSON.stringify(seen)}`)));
    socket.once("error", reject);
  });
}
