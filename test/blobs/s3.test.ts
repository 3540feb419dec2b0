import test from "ava";
import { testBlobs } from "../suites/blobs.ts";
import { findTool, requireTool } from "../tools/tools.ts";
import { s3Place } from "./s3-samples.ts";

if (findTool("versitygw") !== undefined) testBlobs("s3", async (t) => await (await s3Place(t)).open());
else test("s3: what every blob store does", (t) => void requireTool(t, "versitygw"));
