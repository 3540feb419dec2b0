/*
 * One memory budget for all transfers. Buffers shrink as transfers grow in number, and are sized anew each time
 * one is taken, so that a long transfer adapts. Sizes are powers of two, so that a buffer given back fits the
 * next who asks.
 */

// Bytes. Larger ones gain nothing; smaller ones cost more system calls than they save memory.
const LARGEST = 1024 * 1024;
const SMALLEST = 64 * 1024;
const BUDGET = 32 * 1024 * 1024;

export class TransferMemory {
  readonly #budget: number;
  readonly #free = new Map<number, Buffer[]>();
  #allocated = 0;
  #transfers = 0;

  /** @param budget bytes. */
  constructor(budget = BUDGET) {
    this.#budget = budget;
  }

  /** Bytes held by transfers, or in buffers that wait to be used again. */
  get allocated(): number {
    return this.#allocated;
  }

  /** A transfer begins, which must `leave` when it ends. */
  join(plan: Plan): Share {
    this.#transfers += 1;
    return new Share(this, plan);
  }

  /** Bytes that each of the running transfers may hold. */
  get perTransfer(): number {
    return this.#budget / Math.max(1, this.#transfers);
  }

  /**
   * A buffer of `size` bytes. When there is no room: none, or, for one who cannot go on without, a smallest
   * one beyond the budget, so that every transfer gets on however many there are.
   */
  allocate(size: number, needed: boolean): Buffer | undefined {
    const free = this.#free.get(size)?.pop();
    if (free !== undefined) return free;
    this.#makeRoom(size);
    if (this.#allocated + size <= this.#budget) return this.#create(size);
    return needed ? (this.#free.get(SMALLEST)?.pop() ?? this.#create(SMALLEST)) : undefined;
  }

  recycle(buffer: Buffer): void {
    const free = this.#free.get(buffer.length);
    if (this.#allocated > this.#budget) this.forget(buffer);
    else if (free === undefined) this.#free.set(buffer.length, [buffer]);
    else free.push(buffer);
  }

  forget(buffer: Buffer): void {
    this.#allocated -= buffer.length;
  }

  /** Memory that came from elsewhere is being held; a negative number: is not any more. */
  hold(bytes: number): void {
    if (bytes > 0) this.#makeRoom(bytes);
    this.#allocated += bytes;
  }

  leave(): void {
    this.#transfers -= 1;
  }

  #create(size: number): Buffer {
    this.#allocated += size;
    return Buffer.allocUnsafeSlow(size);
  }

  /** Lets go of free buffers of other sizes. */
  #makeRoom(size: number): void {
    for (const free of this.#free.values()) {
      while (this.#allocated + size > this.#budget) {
        const buffer = free.pop();
        if (buffer === undefined) break;
        this.forget(buffer);
      }
    }
  }
}

/** How a transfer would use memory if there were no others. */
export interface Plan {
  /** Bytes that it holds at most. */
  readonly limit: number;
  /** Buffers that it needs to do at the same time all that it can; there are more when there is room. */
  readonly parts: number;
}

/** What one transfer holds of the budget. */
export class Share {
  readonly #memory: TransferMemory;
  readonly #plan: Plan;
  #held = 0;
  #left = false;

  constructor(memory: TransferMemory, plan: Plan) {
    this.#memory = memory;
    this.#plan = plan;
  }

  /** Bytes that a buffer taken now would have. */
  get size(): number {
    return classOf(this.#limit / this.#plan.parts);
  }

  get #limit(): number {
    return Math.min(this.#plan.limit, this.#memory.perTransfer);
  }

  /** A buffer, no larger than it takes to hold `atMost` bytes. Always one. */
  take(atMost = LARGEST): Buffer {
    const buffer = this.#memory.allocate(this.#sizeUpTo(atMost), true);
    if (buffer === undefined) throw new Error("a needed buffer was refused");
    this.#held += buffer.length;
    return buffer;
  }

  /** Another buffer. None when this transfer has its share, or, unless it holds none, when there is no room. */
  tryTake(atMost = LARGEST): Buffer | undefined {
    if (this.#held === 0) return this.take(atMost);
    const size = this.#sizeUpTo(atMost);
    if (this.#held + size > this.#limit) return undefined;
    const buffer = this.#memory.allocate(size, false);
    this.#held += buffer?.length ?? 0;
    return buffer;
  }

  /** Nobody reads or writes the buffer any more: the next one may have it. */
  give(buffer: Buffer): void {
    this.#held -= buffer.length;
    this.#memory.recycle(buffer);
  }

  /** Somebody may still be reading the buffer: it is never used again. */
  drop(buffer: Buffer): void {
    this.#held -= buffer.length;
    this.#memory.forget(buffer);
  }

  /** Whether this transfer holds no more than it should. */
  get fits(): boolean {
    return this.#held <= this.#limit;
  }

  /** Memory that came from elsewhere is being held. */
  hold(bytes: number): void {
    this.#held += bytes;
    this.#memory.hold(bytes);
  }

  /** What was held is not any more. */
  letGo(bytes: number): void {
    this.#held -= bytes;
    this.#memory.hold(-bytes);
  }

  /** The transfer has ended. Idempotent. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#memory.leave();
  }

  #sizeUpTo(atMost: number): number {
    return Math.min(this.size, atMost <= SMALLEST ? SMALLEST : 2 * classOf(atMost - 1));
  }
}

/** The largest size of a buffer that is not above `bytes`, or the smallest there is. */
function classOf(bytes: number): number {
  if (bytes >= LARGEST) return LARGEST;
  if (bytes < SMALLEST) return SMALLEST;
  return 2 ** (31 - Math.clz32(bytes));
}
