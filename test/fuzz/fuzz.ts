import { Random } from "../tools/random.ts";
import { type Answer, Connection } from "./connection.ts";
import { makeRequest } from "./grammar.ts";

export interface Findings {
  /** How many answers had which status. */
  readonly statuses: ReadonlyMap<number, number>;
  /** What should not have been, each with the request. */
  readonly faults: readonly string[];
}

const FAULTS_KEPT = 20;

/** Sends `count` requests that a seed makes, over some connections at once, and looks at the answers. */
export async function fuzz(
  port: number,
  options: { seed: number; count: number; connections: number },
): Promise<Findings> {
  const statuses = new Map<number, number>();
  const faults: string[] = [];
  const work = async (lane: number) => {
    const random = new Random(options.seed * 1000 + lane);
    const connection = new Connection(port);
    for (let sent = lane; sent < options.count; sent += options.connections) {
      const request = makeRequest(random);
      const answer = await connection.send(request);
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      const fault = faultOf(answer, request.method);
      if (fault !== undefined && faults.length < FAULTS_KEPT) {
        faults.push(`${fault}\n${JSON.stringify(request.text.slice(0, 3000))}\n${answer.body.slice(0, 500)}`);
      }
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: options.connections }, (_, lane) => work(lane)));
  return { statuses, faults };
}

function faultOf({ status, body }: Answer, method: string): string | undefined {
  if (status >= 500) return `answered ${status}`;
  if (status < 400 || method === "HEAD") return undefined;
  try {
    const { errors } = JSON.parse(body);
    if (errors.every((error: { code: unknown }) => /^[A-Z_]+$/.test(String(error.code)))) return undefined;
  } catch {
    // Told below.
  }
  return `answered ${status} without an error that can be read`;
}
