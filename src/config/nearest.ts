import leven from "leven";

/** @param known not empty. */
export function didYouMean(name: string, known: readonly string[]): string {
  const distance = (candidate: string) => leven(name.toLowerCase(), candidate.toLowerCase());
  const nearest = known.reduce((best, candidate) =>
    distance(candidate) < distance(best) ? candidate : best,
  );
  return `did you mean ${nearest}?`;
}
