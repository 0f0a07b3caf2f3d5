/**
 * The text without the user information, query and fragment of every URL in it: that is where secrets hide.
 * A password may hold any character, so within a word all from the first `://` to the last `@` goes; where that `@` may
 * as well belong to a query, the rest of the word goes too.
 */
export function redactUrls(text: string): string {
  if (!text.includes("://")) return text;
  return text.replace(/\S+/g, (word) => (word.includes("://") ? redactWord(word) : word));
}

function redactWord(word: string): string {
  const start = word.indexOf("://") + 3;
  const at = word.lastIndexOf("@");
  if (at < start) return cutQueries(word);
  const head = word.slice(0, start);
  if (/[?#]/.test(word.slice(start, at))) return `${head}[redacted]`;
  return `${head}[redacted]@${cutQueries(`://${word.slice(at + 1)}`).slice(3)}`;
}

function cutQueries(word: string): string {
  return word.replace(
    /(:\/\/[^"'<>?#]*)(\?[^"'<>]*)?(?:#[^"'<>]*)?/g,
    (_match, address: string, query: string | undefined) => address + (query === undefined ? "" : "?[redacted]"),
  );
}
