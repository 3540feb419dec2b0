import { algorithmOf, DIGEST_ALGORITHMS, type Digest, hexOf } from "../../core/digest.ts";

// Bytes of a slot: one that says whether it is used and by which algorithm, then half of a SHA-256. Two digests of
// which so much is equal would keep each other, which costs space and loses nothing.
const WIDTH = 17;
const SLOTS_MIN = 1024;

/** Digests, in 17 to 34 bytes each: a set of strings would take 200, for every blob there is. */
export class DigestSet {
  #slots = Buffer.alloc(WIDTH * SLOTS_MIN);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Whether it was not among them. */
  add(digest: Digest): boolean {
    if ((this.#size + 1) * 2 * WIDTH > this.#slots.length) this.#grow();
    const slot = slotOf(digest);
    const at = find(this.#slots, slot);
    if (this.#slots[at] !== 0) return false;
    slot.copy(this.#slots, at);
    this.#size += 1;
    return true;
  }

  has(digest: Digest): boolean {
    return this.#slots[find(this.#slots, slotOf(digest))] !== 0;
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

/** Where `slot` is, or the free place where it belongs. A digest is its own hash. */
function find(slots: Buffer, slot: Buffer): number {
  const count = slots.length / WIDTH;
  for (let place = slot.readUInt32LE(1) % count; ; place = (place + 1) % count) {
    const at = place * WIDTH;
    if (slots[at] === 0 || slots.compare(slot, 0, WIDTH, at, at + WIDTH) === 0) return at;
  }
}
