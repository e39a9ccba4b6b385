// UTF-8, because QuickJS has neither TextEncoder nor TextDecoder. Both ways go over a string with one character a byte
// and over functions of the engine: a loop over a batch's bytes in JavaScript takes ten times as long.

const REPLACEMENT = 0xfffd;

export function encode(text) {
  // Half of a surrogate pair has no UTF-8; toWellFormed puts U+FFFD in its place.
  const octets = unescape(encodeURIComponent(text.toWellFormed()));
  return Uint8Array.fromBase64?.(btoa(octets)) ?? Uint8Array.from(octets, (octet) => octet.charCodeAt(0)); // Node 20 has no fromBase64
}

export function decode(bytes) {
  return decodeStrict(bytes) ?? mended(bytes);
}

export function decodeStrict(bytes) {
  try {
    return decodeURIComponent(escape(octetsOf(bytes)));
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function octetsOf(bytes) {
  if (bytes.toBase64 !== undefined) return atob(bytes.toBase64());
  let octets = "";
  for (const byte of bytes) octets += String.fromCharCode(byte);
  return octets;
}

/** With U+FFFD for what is malformed, as the Encoding standard has it. */
function mended(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const { point = REPLACEMENT, length } = sequence(bytes, at);
    text += String.fromCodePoint(point);
    at += length;
  }
  return text;
}

/** The code point at a place and its length; none where bytes are malformed, then with the length that one U+FFFD stands for. */
function sequence(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return { point: first, length: 1 };
  const more = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
  if (more === 0) return { length: 1 };
  let point = first & (0x3f >> more);
  for (let n = 1; n <= more; n++) {
    const next = bytes[at + n];
    if (next === undefined || next < lowest(first, n) || next > highest(first, n)) return { length: n };
    point = (point << 6) | (next & 0x3f);
  }
  return { point, length: more + 1 };
}

/** Of the second byte, so that nothing is written longer than needed; of the others 0x80. */
function lowest(first, n) {
  if (n === 1 && first === 0xe0) return 0xa0;
  if (n === 1 && first === 0xf0) return 0x90;
  return 0x80;
}

/** Of the second byte, so that surrogates and what is beyond U+10FFFF don't pass; of the others 0xbf. */
function highest(first, n) {
  if (n === 1 && first === 0xed) return 0x9f;
  if (n === 1 && first === 0xf4) return 0x8f;
  return 0xbf;
}
