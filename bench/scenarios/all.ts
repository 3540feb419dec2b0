import type { Scenario } from "../toolkit/bench.ts";
import { download } from "./download.ts";
import { manifestPost } from "./manifest-post.ts";
import { memory } from "./memory.ts";
import { range } from "./range.ts";
import { smallGet } from "./small-get.ts";
import { startUp } from "./start-up.ts";
import { upload } from "./upload.ts";

/** In the order in which they run and are reported. */
export const SCENARIOS: readonly Scenario[] = [
  download,
  upload,
  smallGet,
  range,
  manifestPost,
  startUp,
  memory,
];
