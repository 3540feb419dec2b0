import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { StartError } from "../failures.ts";

/** Nobody listens. */
export class Unreachable extends StartError {}

/** Asks the server behind a control socket. @param item told of what it says before the result */
export async function ask(
  socketPath: string,
  path: string,
  asked: object,
  item: (value: unknown) => void,
): Promise<unknown> {
  const res = await post(socketPath, path, asked);
  for await (const line of createInterface({ input: res })) {
    const said = JSON.parse(line);
    if ("item" in said) item(said.item);
    else if ("error" in said) throw new StartError(said.error.message);
    else return said.result;
  }
  throw new StartError("the server has ended before it was done");
}

/** @throws Unreachable, StartError when it breaks off without an answer */
export async function post(socketPath: string, path: string, asked: object): Promise<IncomingMessage> {
  // A connection each: one that is kept may be closed by the server at the moment when it is used again.
  const req = request({ socketPath, path, method: "POST", agent: false }).end(JSON.stringify(asked));
  const [res] = (await once(req, "response").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ECONNREFUSED")
      throw new Unreachable(`no server answers at ${socketPath}`);
    throw new StartError(`${socketPath} does not answer: ${error.message}`);
  })) as [IncomingMessage];
  return res;
}
