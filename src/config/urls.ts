/**
 * A URL as it may be printed: the password is `***`. Works on text that is no valid URL too (a password with an
 * unescaped `#` or `/` is exactly the case in which an error message would show it), and rather hides too much.
 */
export function redactUrl(url: string): string {
  return url
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)([^:@]*):?.*@/i, (_all, scheme: string, user: string) => {
      return `${scheme}${user}:***@`;
    })
    .replace(/([?&;][^=&;]*(?:password|secret|token)[^=&;]*=)[^&;#]*/gi, '$1***');
}

/** The password of a URL hidden wherever the URL stands in a longer text, such as the message of a library's error. */
export function redactText(text: string): string {
  return text.replace(/[a-z][a-z0-9+.-]*:\/\/\S+/gi, redactUrl);
}
