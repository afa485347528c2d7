//! A record of a table with a `transform`: what it gives becomes rows in the record's place, all of it or none.

use std::ops::Range;

use super::RecordPlan;
use super::coerce::Reject;
use super::reader::{Reader, Refusal, SourceContext};
use super::rows::{BlockRows, TableTally};
use super::transform::{Transform, TransformError};

impl Reader {
    /// Adds a row to `table` for each output for the record at `range`, which is on the tape. Counts it as one that was read:
    /// outputs beyond the first are added, none is dropped.
    pub(super) fn transformed(
        &mut self,
        transform: &Transform,
        plan: &RecordPlan,
        source: &SourceContext,
        (block, range): (&[u8], Range<usize>),
        table: usize,
        out: &mut BlockRows,
    ) -> Result<(), Refusal> {
        let outputs = transform.run(block, range.len(), &self.tape, plan.limits);
        let outputs = outputs.map_err(|error| Refusal::of(error.into(), Some(table)))?;
        let before = out.tables[table].len();
        let tally = std::mem::take(&mut out.tables[table].tally);
        // The order of keys that is expected in records is not that of outputs.
        std::mem::swap(&mut self.tape, &mut self.outputs_tape);
        self.tape.know(&plan.keys);
        let added = self.add_outputs(plan, source, &outputs, table, out);
        std::mem::swap(&mut self.tape, &mut self.outputs_tape);
        let rows = &mut out.tables[table];
        let counted: TableTally = std::mem::replace(&mut rows.tally, tally);
        if let Err(refusal) = added {
            rows.truncate(before);
            return Err(refusal);
        }
        rows.tally.add(&counted);
        match outputs.len() as u64 {
            0 => out.dropped += 1,
            given => out.added += given - 1,
        }
        if self.keeps_outputs {
            (self.outputs, self.outputs_of) = (outputs, table);
        }
        Ok(())
    }

    fn add_outputs(
        &mut self,
        plan: &RecordPlan,
        source: &SourceContext,
        outputs: &[Vec<u8>],
        table: usize,
        out: &mut BlockRows,
    ) -> Result<(), Refusal> {
        let mut elements_max = plan.elements_max();
        for output in outputs {
            let end = self.tape.read(output, 0, plan.limits.depth_max);
            debug_assert_eq!(end, Ok(output.len()), "what a transform gives is a record");
            let elements = self.row(plan, source, (output, output.len()), (table, elements_max), out)?;
            elements_max = elements_max.saturating_sub(elements);
        }
        Ok(())
    }
}

impl From<TransformError> for Reject {
    fn from(TransformError { code, message }: TransformError) -> Self {
        Self { code, found: message }
    }
}
