import type { Source } from "../../config.ts";
import type { Samples } from "../../create.ts";

/* What the first process and its workers tell each other. Values arrive as structured clones. */

/** What a worker is told. */
export type Order =
  /** What was written of settings rather than what became of it: whatever is in force is then derived in the same way. */
  | { readonly type: "start"; readonly number: number; readonly sources: readonly Source[] }
  | { readonly type: "stop" }
  | { readonly type: "reload-identity" }
  | { readonly type: "measure"; readonly question: number };

/** What a worker tells. */
export type Report =
  | { readonly type: "listening"; readonly port: number }
  /** It could not start. `misused`: what was asked for makes no sense. */
  | { readonly type: "failed"; readonly message: string; readonly misused: boolean }
  /** Lines of the audit log. */
  | { readonly type: "audit"; readonly lines: readonly string[] }
  /** `samples` is absent when they could not be read; the log has the reason. */
  | { readonly type: "measured"; readonly question: number; readonly samples: Samples | undefined };
