import type { Socket } from "node:net";
import type { Call } from "./request-context.ts";

// A client that sends so many requests ahead of their answers wants none of them.
const WAITING_MAX = 32;

const waiting = new WeakMap<Socket, number>();

/**
 * Whether earlier requests on the connection have not been answered. node:http starts all of them at once, which
 * RFC 9112 §9.3.2 allows for safe methods only, and by which one connection could open files without end.
 */
export function isPipelined({ res }: Call): boolean {
  return res.socket === null;
}

/** Answers when those before it have been, if there is still somebody to answer. */
export async function inTurn(ctx: Call, answer: (ctx: Call) => unknown): Promise<void> {
  const { socket } = ctx.req;
  const ahead = waiting.get(socket) ?? 0;
  ctx.respond = false;
  // What has been read with the request that was one too many still comes.
  if (ahead === WAITING_MAX) socket.destroy();
  if (socket.destroyed) return;
  waiting.set(socket, ahead + 1);
  await nextOnConnection(ctx);
  waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
  if (!socket.destroyed) await answer(ctx);
}

/** node:http tells a response when the connection is its own, and a request when the connection is lost. */
function nextOnConnection({ res, req }: Call): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      res.off("socket", done);
      req.off("close", done);
      resolve();
    };
    res.once("socket", done);
    req.once("close", done);
  });
}
