//! Hashes: with one, the receiver can check that every byte has arrived unchanged.

use std::fmt::Write as _;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::body::CHUNK_LEN;

// ANCHOR: hash
/// Reads to the end, and returns how many bytes there were, and their SHA-256.
pub fn size_and_hash(reader: &mut impl Read) -> io::Result<(u64, String)> {
    let (mut size, mut hasher) = (0, Sha256::new());
    let mut chunk = vec![0; CHUNK_LEN];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok((size, hex(hasher))),
            Ok(len) => {
                size += len as u64;
                hasher.update(&chunk[..len]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {} // read again
            Err(error) => return Err(error),
        }
    }
}

/// Returns the hash of everything that the hasher has seen, in lower-case hex digits.
pub fn hex(hasher: Sha256) -> String {
    let mut digits = String::new();
    for byte in hasher.finalize() {
        let _ = write!(digits, "{byte:02x}"); // writing to a String cannot fail
    }
    digits
}
// ANCHOR_END: hash

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standard() {
        // The examples of NIST for SHA-256: one block, and a million times the letter a.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(size_and_hash(&mut &b"abc"[..]).unwrap(), (3, abc.to_owned()));
        let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        let came = size_and_hash(&mut io::repeat(b'a').take(1_000_000)).unwrap();
        assert_eq!(came, (1_000_000, million.to_owned()));
    }
}
