import { createPostgresIndex } from "../../../src/index/postgres/postgres.ts";
import { openPool } from "../../../src/postgres/pool.ts";
import { Schema } from "../../../src/postgres/schema.ts";
import { testIndex } from "../../suites/index.ts";
import { database } from "../../tools/postgres.ts";

testIndex("postgres", async (t) => {
  const pool = openPool({ url: await database(), connections: 5, onLost: (error) => t.log(error) });
  await new Schema(pool).settle();
  return createPostgresIndex({ pool });
});
