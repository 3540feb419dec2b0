import { connect, type Socket } from "node:net";
import { eventually } from "../../tools/eventually.ts";

/** Begins a request whose body never ends, and resolves when the server has read what there is of it. */
export async function stall(
  server: { port: number; received(clientPort: number | undefined): number },
  request: string,
  body: Buffer | string,
): Promise<Socket> {
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  const head = `${request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n`;
  socket.write(head);
  socket.write(body);
  await eventually(async () => server.received(socket.localPort) >= head.length + body.length);
  return socket;
}
