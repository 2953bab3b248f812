//! Signing and encrypting what leaves.

use std::fmt;

use aes::Aes256Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use sha1::{Digest, Sha1};
use thiserror::Error;

use super::crypto::Key;
use super::part::{ENCRYPTION_OVERHEAD, IV, PartType, SIGNATURE_HEADER};

/// Signs or encrypts packets as a certain user.
#[derive(Clone)]
pub struct Seal {
    user: Box<[u8]>,
    key: Key,
    encrypts: bool,
}

/// A packet that is too long to be secured: no UDP datagram holds it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a packet of {0} bytes is too long to be signed or encrypted")]
pub struct TooLong(pub usize);

/// Bytes of the largest UDP datagram, without headers, over IPv4.
const LARGEST_DATAGRAM: usize = 65_507;

impl Seal {
    /// Packets signed by a user whose name is of 1 to [`USER_MAX`](super::part::USER_MAX) bytes.
    pub fn signing(user: &[u8], password: &[u8]) -> Self {
        Self { user: user.into(), key: Key::new(password), encrypts: false }
    }

    /// Packets encrypted by a user whose name is of 1 to [`USER_MAX`](super::part::USER_MAX) bytes.
    pub fn encrypting(user: &[u8], password: &[u8]) -> Self {
        Self { user: user.into(), key: Key::new(password), encrypts: true }
    }

    /// By how many bytes a packet grows.
    pub fn overhead(&self) -> usize {
        self.user.len() + if self.encrypts { ENCRYPTION_OVERHEAD } else { SIGNATURE_HEADER }
    }

    /// Appends a packet to `bytes`, signed or encrypted.
    ///
    /// # Errors
    ///
    /// If that is larger than any datagram; then `bytes` are as they were.
    pub fn seal(
        &self,
        packet: &[u8],
        vectors: &mut InitializationVectors,
        bytes: &mut Vec<u8>,
    ) -> Result<(), TooLong> {
        if packet.len() + self.overhead() > LARGEST_DATAGRAM {
            return Err(TooLong(packet.len()));
        }
        if self.encrypts {
            self.encrypt(packet, &vectors.next(), bytes);
        } else {
            self.sign(packet, bytes);
        }
        Ok(())
    }

    fn sign(&self, packet: &[u8], bytes: &mut Vec<u8>) {
        write_numbers(bytes, [PartType::SIGN_SHA256.0, self.overhead() as u16]);
        bytes.extend_from_slice(&self.key.sign(&self.user, packet));
        bytes.extend_from_slice(&self.user);
        bytes.extend_from_slice(packet);
    }

    fn encrypt(&self, packet: &[u8], iv: &[u8; IV], bytes: &mut Vec<u8>) {
        let length = (self.overhead() + packet.len()) as u16;
        write_numbers(bytes, [PartType::ENCR_AES256.0, length, self.user.len() as u16]);
        bytes.extend_from_slice(&self.user);
        bytes.extend_from_slice(iv);
        let start = bytes.len();
        bytes.extend_from_slice(&Sha1::digest(packet));
        bytes.extend_from_slice(packet);
        self.key.apply(iv, &mut bytes[start..]);
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.encrypts { "encrypting" } else { "signing" };
        write!(f, "Seal({verb} as {})", self.user.escape_ascii())
    }
}

fn write_numbers<const N: usize>(bytes: &mut Vec<u8>, numbers: [u16; N]) {
    numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_be_bytes()));
}

/// Initialization vectors of which none comes twice and nobody foresees the next: a counter, encrypted with a random
/// key.
#[derive(Clone)]
pub struct InitializationVectors {
    cipher: Aes256Enc,
    count: u128,
}

impl InitializationVectors {
    /// `seed` is from the system's source of random bytes, and used for nothing else.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self { cipher: Aes256Enc::new(seed.into()), count: 0 }
    }

    /// The next one.
    fn next(&mut self) -> [u8; IV] {
        let mut block = self.count.to_be_bytes().into();
        self.count += 1;
        self.cipher.encrypt_block(&mut block);
        block.into()
    }
}

impl fmt::Debug for InitializationVectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InitializationVectors")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Guard, SecurityLevel, Users};

    const SIGNED: &[u8] = include_bytes!("../../testdata/wire/streams/notif-sign.bin");
    const ENCRYPTED: &[u8] = include_bytes!("../../testdata/wire/streams/notif-encrypt.bin");

    /// The first datagram of a stream.
    fn first(stream: &[u8]) -> &[u8] {
        let (length, rest) = stream.split_first_chunk().unwrap();
        &rest[..u32::from_be_bytes(*length) as usize]
    }

    #[test]
    fn packets_leave_byte_for_byte_as_collectd_made_them() {
        let signed = first(SIGNED);
        let packet = &signed[SIGNATURE_HEADER + 5..];
        let (mut bytes, mut vectors) = (Vec::new(), InitializationVectors::new(&[7; 32]));
        Seal::signing(b"alice", b"s3cret").seal(packet, &mut vectors, &mut bytes).unwrap();
        assert_eq!(bytes, signed);

        let encrypted = first(ENCRYPTED);
        let iv = encrypted[11..].first_chunk().unwrap();
        bytes.clear();
        Seal::encrypting(b"alice", b"s3cret").encrypt(packet, iv, &mut bytes);
        assert_eq!(bytes, encrypted);
    }

    #[test]
    fn what_fits_no_datagram_is_refused() {
        let mut vectors = InitializationVectors::new(&[7; 32]);
        let (users, _) = Users::parse(b"alice: s3cret");
        for seal in [Seal::signing(b"alice", b"s3cret"), Seal::encrypting(b"alice", b"s3cret")] {
            let mut bytes = vec![1, 2, 3];
            let most = LARGEST_DATAGRAM - seal.overhead();
            assert_eq!(seal.seal(&vec![0; most + 1], &mut vectors, &mut bytes), Err(TooLong(most + 1)));
            assert_eq!(bytes, [1, 2, 3]);
            bytes.clear();
            // A part of unknown type that is as long as can be.
            let packet = [&[0x77; 2][..], &(most as u16).to_be_bytes(), &vec![0; most - 4]].concat();
            seal.seal(&packet, &mut vectors, &mut bytes).unwrap();
            assert_eq!(bytes.len(), LARGEST_DATAGRAM);
            let mut events = 0;
            Guard::new(SecurityLevel::Sign, Some(users.clone())).decode(&mut bytes, |_, _, event| {
                assert!(event.is_ok());
                events += 1;
            });
            assert_eq!(events, 1);
        }
    }

    #[test]
    fn no_vector_comes_twice() {
        let mut vectors = InitializationVectors::new(&[7; 32]);
        let mut seen = std::collections::HashSet::new();
        assert!((0..1000).all(|_| seen.insert(vectors.next())));
        let mut others = InitializationVectors::new(&[8; 32]);
        assert!((0..1000).all(|_| seen.insert(others.next())));
    }

    #[test]
    fn secrets_are_not_shown() {
        let seal = Seal::encrypting(b"alice\n", b"s3cret");
        assert_eq!(format!("{seal:?}"), r"Seal(encrypting as alice\n)");
        assert_eq!(format!("{:?}", InitializationVectors::new(&[7; 32])), "InitializationVectors");
    }
}
