const URL_PATTERN = /\b([a-z][a-z0-9+.-]{0,20}:\/\/)(\S*@)?([^\s"'<>?#]*)(\?[^\s"'<>]*)?(?:#[^\s"'<>]*)?/gi;

/**
 * The text without the user information, query and fragment of every URL in it: that is where secrets hide.
 * A password may hold any character, so all between `://` and the last `@` before a space goes.
 */
export function redactUrls(text: string): string {
  if (!text.includes("://")) return text;
  return text.replace(
    URL_PATTERN,
    (_url, scheme: string, user: string | undefined, rest: string, query: string | undefined) =>
      `${scheme}${user === undefined ? "" : "[redacted]@"}${rest}${query === undefined ? "" : "?[redacted]"}`,
  );
}
