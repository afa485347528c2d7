//! Columns as bytes, for rows that wait in a spill file. Read back on the same machine by the same process only.

use std::io::{self, Read, Write};

use super::{Column, Values};

impl Column {
    /// Writes all rows, to be read back by [`Column::read_from`] on the same machine.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        write_numbers(out, &[self.validity.len as u64], u64::to_le_bytes)?;
        write_numbers(out, &self.validity.flags, |b| [b])?;
        match &self.values {
            Values::Boolean(v) => write_numbers(out, v, |b| [b]),
            Values::Int8(v) => write_numbers(out, v, i8::to_le_bytes),
            Values::Int16(v) => write_numbers(out, v, i16::to_le_bytes),
            Values::Int32(v) => write_numbers(out, v, i32::to_le_bytes),
            Values::Int64(v) => write_numbers(out, v, i64::to_le_bytes),
            Values::Float32(v) => write_numbers(out, v, f32::to_le_bytes),
            Values::Float64(v) => write_numbers(out, v, f64::to_le_bytes),
            Values::Decimal(v) => write_numbers(out, v, i128::to_le_bytes),
            Values::Bytes { ends, bytes } => {
                write_numbers(out, ends, i32::to_le_bytes)?;
                write_numbers(out, bytes, |b| [b])
            }
            Values::List { ends, element } => {
                write_numbers(out, ends, i32::to_le_bytes)?;
                element.write_to(out)
            }
            Values::Map { ends, key, value } => {
                write_numbers(out, ends, i32::to_le_bytes)?;
                key.write_to(out)?;
                value.write_to(out)
            }
            Values::Struct(members) => members.iter().try_for_each(|m| m.write_to(out)),
        }
    }

    /// Replaces all rows by what [`Column::write_to`] wrote of a column of the same type.
    pub fn read_from(&mut self, from: &mut impl Read) -> io::Result<()> {
        let mut len = Vec::new();
        read_numbers(from, &mut len, u64::from_le_bytes)?;
        self.validity.len = len.first().map_or(0, |len| *len as usize);
        read_numbers(from, &mut self.validity.flags, |[b]| b)?;
        match &mut self.values {
            Values::Boolean(v) => read_numbers(from, v, |[b]| b),
            Values::Int8(v) => read_numbers(from, v, i8::from_le_bytes),
            Values::Int16(v) => read_numbers(from, v, i16::from_le_bytes),
            Values::Int32(v) => read_numbers(from, v, i32::from_le_bytes),
            Values::Int64(v) => read_numbers(from, v, i64::from_le_bytes),
            Values::Float32(v) => read_numbers(from, v, f32::from_le_bytes),
            Values::Float64(v) => read_numbers(from, v, f64::from_le_bytes),
            Values::Decimal(v) => read_numbers(from, v, i128::from_le_bytes),
            Values::Bytes { ends, bytes } => {
                read_numbers(from, ends, i32::from_le_bytes)?;
                read_numbers(from, bytes, |[b]| b)
            }
            Values::List { ends, element } => {
                read_numbers(from, ends, i32::from_le_bytes)?;
                element.read_from(from)
            }
            Values::Map { ends, key, value } => {
                read_numbers(from, ends, i32::from_le_bytes)?;
                key.read_from(from)?;
                value.read_from(from)
            }
            Values::Struct(members) => members.iter_mut().try_for_each(|m| m.read_from(from)),
        }
    }
}

const COPIED_AT_ONCE: usize = 4096;

fn write_numbers<T: Copy, const N: usize>(
    out: &mut impl Write,
    numbers: &[T],
    to_bytes: fn(T) -> [u8; N],
) -> io::Result<()> {
    out.write_all(&(numbers.len() as u64).to_le_bytes())?;
    let mut buffer = Vec::with_capacity(N * COPIED_AT_ONCE.min(numbers.len()));
    for part in numbers.chunks(COPIED_AT_ONCE) {
        buffer.clear();
        part.iter()
            .for_each(|number| buffer.extend_from_slice(&to_bytes(*number)));
        out.write_all(&buffer)?;
    }
    Ok(())
}

fn read_numbers<T: Copy, const N: usize>(
    from: &mut impl Read,
    numbers: &mut Vec<T>,
    of: fn([u8; N]) -> T,
) -> io::Result<()> {
    let mut len = [0; 8];
    from.read_exact(&mut len)?;
    let mut left = u64::from_le_bytes(len) as usize;
    numbers.clear();
    numbers.reserve(left);
    let mut buffer = vec![0; N * COPIED_AT_ONCE.min(left)];
    while left > 0 {
        let part = left.min(COPIED_AT_ONCE);
        from.read_exact(&mut buffer[..part * N])?;
        numbers.extend(
            buffer[..part * N]
                .chunks_exact(N)
                .map(|b| of(b.try_into().expect("N bytes"))),
        );
        left -= part;
    }
    Ok(())
}
