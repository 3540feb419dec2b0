import { openPostgresIndex } from "../../../src/index/postgres/postgres.ts";
import { testIndex } from "../../suites/index.ts";
import { database } from "../../tools/database.ts";

testIndex(
  "postgres",
  async () => await openPostgresIndex({ url: await database(), connections: 5, durability: "full" }),
);
