import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../src/index.js";

const buffer = (text) => new Uint8Array(Buffer.from(text, "utf8"));

test("every plane is written as UTF-8 has it", () => {
  for (let point = 0; point <= 0x10ffff; point += point < 0x3000 ? 1 : 0xfd) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const text = String.fromCodePoint(point);
    assert.deepEqual(utf8.encode(text), buffer(text));
    assert.equal(utf8.decode(utf8.encode(text)), text);
  }
});

test("half of a pair becomes U+FFFD", () => {
  assert.deepEqual(utf8.encode("a\ud800b\udc00"), buffer("a\ufffdb\ufffd"));
});

test("malformed bytes become U+FFFD as in TextDecoder", () => {
  const standard = new TextDecoder("utf-8", { ignoreBOM: true });
  const edges = [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff];
  for (const a of edges) {
    for (const b of edges) {
      for (const c of edges) {
        const bytes = Uint8Array.of(a, b, c, 0x80, 0x41);
        assert.equal(utf8.decode(bytes), standard.decode(bytes));
      }
    }
  }
});

test("strictly read, malformed bytes are no text", () => {
  assert.equal(utf8.decodeStrict(Uint8Array.of(0xff)), undefined);
  assert.equal(utf8.decodeStrict(Uint8Array.of(0xed, 0xa0, 0x80)), undefined);
  assert.equal(utf8.decodeStrict(Uint8Array.of(0xe2, 0x82, 0xac)), "€");
});
