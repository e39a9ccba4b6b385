/** The bytes of a text; half of a surrogate pair becomes U+FFFD. */
export function encode(text: string): Uint8Array;

/** The text of bytes, with U+FFFD for what is malformed. */
export function decode(bytes: Uint8Array): string;

/** The text of bytes; undefined where they are not UTF-8. */
export function decodeStrict(bytes: Uint8Array): string | undefined;
