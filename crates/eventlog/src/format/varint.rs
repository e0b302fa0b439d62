//! Numbers in as few bytes as they need: seven bits a byte, the least first, the top bit says "more".

/// Most bytes a number of 128 bits takes.
const BYTES_MAX: u32 = 19;

/// Appends a number.
pub fn put(out: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a number that may be negative: small magnitudes take few bytes.
pub fn put_signed(out: &mut Vec<u8>, number: i128) {
    put(out, ((number << 1) ^ (number >> 127)) as u128);
}

/// Takes a number from the front; `None` when it is cut, does not fit or is longer than need be.
pub fn take(input: &mut &[u8]) -> Option<u128> {
    let mut number = 0_u128;
    for index in 0..BYTES_MAX {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        let bits = u128::from(byte & 0x7f);
        let shifted = bits.checked_shl(index * 7)?;
        if shifted >> (index * 7) != bits {
            return None;
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            return (byte != 0 || index == 0).then_some(number);
        }
    }
    None
}

/// Takes a number that may be negative.
pub fn take_signed(input: &mut &[u8]) -> Option<i128> {
    let number = take(input)?;
    Some((number >> 1) as i128 ^ -((number & 1) as i128))
}

/// Takes a number that counts bytes.
pub fn take_len(input: &mut &[u8]) -> Option<usize> {
    usize::try_from(take(input)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_reads_back(number in any::<i128>(), shift in 0_u32..128) {
            let number = number >> shift;
            let mut bytes = Vec::new();
            put_signed(&mut bytes, number);
            put(&mut bytes, number as u128);
            let mut input = bytes.as_slice();
            prop_assert_eq!(take_signed(&mut input), Some(number));
            prop_assert_eq!(take(&mut input), Some(number as u128));
            prop_assert!(input.is_empty());
        }
    }

    #[test]
    fn refuses_what_it_does_not_write() {
        let long = [0xff; 30];
        for bad in [&[][..], &[0x80], &[0x80, 0x00], &long] {
            assert_eq!(take(&mut &bad[..]), None);
        }
        let mut too_large = vec![0xff; 18];
        too_large.push(0x04);
        assert_eq!(take(&mut too_large.as_slice()), None);
    }
}
