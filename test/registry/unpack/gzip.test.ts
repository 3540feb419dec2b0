import { crc32, deflateRawSync, gzipSync } from "node:zlib";
import test from "ava";
import { cut, isRefused, refusal, SMALL_TAR, TAR, unpack, unpacked } from "./streams.ts";

const FHCRC = 2;
const FEXTRA = 4;
const FNAME = 8;
const FCOMMENT = 16;

/** A gzip member with the header fields that its flags call for (RFC 1952 §2.3). */
function member(data: Buffer, flags: number, fields: Buffer): Buffer {
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(data), 0);
  trailer.writeUInt32LE(data.length, 4);
  const header = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255]), fields]);
  return Buffer.concat([header, deflateRawSync(data), trailer]);
}

test("a gzip member unpacks to its content", async (t) => {
  t.deepEqual(await unpack(gzipSync(TAR)), unpacked(TAR));
});

test("members follow one another, in the same chunk and at the boundary of one", async (t) => {
  const members = cut(TAR, [700, 2000]).map((piece) => gzipSync(piece));
  t.deepEqual(await unpack(Buffer.concat(members)), unpacked(TAR));
  t.deepEqual(await unpack(...members), unpacked(TAR));
});

test("two members give the same at every split of the bytes", async (t) => {
  const tar = SMALL_TAR;
  const bytes = Buffer.concat([gzipSync(tar.subarray(0, 100)), gzipSync(tar.subarray(100))]);
  for (let at = 0; at <= bytes.length; at += 1) {
    t.deepEqual(await unpack(bytes.subarray(0, at), bytes.subarray(at)), unpacked(tar), `split at ${at}`);
  }
});

test("empty chunks of the source are nothing", async (t) => {
  const nothing = Array.from({ length: 50 }, () => Buffer.alloc(0));
  t.deepEqual(await unpack(...nothing, ...cut(gzipSync(TAR), [20]), ...nothing), unpacked(TAR));
});

test("a member may come byte by byte", async (t) => {
  const bytes = gzipSync(TAR);
  t.deepEqual(await unpack(...Array.from(bytes, (byte) => Buffer.from([byte]))), unpacked(TAR));
});

test("empty members are nothing, as in BGZF and eStargz, where one ends the file", async (t) => {
  const nothing = gzipSync("");
  const members = cut(TAR, [512, 1024]).map((piece) => gzipSync(piece));
  t.deepEqual(await unpack(nothing, ...members, nothing, nothing), unpacked(TAR));
});

test("ten thousand members are one archive", async (t) => {
  const tar = Buffer.concat([TAR, Buffer.alloc(10_000 * 64)]);
  const tail = Buffer.concat(Array.from({ length: 10_000 }, () => gzipSync(Buffer.alloc(64))));
  t.deepEqual(await unpack(gzipSync(TAR), tail), unpacked(tar));
});

test("extra fields, names, comments and header checksums are passed over", async (t) => {
  const extra = Buffer.from([6, 0, 66, 67, 2, 0, 1, 2]);
  t.deepEqual(await unpack(member(TAR, FEXTRA, extra)), unpacked(TAR));
  const text = Buffer.from("layer.tar\0a comment\0");
  t.deepEqual(await unpack(member(TAR, FNAME | FCOMMENT, text)), unpacked(TAR));
  const checksum = Buffer.alloc(2);
  checksum.writeUInt16LE(crc32(Buffer.from([0x1f, 0x8b, 8, FHCRC, 0, 0, 0, 0, 0, 255])) & 0xffff);
  t.deepEqual(await unpack(member(TAR, FHCRC, checksum)), unpacked(TAR));
});

test("a wrong header checksum is refused", async (t) => {
  await isRefused(t, member(TAR, FHCRC, Buffer.from([1, 2])));
});

test("a file cut short anywhere is refused", async (t) => {
  const bytes = gzipSync(SMALL_TAR);
  for (let length = 1; length < bytes.length; length += 1) await isRefused(t, bytes.subarray(0, length));
});

test("a second member cut short is refused, and the error says where", async (t) => {
  const [first, second] = [gzipSync(TAR), gzipSync(Buffer.alloc(512))];
  const error = await refusal(t, first, second.subarray(0, -1));
  t.like(error.detail, { format: "gzip", problem: "it ends in the middle" });
  for (let length = 1; length < second.length; length += 1) {
    await isRefused(t, first, second.subarray(0, length));
  }
});

test("a wrong checksum of the content is refused", async (t) => {
  const bytes = gzipSync(TAR);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 8) ^ 1, bytes.length - 8);
  t.like((await refusal(t, bytes)).detail, { format: "gzip", problem: "incorrect data check" });
});

test("a wrong length of the content is refused", async (t) => {
  const bytes = gzipSync(TAR);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 4) ^ 1, bytes.length - 4);
  t.like((await refusal(t, bytes)).detail, { format: "gzip", problem: "incorrect length check" });
});

for (const size of [1, 2, 9, 10, 18, 512]) {
  test(`${size} zeros after the last member are refused, in the same chunk and in another`, async (t) => {
    const bytes = gzipSync(TAR);
    const zeros = Buffer.alloc(size);
    for (const chunks of [[Buffer.concat([bytes, zeros])], [bytes, zeros]]) {
      const error = await refusal(t, ...chunks);
      t.like(error.detail, { format: "gzip", offset: bytes.length });
    }
  });
}

test("zeros between members are refused", async (t) => {
  await isRefused(t, gzipSync(TAR), Buffer.alloc(8), gzipSync(Buffer.alloc(512)));
});

test("zeros after the last member that go on for many chunks are refused", async (t) => {
  await isRefused(t, gzipSync(TAR), ...Array.from({ length: 100 }, () => Buffer.alloc(65_536)));
});

test("other bytes after the last member are refused", async (t) => {
  for (const rest of ["P", "PK\x03\x04", "\x1f", "\x1f\x8b", "\x1f\x8b\x08\x00 and so on, but no member"]) {
    const garbage = Buffer.from(rest, "latin1");
    await isRefused(t, gzipSync(TAR), garbage);
    await isRefused(t, Buffer.concat([gzipSync(TAR), garbage]));
  }
});
