import test from "ava";
import { isLoopback, urlOf } from "../../src/cli/address.ts";

test("the address to try is one that this machine reaches", (t) => {
  t.is(urlOf("127.0.0.1", 4000), "http://127.0.0.1:4000");
  t.is(urlOf("localhost", 80), "http://localhost:80");
  t.is(urlOf("0.0.0.0", 4000), "http://127.0.0.1:4000");
  t.is(urlOf("::", 4000), "http://[::1]:4000");
  t.is(urlOf("fe80::1", 4000), "http://[fe80::1]:4000");
});

test("loopback is told from addresses that others reach", (t) => {
  for (const host of ["127.0.0.1", "127.9.9.9", "::1", "localhost"]) t.true(isLoopback(host), host);
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "layers.test"]) t.false(isLoopback(host), host);
});
