import type { Scenario } from "../toolkit/bench.ts";
import { download } from "./download.ts";
import { gc } from "./gc.ts";
import { imagePush } from "./image-push.ts";
import { manifestPost } from "./manifest-post.ts";
import { memory } from "./memory.ts";
import { range } from "./range.ts";
import { registryGet } from "./registry-get.ts";
import { s3Upload } from "./s3-upload.ts";
import { smallGet } from "./small-get.ts";
import { startUp } from "./start-up.ts";
import { tags } from "./tags.ts";
import { upload } from "./upload.ts";

/** In the order in which they run and are reported. */
export const SCENARIOS: readonly Scenario[] = [
  download,
  upload,
  smallGet,
  range,
  manifestPost,
  imagePush,
  registryGet,
  tags,
  startUp,
  memory,
  s3Upload,
  gc,
];
