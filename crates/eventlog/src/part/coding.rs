//! Numbers, texts, values and totals as a part holds them.
use crate::format::record::{put_value, take_value};
use reckoner_domain::decimal::Decimal;
use reckoner_domain::sum::Sum;

/// What a total begins with that is no decimal: 32 bytes follow.
const RAW_SUM: u8 = 0xff;

/// Appends a number.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the front; `None` when it is cut or too large.
pub fn take_number(input: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Takes a number that counts things of at least one byte each: more than there are bytes cannot be.
pub fn take_count(input: &mut &[u8]) -> Option<usize> {
    usize::try_from(take_number(input)?).ok().filter(|count| *count <= input.len())
}

/// Takes a number of 32 bits.
pub fn take_small(input: &mut &[u8]) -> Option<u32> {
    u32::try_from(take_number(input)?).ok()
}

/// Appends a number that may be negative.
pub fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, ((number << 1) ^ (number >> 63)) as u64);
}

/// Takes a number that may be negative.
pub fn take_signed(input: &mut &[u8]) -> Option<i64> {
    let number = take_number(input)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

/// Appends a text.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Takes a text.
pub fn take_text<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    let bytes = take_count(input)?;
    let (text, rest) = input.split_at_checked(bytes)?;
    *input = rest;
    std::str::from_utf8(text).ok()
}

/// Appends a total: as a decimal where it is one.
pub fn put_sum(out: &mut Vec<u8>, sum: Sum) {
    match sum.to_decimal() {
        Some(number) => put_value(out, number),
        None => {
            out.push(RAW_SUM);
            out.extend_from_slice(&sum.to_le_bytes());
        }
    }
}

/// Takes a total.
pub fn take_sum(input: &mut &[u8]) -> Option<Sum> {
    if input.first() == Some(&RAW_SUM) {
        let (bytes, rest) = input.get(1..)?.split_first_chunk::<32>()?;
        *input = rest;
        return Some(Sum::from_le_bytes(*bytes));
    }
    take_decimal(input).and_then(|number| Sum::ZERO.plus(number).ok())
}

/// Appends a value.
pub fn put_decimal(out: &mut Vec<u8>, value: Decimal) {
    put_value(out, value);
}

/// Takes a value.
pub fn take_decimal(input: &mut &[u8]) -> Option<Decimal> {
    take_value(input)
}

/// Takes one byte.
pub fn take_byte(input: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = input.split_first()?;
    *input = rest;
    Some(byte)
}
