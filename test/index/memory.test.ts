import { createMemoryIndex } from "../../src/index/memory.ts";
import { testIndex } from "../suites/index.ts";

testIndex("memory", async () => createMemoryIndex());
