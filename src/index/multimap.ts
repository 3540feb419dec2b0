/** From a key to a set of strings. Most keys have one, which is then held without a set around it. */
export class Multimap<K, V extends string> {
  readonly #values = new Map<K, V | Set<V>>();

  /** The values of a key, in no particular order, at most `limit` of them. */
  first(key: K, limit: number = Number.POSITIVE_INFINITY): V[] {
    const values = this.#values.get(key);
    if (values === undefined) return [];
    if (typeof values === "string") return [values];
    const found: V[] = [];
    for (const value of values) {
      if (found.length >= limit) break;
      found.push(value);
    }
    return found;
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
