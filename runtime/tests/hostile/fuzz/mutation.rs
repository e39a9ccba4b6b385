//! Changes of inputs. Pure but for the numbers, which are the same for the same seed.

/// Marsaglia's xorshift64*.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }
}

/// What is worth to be put in anywhere.
const TOKENS: [&[u8]; 46] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"'",
    b":",
    b",",
    b"\\",
    b"/",
    b"%",
    b"@",
    b"#",
    b"?",
    b"&",
    b"*",
    b"${",
    b"\n",
    b"\r\n",
    b"\0",
    b"\x1b[2J",
    b"\xff",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\\u0000",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"9223372036854775808",
    b"1e999",
    b"metadata",
    b"items",
    b"kind",
    b"Event",
    b"List",
    b"---\n",
    b"- ",
    b"  ",
    b"\t",
    b"https://",
    b"::1",
    b"..",
    b"\x80\x80\x80\x80\x80",
];

/// One of the inputs, changed in a few places.
pub fn mutated(inputs: &[Vec<u8>], random: &mut Random, longest: usize) -> Vec<u8> {
    let mut input = inputs[random.below(inputs.len())].clone();
    for _ in 0..1 + random.below(4) {
        let place = random.below(input.len() + 1);
        match random.below(8) {
            0 if place < input.len() => input[place] ^= 1 << random.below(8),
            1 if place < input.len() => input[place] = random.below(256) as u8,
            2 => {
                let token = TOKENS[random.below(TOKENS.len())];
                input.splice(place..place, token.iter().copied());
            }
            3 => {
                let end = (place + random.below(64)).min(input.len());
                input.drain(place..end);
            }
            4 => {
                let end = (place + random.below(256)).min(input.len());
                let piece = input[place..end].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            5 => input.truncate(place),
            6 => {
                let other = &inputs[random.below(inputs.len())];
                let from = random.below(other.len() + 1);
                let end = (from + random.below(512)).min(other.len());
                input.splice(place..place, other[from..end].iter().copied());
            }
            _ => {
                let token = TOKENS[random.below(TOKENS.len())];
                let many = token.repeat(1 + random.below(200));
                input.splice(place..place, many);
            }
        }
    }
    input.truncate(longest);
    input
}
