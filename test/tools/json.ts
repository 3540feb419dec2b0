/** The JSON of an answer, as loose as the assertions that look at it. */
// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it
export async function json(answer: Response): Promise<any> {
  return await answer.json();
}
