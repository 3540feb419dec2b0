import { algorithmOf, DIGEST_ALGORITHMS, type Digest, hexOf } from "../../core/digest.ts";

// Bytes of a slot: one that says whether it is used and by which algorithm, then half of a SHA-256. Two digests of
// which so much is equal would keep each other, which costs space and loses nothing.
const WIDTH = 17;
const SLOTS_MIN = 16;
const SHARDS = 4096;

/**
 * Digests, in 34 to 68 bytes each: a set of strings would take 200, for every blob there is. In shards, so that
 * growing is done a little at a time: nobody waits for all of it to be copied.
 */
export class DigestSet {
  readonly #shards: (Shard | undefined)[] = Array.from({ length: SHARDS });
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Whether it was not among them. */
  add(digest: Digest): boolean {
    const slot = slotOf(digest);
    const shard = shardOf(slot);
    this.#shards[shard] ??= new Shard();
    if (!this.#shards[shard].add(slot)) return false;
    this.#size += 1;
    return true;
  }

  has(digest: Digest): boolean {
    const slot = slotOf(digest);
    return this.#shards[shardOf(slot)]?.has(slot) === true;
  }
}

class Shard {
  #slots = Buffer.alloc(WIDTH * SLOTS_MIN);
  #size = 0;

  /** Whether it was not there. */
  add(slot: Buffer): boolean {
    if ((this.#size + 1) * 2 * WIDTH > this.#slots.length) this.#grow();
    const at = find(this.#slots, slot);
    if (this.#slots[at] !== 0) return false;
    slot.copy(this.#slots, at);
    this.#size += 1;
    return true;
  }

  has(slot: Buffer): boolean {
    return this.#slots[find(this.#slots, slot)] !== 0;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = Buffer.alloc(old.length * 2);
    for (let at = 0; at < old.length; at += WIDTH) {
      if (old[at] === 0) continue;
      const slot = old.subarray(at, at + WIDTH);
      slot.copy(this.#slots, find(this.#slots, slot));
    }
  }
}

function slotOf(digest: Digest): Buffer {
  const slot = Buffer.alloc(WIDTH);
  slot[0] = DIGEST_ALGORITHMS.indexOf(algorithmOf(digest)) + 1;
  slot.write(hexOf(digest).slice(0, (WIDTH - 1) * 2), 1, "hex");
  return slot;
}

function shardOf(slot: Buffer): number {
  return slot.readUInt16LE(5) % SHARDS;
}

/** Where `slot` is, or the free place where it belongs. A digest is its own hash. */
function find(slots: Buffer, slot: Buffer): number {
  const count = slots.length / WIDTH;
  for (let place = slot.readUInt32LE(1) % count; ; place = (place + 1) % count) {
    const at = place * WIDTH;
    if (slots[at] === 0 || slots.compare(slot, 0, WIDTH, at, at + WIDTH) === 0) return at;
  }
}
