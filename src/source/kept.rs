//! Decoders that lose nothing: what was made before an error is handed over first.
//!
//! ```text
//! packed ──a chunk──> Decode::step ──> made, and then: go on │ the end │ an error, told by the next read
//! ```
//!
//! The readers that come with the libraries drop what a failing call had made, up to a whole buffer of good records.

use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};

/// The largest window of gzip and zip, as a power of two.
const DEFLATE_WINDOW_LOG: u8 = 15;
/// What it takes to see how long the head of a zstd frame is.
const ZSTD_FRAME_START_BYTES: usize = 5;
const ZSTD_BLOCK_HEAD_BYTES: usize = 3;

/// Decodes a stream chunk by chunk.
pub(super) trait Decode {
    /// Takes some of `packed`, which is empty at the end of the input only, and fills some of `out`, which has room.
    fn step(&mut self, packed: &[u8], out: &mut [u8]) -> Step;
}

/// What a step took and made, and how it ended. A step that failed has taken and made all that came before.
pub(super) struct Step {
    taken: usize,
    made: usize,
    /// Is this the end of the stream?
    ended: io::Result<bool>,
}

impl Step {
    /// Nothing was done.
    fn of(ended: io::Result<bool>) -> Self {
        Self {
            taken: 0,
            made: 0,
            ended,
        }
    }
}

/// Reads what a decoder makes of a packed stream.
pub(super) struct Kept<R, D> {
    from: R,
    decoder: D,
    ended: bool,
    failed: Option<io::Error>,
}

impl<R: BufRead, D: Decode> Kept<R, D> {
    pub(super) fn new(from: R, decoder: D) -> Self {
        Self {
            from,
            decoder,
            ended: false,
            failed: None,
        }
    }

    pub(super) fn get_ref(&self) -> &R {
        &self.from
    }

    /// What follows the stream, once it has ended.
    pub(super) fn into_inner(self) -> R {
        self.from
    }
}

impl<R: BufRead, D: Decode> Read for Kept<R, D> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        while !self.ended && !out.is_empty() {
            let packed = self.from.fill_buf()?;
            let is_cut = packed.is_empty();
            let Step { taken, made, ended } = self.decoder.step(packed, out);
            self.from.consume(taken);
            match ended {
                Ok(ended) => self.ended = ended,
                Err(error) if made > 0 => self.failed = Some(error),
                Err(error) => return Err(error),
            }
            if made > 0 {
                return Ok(made);
            }
            if is_cut && !self.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

/// Deflated data, bare or as a gzip member with its header and sums.
pub(super) struct Deflated(Decompress);

impl Deflated {
    pub(super) fn bare() -> Self {
        Self(Decompress::new(false))
    }

    pub(super) fn member() -> Self {
        Self(Decompress::new_gzip(DEFLATE_WINDOW_LOG))
    }
}

impl Decode for Deflated {
    fn step(&mut self, packed: &[u8], out: &mut [u8]) -> Step {
        let Self(inflate) = self;
        let before = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(packed, out, FlushDecompress::None);
        Step {
            taken: (inflate.total_in() - before.0) as usize,
            made: (inflate.total_out() - before.1) as usize,
            ended: status
                .map(|status| status == Status::StreamEnd)
                .map_err(io::Error::from),
        }
    }
}

/// Zstd frames, one after another.
///
/// A call of the library that fails does not say what it had taken and made before. So each is given the next block and no
/// more, and nothing as long as something of the last one may be left.
pub(super) struct Frames {
    frame: Decoder<'static>,
    between: bool,
    is_left: bool,
    /// Bytes of the next block.
    wanted: usize,
}

impl Frames {
    /// A frame that asks for a window of more than 2 to the power of `window_log_max` bytes is an error.
    pub(super) fn new(window_log_max: u32) -> io::Result<Self> {
        let mut frame = Decoder::new()?;
        frame.set_parameter(DParameter::WindowLogMax(window_log_max))?;
        Ok(Self {
            frame,
            between: true,
            is_left: false,
            wanted: 0,
        })
    }

    fn run(&mut self, packed: &[u8], out: &mut [u8]) -> Step {
        let (mut input, mut output) = (InBuffer::around(packed), OutBuffer::around(out));
        let wanted = self.frame.run(&mut input, &mut output);
        let made = output.pos();
        // What is told of the next block may reach beyond the end of a frame.
        let taken = if wanted.is_ok() { input.pos() } else { packed.len() };
        self.is_left = made == output.capacity();
        if let Ok(wanted) = wanted {
            self.between = wanted == 0;
            // With a block the library asks for the head of the next one, which may be what is broken.
            self.wanted = match wanted.checked_sub(ZSTD_BLOCK_HEAD_BYTES) {
                None | Some(0) => wanted,
                Some(block) => block,
            };
        }
        Step {
            taken,
            made,
            ended: wanted.map(|_| false),
        }
    }
}

impl Decode for Frames {
    fn step(&mut self, packed: &[u8], out: &mut [u8]) -> Step {
        if self.is_left {
            return self.run(&[], out);
        }
        if self.between {
            if packed.is_empty() {
                return Step::of(Ok(true));
            }
            if let Err(error) = self.frame.reinit() {
                return Step::of(Err(error));
            }
            self.between = false;
            self.wanted = ZSTD_FRAME_START_BYTES;
        }
        self.run(&packed[..self.wanted.min(packed.len())], out)
    }
}
