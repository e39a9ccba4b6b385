//! Where something stands in a file, for people.

/// Lines and columns, mostly asked for in their order.
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    first: usize,
    at: usize,
    line: usize,
    /// Where the line begins.
    begin: usize,
}

impl<'a> Lines<'a> {
    /// Of a text whose first line has the number `first`.
    pub(super) fn new(bytes: &'a [u8], first: usize) -> Self {
        Self {
            bytes,
            first,
            at: 0,
            line: first,
            begin: 0,
        }
    }

    /// The line and column of a place.
    pub(super) fn of(&mut self, place: usize) -> (usize, usize) {
        if place < self.begin {
            (self.at, self.line, self.begin) = (0, self.first, 0);
        }
        let passed = self.bytes.get(self.at..place).unwrap_or_default();
        for (end, _) in passed
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
        {
            (self.line, self.begin) = (self.line + 1, self.at + end + 1);
        }
        self.at = self.at.max(place);
        (self.line, place.saturating_sub(self.begin) + 1)
    }
}
