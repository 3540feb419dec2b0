import type { ChildProcess } from "node:child_process";

/** What node:cluster sends of a connection: libuv's handle. */
interface Handle {
  /** Negative when it is closed. */
  readonly fd: number;
  close(): void;
}

/**
 * Hangs up on clients whose connection was on its way to a worker that died. node:cluster keeps its end of a
 * connection open until the worker says that it has it, and when none does, for ever: the client of one connection
 * for each dead worker would wait for an answer that nobody writes. To be called before the worker listens.
 */
export function closeWithWorker(worker: ChildProcess): void {
  let given: Handle[] = [];
  const send = worker.send.bind(worker) as (...args: unknown[]) => boolean;
  const sendAndRemember = (message: unknown, handle?: unknown, ...rest: unknown[]) => {
    if (isHandle(handle)) given = [...given.filter(isOpen), handle];
    return send(message, handle, ...rest);
  };
  Object.assign(worker, { send: sendAndRemember });
  worker.once("exit", () => {
    for (const handle of given.filter(isOpen)) handle.close();
  });
}

function isOpen({ fd }: Handle): boolean {
  return fd >= 0;
}

function isHandle(value: unknown): value is Handle {
  return typeof value === "object" && value !== null && "fd" in value && "close" in value;
}
