import type { Server } from "node:http";
import type { Socket } from "node:net";

/** Bytes on the connections of servers, with everything that HTTP and TLS add. The kernel's side counts them: no request pays. */
export class Traffic {
  readonly #open = new Set<Socket>();
  #received = 0;
  #sent = 0;

  watch(server: Server): void {
    server.on("connection", (socket: Socket) => {
      this.#open.add(socket);
      socket.once("close", () => {
        this.#open.delete(socket);
        this.#received += socket.bytesRead;
        this.#sent += socket.bytesWritten;
      });
    });
  }

  get connections(): number {
    return this.#open.size;
  }

  get received(): number {
    return [...this.#open].reduce((sum, socket) => sum + socket.bytesRead, this.#received);
  }

  get sent(): number {
    return [...this.#open].reduce((sum, socket) => sum + socket.bytesWritten, this.#sent);
  }
}
