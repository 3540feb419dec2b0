import type { z } from "zod";
import { type ErrorCode, LayerdError } from "./errors.ts";

/**
 * Parses input of unknown shape. Every fault is named by its JSON path, so that a caller with a wrong key in
 * a long document finds it.
 * @throws an error of `code`, `detail: [{path, message}]`.
 */
export function validate<T extends z.ZodType>(schema: T, input: unknown, code: ErrorCode): z.output<T> {
  if (countValues(input, VALUES_MAX) > VALUES_MAX) {
    throw new LayerdError("REQUEST_TOO_LARGE", `the document has more than ${VALUES_MAX} values`);
  }
  return conform(schema, input, code);
}

/** As `validate`, for input whose number of values, or of faults that the schema reports, is bounded already. */
export function conform<T extends z.ZodType>(schema: T, input: unknown, code: ErrorCode): z.output<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw faultsError(code, result.error.issues.flatMap(explain));
}

/** An error of `code` that names the faults, `detail: [{path, message}]`: as many as one reads. */
export function faultsError(code: ErrorCode, faults: readonly Fault[]): LayerdError {
  const shown = faults.slice(0, FAULTS_MAX);
  const summary = shown.map(({ path, message }) => `${path}: ${message}`).join("; ");
  return new LayerdError(code, summary.slice(0, 1000), { detail: shown });
}

// Checking and explaining a million values would keep everybody else waiting for seconds.
const VALUES_MAX = 50_000;

/** How many faults of one document are told. */
export const FAULTS_MAX = 100;

/** How many values a document has, counted no further than `enough`. */
function countValues(root: unknown, enough: number): number {
  const waiting = [root];
  let count = 0;
  for (let value = waiting.pop(); count <= enough; value = waiting.pop()) {
    count += 1;
    if (typeof value === "object" && value !== null) {
      for (const inner of Object.values(value)) if (waiting.push(inner) > enough) return enough + 1;
    }
    if (waiting.length === 0) break;
  }
  return count;
}

/** What is wrong where, by JSON path (RFC 9535). */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

function explain(issue: z.core.$ZodIssue): Fault[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: jsonPath([...issue.path, key]), message: "unknown key" }));
  }
  if (issue.code === "invalid_union") return explainUnion(issue);
  return [{ path: jsonPath(issue.path), message: issue.message }];
}

/** Of a union's branches, the one that came nearest to fitting is the one the caller meant. */
function explainUnion(issue: z.core.$ZodIssueInvalidUnion): Fault[] {
  const depth = (branch: readonly z.core.$ZodIssue[]) =>
    Math.max(...branch.map((fault) => (fault.code === "unrecognized_keys" ? 1 : fault.path.length)));
  const nearest = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0];
  if (nearest === undefined) return [{ path: jsonPath(issue.path), message: issue.message }];
  return nearest.flatMap((fault) => explain({ ...fault, path: [...issue.path, ...fault.path] }));
}

// Characters: a key of a megabyte does not help whoever reads the error.
const NAME_MAX = 200;

/** Names a place: `$.layers[0].annotations["a b"]`. */
export function jsonPath(path: readonly PropertyKey[]): string {
  const steps = path.map((step) => {
    if (typeof step === "number") return `[${step}]`;
    const name = String(step).slice(0, NAME_MAX);
    return /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
  });
  return `$${steps.join("")}`;
}
