import test from "ava";
import { database, query, stopOwn } from "./postgres.ts";

/* For test files: the server that a file has started ends with it. */

export { database, query };

test.after.always("the PostgreSQL that this file has started is stopped", stopOwn);
