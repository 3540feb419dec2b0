import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { explainListening } from "./failures.ts";

/**
 * Resolves with the port, which matters when any free one was asked for.
 * @param flags by which the address is chosen, to be named when it cannot be had.
 */
export async function listen(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
  flags = { host: "--host", port: "--port" },
): Promise<number> {
  server.listen({ host, port });
  try {
    await once(server, "listening");
  } catch (error) {
    throw explainListening(error as NodeJS.ErrnoException, { host, port, flags });
  }
  return (server.address() as AddressInfo).port;
}
