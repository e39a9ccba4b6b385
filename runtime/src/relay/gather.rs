//! What a sink gets next: rows after its cursor, without those that are not selected for it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::journal::{self, DeadLetter, Position, Reader, Row};

use super::destination::Limits;
use super::item::Item;
use super::options::Options;

/// Reads of the journal for one batch: a selection may pass over many rows.
const PAGES: usize = 16;

pub(super) type Items = HashMap<Position, Arc<Item>>;

/// Rows that were looked at.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// To be sent, in order.
    pub positions: Vec<Position>,
    /// The same, with what they are.
    pub items: Items,
    /// Rows that can't be read as events.
    pub dead: Vec<DeadLetter>,
    /// Rows that were passed over, since they are at the destination already.
    pub passed: u64,
    /// The last row that was looked at; none: there was no row.
    pub through: Option<Position>,
    /// Rows that are not for this sink.
    pub unselected: u64,
    /// Rows about which the selection could not decide, so that the sink gets them.
    pub undecided: u64,
    /// Why, of the last one.
    pub why: Option<String>,
    /// Bytes of what is to be sent.
    bytes: usize,
}

/// Gathers a batch within the limits.
///
/// # Errors
/// When the first row can't be read.
pub(super) fn gather(
    reader: &Reader,
    after: Position,
    limits: Limits,
    options: &Options,
    is_there: &impl Fn(&Row) -> bool,
) -> Result<Gathered, journal::Error> {
    let mut gathered = Gathered::default();
    let most = limits.events.max(1);
    for _ in 0..PAGES {
        let room = most.saturating_sub(gathered.positions.len());
        let rows = match reader.read(
            gathered.through.unwrap_or(after),
            room,
            limits.bytes.saturating_sub(gathered.bytes),
        ) {
            Ok(rows) => rows,
            // What was read before is sent first; the next read says it again.
            Err(_) if gathered.through.is_some() => break,
            Err(why) => return Err(why),
        };
        let read = rows.len();
        for row in rows {
            // The first row of a read comes whatever its size.
            if !gathered.positions.is_empty() && gathered.bytes + row.raw.len() > limits.bytes {
                return Ok(gathered);
            }
            if is_there(&row) {
                gathered.through = Some(row.position);
                gathered.passed += 1;
                continue;
            }
            gathered.take(row, options);
        }
        // Without a selection every row was taken, and the read was cut by the limits or by the
        // end.
        let took_all = options.select.is_none() && gathered.passed == 0;
        if took_all || read == 0 || gathered.positions.len() >= most {
            break;
        }
    }
    Ok(gathered)
}

impl Gathered {
    fn take(&mut self, row: Row, options: &Options) {
        let (position, bytes) = (row.position, row.raw.len());
        self.through = Some(position);
        let item = match Item::from_row(row, &options.event) {
            Ok(item) => item,
            Err(why) => {
                return self.dead.push(DeadLetter {
                    position,
                    reason: why.to_string(),
                    attempts: 0,
                    held_back: false,
                });
            }
        };
        match options
            .select
            .as_ref()
            .map_or(Ok(true), |select| select.admits(&item.event))
        {
            Ok(true) => {}
            Ok(false) => {
                self.unselected += 1;
                return;
            }
            Err(why) => {
                self.undecided += 1;
                self.why = Some(why);
            }
        }
        self.positions.push(position);
        self.items.insert(position, Arc::new(item));
        self.bytes += bytes;
    }
}
