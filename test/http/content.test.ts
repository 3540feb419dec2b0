import { Agent, type IncomingHttpHeaders } from "node:http";
import test from "ava";
import fc from "fast-check";
import type Koa from "koa";
import { selectRanges } from "../../src/core/range.ts";
import {
  connections,
  ETAG,
  get,
  LETTERS,
  MEDIA_TYPE,
  MemoryHandle,
  parseParts,
  raw,
  serve,
  TestHandle,
} from "./content-server.ts";

const drivers = {
  "sent by the driver": (content: Buffer) => new TestHandle(content),
  "held in memory": (content: Buffer) => new MemoryHandle(content),
};

for (const [how, open] of Object.entries(drivers)) {
  test(`a plain GET of bytes ${how} answers with all of them and what they are`, async (t) => {
    const to = await serve(t, open(LETTERS), { fields: ["Cache-Control", "immutable"] });
    const { status, headers, body } = await raw(t, to, ["GET / HTTP/1.1"]);
    const { date, ...rest } = headers;
    t.is(status, 200);
    t.truthy(date);
    t.deepEqual(rest, {
      "cache-control": "immutable",
      etag: ETAG,
      "accept-ranges": "bytes",
      "content-type": MEDIA_TYPE,
      "content-length": "1000",
      connection: "close",
    });
    t.deepEqual(body, LETTERS);
    t.deepEqual(to.outcomes, [{ sent: 1000 }]);
  });

  test(`HEAD of bytes ${how} has the headers of GET and no body`, async (t) => {
    const to = await serve(t, open(LETTERS), { fields: ["Cache-Control", "immutable"] });
    const get = await raw(t, to, ["GET / HTTP/1.1"]);
    const head = await raw(t, to, ["HEAD / HTTP/1.1"]);
    t.deepEqual({ ...head.headers, date: "" }, { ...get.headers, date: "" });
    t.is(head.status, 200);
    t.is(head.body.length, 0);
    t.deepEqual(to.outcomes, [{ sent: 1000 }, { sent: 0 }]);
  });

  test(`one range of bytes ${how} is answered with 206`, async (t) => {
    const to = await serve(t, open(LETTERS), { fields: ["Cache-Control", "immutable", "Vary", "Cookie"] });
    const { status, headers, body } = await raw(t, to, ["GET / HTTP/1.1", "Range: bytes=26-51"]);
    t.is(status, 206);
    t.is(headers["content-range"], "bytes 26-51/1000");
    t.is(headers["content-length"], "26");
    t.is(headers["content-type"], MEDIA_TYPE);
    // RFC 9110 §15.3.7
    t.is(headers.etag, ETAG);
    t.is(headers["cache-control"], "immutable");
    t.is(headers.vary, "Cookie");
    t.truthy(headers.date);
    t.is(body.toString(), "abcdefghijklmnopqrstuvwxyz");
    t.deepEqual(to.outcomes, [{ sent: 26 }]);
  });

  test(`several ranges of bytes ${how} are answered in parts`, async (t) => {
    const to = await serve(t, open(LETTERS));
    const answer = await raw(t, to, ["GET / HTTP/1.1", "Range: bytes=-3, 0-1 , 500-502"]);
    t.is(answer.status, 206);
    t.is(answer.headers["content-range"], undefined);
    t.is(answer.headers["content-length"], String(answer.body.length));
    t.is(answer.headers.etag, ETAG);
    t.deepEqual(parseParts(answer), [
      { type: MEDIA_TYPE, range: "bytes 997-999/1000", body: LETTERS.subarray(997) },
      { type: MEDIA_TYPE, range: "bytes 0-1/1000", body: LETTERS.subarray(0, 2) },
      { type: MEDIA_TYPE, range: "bytes 500-502/1000", body: LETTERS.subarray(500, 503) },
    ]);
    t.deepEqual(to.outcomes, [{ sent: answer.body.length }]);
  });
}

test("bytes held in memory are answered without a transfer", async (t) => {
  const handle = new MemoryHandle(LETTERS);
  const to = await serve(t, handle);
  await raw(t, to, ["GET / HTTP/1.1"]);
  await raw(t, to, ["GET / HTTP/1.1", "Range: bytes=0-4"]);
  t.is(handle.sends, 0);
});

test("the handle is left open", async (t) => {
  const handle = new TestHandle(LETTERS);
  const to = await serve(t, handle);
  await raw(t, to, ["GET / HTTP/1.1"]);
  await raw(t, to, ["GET / HTTP/1.1", "Range: bytes=2000-"]);
  t.is(handle.closed, 0);
});

const table: readonly [method: string, fields: readonly string[], status: number, contentRange?: string][] = [
  ["GET", ["Range: bytes=0-0"], 206, "bytes 0-0/1000"],
  ["GET", ["Range: bytes=990-"], 206, "bytes 990-999/1000"],
  ["GET", ["Range: bytes=-10"], 206, "bytes 990-999/1000"],
  ["GET", ["Range: bytes=-1100"], 206, "bytes 0-999/1000"],
  ["GET", ["Range: bytes=0-9999999999999999999999"], 206, "bytes 0-999/1000"],
  ["GET", ["Range: Bytes=5-6"], 206, "bytes 5-6/1000"],
  ["GET", ["Range: bytes=0-9,5-20"], 206, "bytes 0-20/1000"],
  ["GET", ["Range: bytes=0-9,2000-"], 206, "bytes 0-9/1000"],
  ["GET", ["Range: bytes=0-1", "Range: bytes=4-5"], 416, "bytes */1000"],
  ["GET", ["Range: lines=0-5"], 200],
  ["GET", ["Range: bytes=1000-"], 416, "bytes */1000"],
  ["GET", ["Range: bytes=-0"], 416, "bytes */1000"],
  ["GET", ["Range: bytes=5-2"], 416, "bytes */1000"],
  ["GET", ["Range: bytes=abc"], 416, "bytes */1000"],
  ["GET", ["Range: bytes="], 416, "bytes */1000"],
  ["GET", ["Range: bytes=1-2-3"], 416, "bytes */1000"],
  ["GET", [`Range: bytes=${Array(300).fill("0-").join(",")}`], 200],
  // RFC 9110 §14.2: Range is for GET
  ["HEAD", ["Range: bytes=0-5"], 200],
  ["HEAD", ["Range: bytes=5-2"], 200],
  // §13.1.5
  ["GET", ["Range: bytes=0-5", `If-Range: ${ETAG}`], 206, "bytes 0-5/1000"],
  ["GET", ["Range: bytes=0-5", `If-Range: W/${ETAG}`], 200],
  ["GET", ["Range: bytes=0-5", 'If-Range: "other"'], 200],
  ["GET", ["Range: bytes=0-5", "If-Range: Fri, 31 Dec 2100 00:00:00 GMT"], 200],
  ["GET", ["Range: bytes=2000-", 'If-Range: "other"'], 200],
  ["GET", ["Range: bytes=2000-", `If-Range: ${ETAG}`], 416, "bytes */1000"],
  ["GET", ["Range: bytes=0-5", `If-Range: ${ETAG}`, `If-Range: ${ETAG}`], 200],
  ["GET", [`If-Range: ${ETAG}`], 200],
  // §13.2.2: preconditions come before ranges
  ["GET", [`If-None-Match: ${ETAG}`], 304],
  ["HEAD", [`If-None-Match: ${ETAG}`], 304],
  ["GET", ["If-None-Match: *"], 304],
  ["GET", ['If-None-Match: "other"', `If-None-Match: W/${ETAG}`], 304],
  ["GET", ['If-None-Match: "other"'], 200],
  ["GET", ["If-None-Match: garbage"], 200],
  ["GET", [`If-None-Match: ${ETAG}`, "Range: bytes=0-5"], 304],
  ["GET", [`If-None-Match: ${ETAG}`, "Range: bytes=2000-"], 304],
  ["GET", ['If-None-Match: "other"', "Range: bytes=0-5"], 206, "bytes 0-5/1000"],
  ["GET", [`If-Match: ${ETAG}`], 200],
  ["GET", ["If-Match: *"], 200],
  ["GET", ['If-Match: "other"'], 412],
  ["HEAD", ['If-Match: "other"'], 412],
  ["GET", [`If-Match: W/${ETAG}`], 412],
  ["GET", ["If-Match:"], 412],
  ["GET", ['If-Match: "other"', "Range: bytes=5-2"], 412],
  ["GET", [`If-Match: ${ETAG}`, "Range: bytes=0-5"], 206, "bytes 0-5/1000"],
  ["GET", [`If-Match: ${ETAG}`, `If-None-Match: ${ETAG}`], 304],
  ["GET", ["If-Modified-Since: Fri, 31 Dec 2100 00:00:00 GMT"], 200],
  ["GET", ["If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"], 200],
];

for (const [method, fields, status, range] of table) {
  const shown = fields.map((field) => field.slice(0, 120)).join(" + ");
  test(`${method} with ${shown} is ${status}${range === undefined ? "" : ` ${range}`}`, async (t) => {
    const to = await serve(t, new TestHandle(LETTERS));
    const answer = await raw(t, to, [`${method} / HTTP/1.1`, ...fields]);
    t.is(answer.status, status);
    t.is(answer.headers["content-range"], range);
    t.is(answer.headers.etag, ETAG);
    if (status === 200) t.is(answer.headers["content-length"], "1000");
    if (status !== 304 && status !== 412) t.is(answer.headers["accept-ranges"], "bytes");
    if (method === "HEAD" || status === 304) t.is(answer.body.length, 0);
    else t.is(answer.headers["content-length"], String(answer.body.length));
  });
}

test("a refused range names the error", async (t) => {
  const to = await serve(t, new TestHandle(LETTERS));
  const answer = await raw(t, to, ["GET / HTTP/1.1", "Range: bytes=5-2"]);
  t.deepEqual(JSON.parse(answer.body.toString()), { code: "RANGE_INVALID" });
});

test("an empty blob is served whole, and has no ranges", async (t) => {
  for (const open of Object.values(drivers)) {
    const to = await serve(t, open(Buffer.alloc(0)));
    const get = await raw(t, to, ["GET / HTTP/1.1"]);
    t.is(get.status, 200);
    t.is(get.headers["content-length"], "0");
    const head = await raw(t, to, ["HEAD / HTTP/1.1"]);
    t.is(head.headers["content-length"], "0");
    const range = await raw(t, to, ["GET / HTTP/1.1", "Range: bytes=0-"]);
    t.is(range.status, 416);
    t.is(range.headers["content-range"], "bytes */0");
    const suffix = await raw(t, to, ["GET / HTTP/1.1", "Range: bytes=-5"]);
    t.is(suffix.status, 200);
  }
});

test("304 repeats what caches need and nothing about the body", async (t) => {
  const kept = {
    "cache-control": "immutable",
    "content-location": "/x",
    expires: "0",
    vary: "Cookie",
    "x-request-id": "r1",
  };
  const dropped = {
    "Content-Disposition": "attachment",
    "content-security-policy": "sandbox",
    "Repr-Digest": "x",
  };
  const fields = Object.entries({ ...dropped, ...kept }).flat();
  const to = await serve(t, new TestHandle(LETTERS), { fields });
  const { headers } = await raw(t, to, ["GET / HTTP/1.1", `If-None-Match: ${ETAG}`]);
  t.deepEqual({ ...headers, date: "" }, { ...kept, etag: ETAG, connection: "close", date: "" });
});

test("headers of outer middleware survive, the content's own win", async (t) => {
  const to = await serve(t, new TestHandle(LETTERS), {
    fields: ["Cache-Control", "immutable", "Link", "<a>", "link", "<b>"],
    outer: (ctx) => {
      ctx.set("X-Request-Id", "r1");
      ctx.set("Cache-Control", "no-store");
      ctx.set("Content-Length", "7");
      ctx.set("Set-Cookie", ["a=1", "b=2"]);
      ctx.type = "text/html";
    },
  });
  for (const range of [[], ["Range: bytes=0-9,500-509"], [`If-None-Match: ${ETAG}`]]) {
    const { status, headers, body } = await raw(t, to, ["GET / HTTP/1.1", ...range]);
    t.is(headers["x-request-id"], "r1");
    t.is(headers["cache-control"], "immutable");
    t.is(headers["set-cookie"], "a=1; b=2");
    if (status === 304) continue;
    t.is(headers["content-length"], String(body.length));
    t.is(headers.link, "<a>; <b>");
    t.false(headers["content-type"]?.includes("html"));
  }
});

test("304 says nothing about a body, even when outer middleware did", async (t) => {
  const to = await serve(t, new TestHandle(LETTERS), {
    outer: (ctx) => {
      ctx.set("Content-Length", "7");
      ctx.type = "text/html";
    },
  });
  const { headers } = await raw(t, to, ["GET / HTTP/1.1", `If-None-Match: ${ETAG}`]);
  t.is(headers["content-length"], undefined);
  t.is(headers["content-type"], undefined);
});

test("Vary of outer middleware and of the content both hold", async (t) => {
  const to = await serve(t, new TestHandle(LETTERS), {
    fields: ["vary", "Authorization"],
    outer: (ctx) => ctx.vary("Origin"),
  });
  t.is((await raw(t, to, ["GET / HTTP/1.1"])).headers.vary, "Origin, Authorization");
  t.is((await raw(t, to, ["GET / HTTP/1.1", "Range: bytes=1-2"])).headers.vary, "Origin, Authorization");
  t.is((await raw(t, to, ["GET / HTTP/1.1", "If-None-Match: *"])).headers.vary, "Origin, Authorization");
});

test("Vary of outer middleware survives when the content has none", async (t) => {
  const to = await serve(t, new TestHandle(LETTERS), { outer: (ctx) => ctx.vary("Origin") });
  t.is((await raw(t, to, ["GET / HTTP/1.1"])).headers.vary, "Origin");
});

test("a file name beyond ASCII arrives as it was written", async (t) => {
  const disposition = 'attachment; filename="\u00e9.tar"';
  for (const outer of [undefined, (ctx: Koa.Context) => ctx.set("X-Request-Id", "r1")]) {
    const options = {
      fields: ["Content-Disposition", disposition],
      ...(outer === undefined ? {} : { outer }),
    };
    const to = await serve(t, new MemoryHandle(LETTERS), options);
    const { headers } = await raw(t, to, ["GET / HTTP/1.1"]);
    t.is(headers["content-disposition"], disposition);
  }
});

test("a connection is used again after each kind of answer", async (t) => {
  const to = await serve(t, new TestHandle(LETTERS));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const kinds: IncomingHttpHeaders[] = [
    {},
    { range: "bytes=1-2" },
    { range: "bytes=0-1,500-501" },
    { "if-none-match": "*" },
    { range: "bytes=5-2" },
    {},
  ];
  const statuses = [];
  for (const headers of kinds) statuses.push((await get(to, agent, headers)).status);
  t.deepEqual(statuses, [200, 206, 206, 304, 416, 200]);
  t.is(await connections(to.server), 1);
});

test("parts put together are what was asked for, and their length was known before", async (t) => {
  const opened: { handle: TestHandle } = { handle: new TestHandle(LETTERS) };
  const to = await serve(t, () => opened.handle);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const spec = fc.oneof(
    fc.tuple(fc.nat(60_000), fc.nat(20_000)).map(([first, more]) => `${first}-${first + more}`),
    fc.nat(60_000).map((first) => `${first}-`),
    fc.nat(60_000).map((length) => `-${length}`),
  );
  const cases = fc.record({
    content: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.uint8Array({ minLength: 40_000, maxLength: 50_000 }),
    ),
    specs: fc.array(spec, { minLength: 1, maxLength: 8 }),
    inMemory: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ content, specs, inMemory }) => {
      const bytes = Buffer.from(content);
      opened.handle = inMemory ? new MemoryHandle(bytes) : new TestHandle(bytes);
      const range = `bytes=${specs.join(",")}`;
      const answer = await get(to, agent, { range });
      const selection = selectRanges(range, bytes.length);
      if (selection.type !== "ranges") return answer.status === 416;
      const parts =
        selection.ranges.length > 1
          ? parseParts(answer)
          : [{ type: MEDIA_TYPE, range: answer.headers["content-range"], body: answer.body }];
      t.is(answer.status, 206);
      t.is(answer.headers["content-length"], String(answer.body.length));
      t.deepEqual(
        parts,
        selection.ranges.map(({ start, end }) => ({
          type: MEDIA_TYPE,
          range: `bytes ${start}-${end - 1}/${bytes.length}`,
          body: bytes.subarray(start, end),
        })),
      );
      return true;
    }),
    { numRuns: 150 },
  );
});
