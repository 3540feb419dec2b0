import test, { type ExecutionContext } from "ava";
import { makeTar, makeTarHeader, sealTarHeader, type TarEntry } from "../../tools/tar.ts";
import { cut, isRefused, refusal, TAR, unpack, unpacked } from "./streams.ts";

const BLOCK = 512;
const MIB = 1024 * 1024;

async function isAccepted(t: ExecutionContext, tar: Buffer): Promise<void> {
  t.deepEqual(await unpack(tar), unpacked(tar));
}

/** A header of which one field was overwritten, with its checksum put right again. */
function headerWith(entry: TarEntry, at: number, bytes: string): Buffer {
  const header = makeTarHeader(entry);
  header.write(bytes, at, "latin1");
  return sealTarHeader(header);
}

test("an archive unpacks to itself, in one chunk and byte by byte", async (t) => {
  await isAccepted(t, TAR);
  t.deepEqual(await unpack(...Array.from(TAR, (byte) => Buffer.from([byte]))), unpacked(TAR));
});

for (const format of ["ustar", "gnu", "v7"] as const) {
  test(`headers of ${format} are accepted`, async (t) => {
    await isAccepted(t, makeTar([{ name: "a", data: "abc", format }]));
  });
}

test("two blocks of zeros, or twenty, are an empty archive", async (t) => {
  await isAccepted(t, Buffer.alloc(2 * BLOCK));
  await isAccepted(t, Buffer.alloc(20 * BLOCK));
});

test("no bytes at all are an empty archive", async (t) => {
  await isAccepted(t, Buffer.alloc(0));
  t.deepEqual(await unpack(), unpacked(Buffer.alloc(0)));
});

test("an archive may end without blocks of zeros, or with one", async (t) => {
  await isAccepted(t, makeTar([{ name: "a", data: "abc" }], { trailer: 0 }));
  await isAccepted(t, makeTar([{ name: "a", data: "abc" }], { trailer: 1 }));
});

test("an archive may end in the padding of its last entry", async (t) => {
  await isAccepted(t, makeTar([{ name: "a", data: "abc" }], { trailer: 0 }).subarray(0, BLOCK + 3));
});

test("anything after the two blocks of zeros belongs to the layer", async (t) => {
  await isAccepted(t, Buffer.concat([TAR, Buffer.from("anything"), TAR]));
});

test("one block of zeros followed by something else is refused there", async (t) => {
  const tar = Buffer.concat([makeTar([{ name: "a" }], { trailer: 1 }), TAR]);
  t.like((await refusal(t, tar)).detail, { format: "tar", offset: 2 * BLOCK });
});

test("an archive cut short in a header, in data or in a block of zeros is refused there", async (t) => {
  const tar = makeTar([{ name: "a", data: Buffer.alloc(BLOCK) }, { name: "b" }]);
  for (const length of [BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK + 1, 3 * BLOCK - 1, 3 * BLOCK + 1]) {
    const error = await refusal(t, tar.subarray(0, length));
    t.like(error.detail, { format: "tar", offset: length, problem: "it ends in the middle of an entry" });
  }
});

test("a header whose checksum does not match is refused at its offset", async (t) => {
  const tar = makeTar([{ name: "a", data: "abc" }, { name: "b" }]);
  tar.write("c", 2 * BLOCK);
  const error = await refusal(t, tar);
  t.like(error.detail, { format: "tar", offset: 2 * BLOCK });
  t.regex(error.message, /checksum does not match \(byte 1024\)/);
});

test("the offset is right for a header that comes in pieces, too", async (t) => {
  const tar = makeTar([{ name: "a", data: "abc" }, { name: "b" }]);
  tar.write("c", 2 * BLOCK);
  const error = await refusal(t, ...cut(tar, [2 * BLOCK + 10, 2 * BLOCK + 100]));
  t.like(error.detail, { offset: 2 * BLOCK });
});

test("a checksum of signed bytes is accepted", async (t) => {
  const header = makeTarHeader({ name: "\u00e9" });
  const signed =
    256 + header.reduce((sum, byte, at) => sum + (at < 148 || at >= 156 ? (byte << 24) >> 24 : 0), 0);
  header.write(`${signed.toString(8).padStart(6, "0")}\0 `, 148);
  await isAccepted(t, header);
});

test("numbers may be padded with spaces, end without NUL, or be blank", async (t) => {
  await isAccepted(t, headerWith({ name: "a" }, 124, "          0 "));
  await isAccepted(t, headerWith({ name: "a" }, 100, "00000644"));
  await isAccepted(t, headerWith({ name: "a" }, 108, "\0\0\0\0\0\0\0\0"));
});

test("numbers that are not octal are refused", async (t) => {
  for (const at of [100, 108, 116, 124, 136, 329, 337]) {
    await isRefused(t, headerWith({ name: "a" }, at, "0000089"));
  }
});

test("a size in base 256 is understood", async (t) => {
  const header = makeTarHeader({ name: "a" });
  header.fill(0, 124, 136);
  header.writeUInt8(0x80, 124);
  header.writeUInt32BE(600, 132);
  await isAccepted(t, Buffer.concat([sealTarHeader(header), Buffer.alloc(2 * BLOCK, "x"), TAR]));
});

test("a size in base 256 that is negative or beyond anything is refused", async (t) => {
  await isRefused(t, headerWith({ name: "a" }, 124, "\xff".repeat(12)));
  await isRefused(t, headerWith({ name: "a" }, 124, `\x80${"\x7f".repeat(11)}`));
  await isRefused(t, headerWith({ name: "a" }, 124, `\x80\0\0\0\x7f${"\0".repeat(7)}`));
});

for (const type of ["1", "2", "3", "4", "5", "6"]) {
  test(`an entry of type ${type} has no data, whatever its size says`, async (t) => {
    await isAccepted(t, Buffer.concat([makeTarHeader({ name: "a", type, size: 3000 }), TAR]));
  });
}

test("an unknown type has data", async (t) => {
  await isAccepted(t, makeTar([{ name: "a", type: "A", data: "abc" }, { name: "b" }]));
});

test("in the oldest archives a name that ends in a slash is a directory without data", async (t) => {
  const directory = makeTarHeader({ name: "a/", type: "\0", format: "v7", size: 3000 });
  await isAccepted(t, Buffer.concat([directory, TAR]));
  const pax = makeTar([{ name: "a", type: "\0", pax: { path: "b/" }, size: 3000 }], { trailer: 0 });
  await isAccepted(t, Buffer.concat([pax, TAR]));
});

test("the size of a pax header overrides the next entry's, and only that", async (t) => {
  const entry = { name: "a", data: Buffer.alloc(600), size: 0, pax: { size: "600" } };
  await isAccepted(t, makeTar([entry, { name: "b" }], { trailer: 0 }));
});

test("an empty pax value leaves what the header says", async (t) => {
  await isAccepted(t, makeTar([{ name: "a", data: "abc", pax: { size: "", path: "" } }]));
});

test("a global pax header changes no size", async (t) => {
  await isAccepted(
    t,
    makeTar([
      { name: "g", type: "g", data: "13 size=9999\n" },
      { name: "a", data: "abc" },
    ]),
  );
});

test("an empty pax header is legal", async (t) => {
  await isAccepted(
    t,
    makeTar([
      { name: "x", type: "x" },
      { name: "a", data: "abc" },
    ]),
  );
});

test("pax values that cannot be used for the entry are refused", async (t) => {
  const records: readonly TarEntry["pax"][] = [
    { size: "-1" },
    { size: "1e3" },
    { size: "9".repeat(25) },
    { uid: "root" },
    { mtime: "1.5.2" },
    { path: "a\0b" },
  ];
  for (const pax of records) await isRefused(t, makeTar([{ name: "a", pax: { ...pax } }]));
});

test("malformed pax records are refused", async (t) => {
  for (const data of ["x", "6 a=b", "99 a=b\n", "0 a=b\n", "6 abc\n", "6 =bc\n", "7 a=bc\n9", "-6 a=b\n"]) {
    await isRefused(t, makeTar([{ name: "x", type: "x", data }, { name: "a" }]));
    await isRefused(t, makeTar([{ name: "g", type: "g", data }, { name: "a" }]));
  }
});

for (const type of ["x", "g", "L", "K"]) {
  test(`a description of type ${type} above 1 MiB is refused before it has been read`, async (t) => {
    await isRefused(t, makeTarHeader({ name: "long", type, size: MIB + 1 }));
  });
}

test("a description of 1 MiB is accepted, in chunks of any size", async (t) => {
  const tar = makeTar([{ name: "long", type: "L", data: Buffer.alloc(MIB, "a") }, { name: "a" }]);
  await isAccepted(t, tar);
  const chunks = Array.from({ length: Math.ceil(tar.length / 1000) }, (_, n) =>
    tar.subarray(n * 1000, n * 1000 + 1000),
  );
  t.deepEqual(await unpack(...chunks), unpacked(tar));
});

/** A sparse file as old GNU tar wrote it, with so many further blocks of map. */
function sparse(blocks: number, format: "gnu" | "ustar" = "gnu"): Buffer {
  const header = headerWith({ name: "s", type: "S", format, size: 600 }, 482, blocks > 0 ? "\x01" : "\0");
  const maps = Array.from({ length: blocks }, (_, index) => {
    const map = Buffer.alloc(BLOCK, "0");
    map.writeUInt8(index < blocks - 1 ? 1 : 0, 504);
    return map;
  });
  return Buffer.concat([header, ...maps, Buffer.alloc(2 * BLOCK, "s")]);
}

test("the map of an old GNU sparse file may go on in blocks of its own", async (t) => {
  for (const blocks of [0, 1, 3]) await isAccepted(t, Buffer.concat([sparse(blocks), TAR]));
});

test("a sparse map without end, or of another format, is refused", async (t) => {
  await isRefused(t, sparse(MIB / BLOCK + 1));
  await isRefused(t, sparse(1, "ustar"));
});

const OTHERS: readonly (readonly [what: string, bytes: Buffer, guess: RegExp])[] = [
  ["a text", Buffer.from("Dear layer,\n".repeat(100)), /begins as text/],
  ["a short text", Buffer.from("hello\n"), /begins as text/],
  ["a JPEG image", Buffer.from(`\xff\xd8\xff\xe0\0\x10JFIF${"\x55".repeat(2000)}`, "latin1"), /JPEG/],
  ["an ELF file", Buffer.from(`\x7fELF\x02\x01\x01${"\0".repeat(2000)}`, "latin1"), /ELF/],
  ["a zip archive", Buffer.from(`PK\x03\x04\x14${"\0".repeat(2000)}`, "latin1"), /zip/],
  ["data of xz", Buffer.from(`\xfd7zXZ\0\0\x04${"\x11".repeat(2000)}`, "latin1"), /xz/],
  ["data of bzip2", Buffer.from(`BZh91AY&SY${"\x11".repeat(2000)}`, "latin1"), /bzip2/],
  [
    "noise",
    Buffer.from(Array.from({ length: 2000 }, (_, at) => (at * 2654435761) >>> 11)),
    /not begin as one/,
  ],
  ["a few zeros", Buffer.alloc(100), /not begin as one/],
];

for (const [what, bytes, guess] of OTHERS) {
  test(`${what} is no layer`, async (t) => {
    const error = await refusal(t, bytes);
    t.like(error.detail, { format: "tar", offset: 0 });
    t.regex(error.message, guess);
  });
}
