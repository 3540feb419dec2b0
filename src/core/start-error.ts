/** A failure that is no fault of layerd's, as one sentence for whoever started it. */
export class StartError extends Error {
  override readonly name: string = "StartError";
}
