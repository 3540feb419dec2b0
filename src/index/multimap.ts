/** From a key to a set of strings. Most keys have one, which is then held without a set around it. */
export class Multimap<K, V extends string> {
  readonly #values = new Map<K, V | Set<V>>();

  /** The values of a key, in the order in which they were added. */
  of(key: K): Iterable<V> {
    const values = this.#values.get(key);
    return typeof values === "string" ? [values] : (values ?? []);
  }

  /** The first of them, at most `limit`. */
  first(key: K, limit: number = Number.POSITIVE_INFINITY): V[] {
    const found: V[] = [];
    for (const value of this.of(key)) {
      if (found.length >= limit) break;
      found.push(value);
    }
    return found;
  }

  /** How many there are. */
  count(key: K): number {
    const values = this.#values.get(key);
    return typeof values === "string" ? 1 : (values?.size ?? 0);
  }

  add(key: K, value: V): void {
    const values = this.#values.get(key);
    if (values === undefined) this.#values.set(key, value);
    else if (typeof values !== "string") values.add(value);
    else if (values !== value) this.#values.set(key, new Set([values, value]));
  }

  delete(key: K, value: V): void {
    const values = this.#values.get(key);
    if (values === value) this.#values.delete(key);
    else if (typeof values === "object" && values.delete(value) && values.size === 0)
      this.#values.delete(key);
  }
}
