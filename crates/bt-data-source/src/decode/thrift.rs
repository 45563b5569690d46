//! The Thrift compact protocol, as far as reading needs it.
//!
//! A cursor over a slice that reads the fields it is asked for and steps over the rest. It allocates nothing,
//! so no claimed length can make it, and what a newer writer adds is passed over.

use super::error::{Fault, corrupt};

/// Deeper nesting than Parquet's own structures have.
const MAX_DEPTH: u8 = 24;

/// The wire types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    True,
    False,
    Byte,
    Int,
    Double,
    Binary,
    List,
    Map,
    Struct,
}

impl Wire {
    fn new(code: u8) -> Result<Self, Fault> {
        Ok(match code {
            1 => Wire::True,
            2 => Wire::False,
            3 => Wire::Byte,
            4..=6 => Wire::Int,
            7 => Wire::Double,
            8 => Wire::Binary,
            9 | 10 => Wire::List,
            11 => Wire::Map,
            12 => Wire::Struct,
            _ => return Err(corrupt(format_args!("invalid wire type {code} in the metadata"))),
        })
    }
}

/// A position in serialised metadata.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes }
    }

    /// How many bytes there are after the position.
    pub(super) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Calls `field` for each field of a struct with its number; it reads the value or returns false, then
    /// the value is stepped over.
    pub(super) fn fields(
        &mut self,
        mut field: impl FnMut(&mut Self, i16, Wire) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        let mut id: i16 = 0;
        while let Some(wire) = self.field(&mut id)? {
            if !field(self, id, wire)? {
                self.skip(wire, MAX_DEPTH)?;
            }
        }
        Ok(())
    }

    /// The element type and length of a list. Every element takes a byte at least, so the length is at most
    /// what remains. An empty list has whatever type it likes: some writers give 0.
    pub(super) fn list(&mut self) -> Result<(Wire, usize), Fault> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        match usize::try_from(length) {
            Ok(0) => Ok((Wire::new(head & 15).unwrap_or(Wire::Struct), 0)),
            Ok(length) if length <= self.remaining() => Ok((Wire::new(head & 15)?, length)),
            _ => Err(corrupt(format_args!("a list of {length} elements does not fit the metadata"))),
        }
    }

    /// An integer of any width.
    pub(super) fn int(&mut self) -> Result<i64, Fault> {
        let zigzag = self.varint()?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// An integer that must not be negative.
    pub(super) fn size(&mut self, what: &str) -> Result<u64, Fault> {
        let value = self.int()?;
        u64::try_from(value).map_err(|_| corrupt(format_args!("{what} is {value}, expected 0 or more")))
    }

    /// An integer of eight bits.
    pub(super) fn small(&mut self) -> Result<u8, Fault> {
        self.byte()
    }

    /// A string or binary.
    pub(super) fn binary(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.varint()?;
        self.take(length)
    }

    /// Steps over a value.
    pub(super) fn step_over(&mut self, wire: Wire) -> Result<(), Fault> {
        self.skip(wire, MAX_DEPTH)
    }

    fn field(&mut self, id: &mut i16) -> Result<Option<Wire>, Fault> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        let next = match head >> 4 {
            0 => i16::try_from(self.int()?).ok(),
            delta => id.checked_add(i16::from(delta)),
        };
        *id = next.ok_or_else(|| corrupt("a field number in the metadata is out of range"))?;
        Wire::new(head & 15).map(Some)
    }

    fn skip(&mut self, wire: Wire, depth: u8) -> Result<(), Fault> {
        let depth = depth.checked_sub(1).ok_or_else(|| corrupt("the metadata is nested too deeply"))?;
        match wire {
            Wire::True | Wire::False => Ok(()),
            Wire::Byte => self.byte().map(drop),
            Wire::Int => self.varint().map(drop),
            Wire::Double => self.take(8).map(drop),
            Wire::Binary => self.binary().map(drop),
            Wire::List => {
                let (element, length) = self.list()?;
                (0..length).try_for_each(|_| self.skip_element(element, depth))
            }
            Wire::Map => {
                let length = self.varint()?;
                if length == 0 {
                    return Ok(());
                }
                let types = self.byte()?;
                let (key, value) = (Wire::new(types >> 4)?, Wire::new(types & 15)?);
                // Runs out of bytes before it runs for long: each element takes one at least.
                (0..length).try_for_each(|_| {
                    self.skip_element(key, depth)?;
                    self.skip_element(value, depth)
                })
            }
            Wire::Struct => {
                let mut id = 0;
                while let Some(wire) = self.field(&mut id)? {
                    self.skip(wire, depth)?;
                }
                Ok(())
            }
        }
    }

    /// In collections a boolean takes a byte; in structs it is part of the field's head.
    fn skip_element(&mut self, wire: Wire, depth: u8) -> Result<(), Fault> {
        match wire {
            Wire::True | Wire::False => self.byte().map(drop),
            other => self.skip(other, depth),
        }
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(corrupt("a number in the metadata has more than 64 bits"))
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let (&first, rest) = self.bytes.split_first().ok_or_else(Self::ends)?;
        self.bytes = rest;
        Ok(first)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Fault> {
        let (taken, rest) = usize::try_from(length)
            .ok()
            .and_then(|n| self.bytes.split_at_checked(n))
            .ok_or_else(Self::ends)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn ends() -> Fault {
        corrupt("the metadata ends too early")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_number_and_others_stepped_over() {
        // 1: int -2; 3: binary "ab"; 4: true; 300 (written in full): list of two structs; stop
        let bytes = [0x15, 3, 0x28, 2, b'a', b'b', 0x11, 0x09, 0xd8, 4, 0x2c, 0x11, 0, 0x15, 8, 0, 0, 99];
        let mut cursor = Cursor::new(&bytes);
        let (mut int, mut text, mut flag) = (None, None, None);
        cursor
            .fields(|c, id, wire| {
                match id {
                    1 => int = Some(c.int()?),
                    3 => text = Some(c.binary()?),
                    4 => flag = Some(wire == Wire::True),
                    _ => return Ok(false),
                }
                Ok(true)
            })
            .unwrap();
        assert_eq!((int, text, flag), (Some(-2), Some(&b"ab"[..]), Some(true)));
        assert_eq!(cursor.remaining(), 1);
    }

    #[test]
    fn an_empty_list_may_be_of_any_element_type() {
        for bytes in [&[0x00][..], &[0x0d], &[0xf0, 0]] {
            let mut cursor = Cursor::new(bytes);
            let (_, length) = cursor.list().unwrap();
            assert_eq!((length, cursor.remaining()), (0, 0));
            let mut fields = vec![0x19];
            fields.extend(bytes);
            fields.push(0);
            Cursor::new(&fields).fields(|_, _, _| Ok(false)).unwrap();
        }
        assert!(Cursor::new(&[0x10, 1]).list().is_err());
    }

    #[test]
    fn claims_beyond_the_bytes_are_faults() {
        let too_long = [0x16, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0];
        // What recurses for each of these ends the process.
        let structs_in_structs = vec![0x1c; 1 << 20];
        for (bytes, part) in [
            (&[0x19, 0xfc, 0xff, 0xff, 0x03][..], "a list of 65535 elements does not fit"),
            (&[0x18, 200, 1, 0], "ends too early"),
            (&too_long, "more than 64 bits"),
            (&[0x1b, 0xff, 0xff, 0xff, 0x0f, 0x55, 1], "ends too early"),
            (&[0x1d, 0], "invalid wire type 13"),
            (&[0x1c], "ends too early"),
            (&structs_in_structs, "nested too deeply"),
        ] {
            let fault = Cursor::new(bytes).fields(|_, _, _| Ok(false)).unwrap_err();
            assert!(fault.to_string().contains(part), "{fault}");
        }
    }
}
