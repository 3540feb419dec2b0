/**
 * What may be there at once. Most small reads are answered from memory, and waiting for what is there already
 * would cost them more than the answer does.
 */
export type Awaitable<T> = T | Promise<T>;

/** Goes on with a value: at once when it is there, else when it is. What `next` throws at once is thrown at once. */
export function andThen<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
