//! Signing and encrypting as collectd does: keys, and the parts that they make and open.
//!
//! ```text
//!  signature, over the rest of what it stands in:
//! +-------+------+-----------+------+- - - -
//! | 0x200 | 36+u | 32 bytes  | user | parts     HMAC-SHA-256 of user and parts, keyed with the password
//! +-------+------+-----------+------+- - - -
//!
//!  encrypted part:
//! +-------+--------+---+------+----------+--------------+-------+
//! | 0x210 | 42+u+p | u | user | 16 bytes | SHA-1, parts encrypted with AES-256-OFB, SHA-256 of the password as key
//! +-------+--------+---+------+----------+--------------+-------+
//! ```
//!
//! Source: network(5); `network_send_buffer_signed`, `network_send_buffer_encrypted`, `parse_part_sign_sha256`,
//! `parse_part_encr_aes256` in `src/network.c` of collectd 5.12. The checksum has no key and OFB is malleable: who
//! knows what stands in an encrypted part can write something else into it. A signature is the stronger of the two
//! against forgery, and neither keeps anyone from sending a datagram again.

use std::fmt;
use std::ops::Range;

use aes::Aes256Enc;
use aes::cipher::{InnerIvInit, KeyInit as _, StreamCipher};
use ctutils::CtEq;
use hmac::{Hmac, Mac};
use ofb::{Ofb, OfbCore};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::Malformed;
use super::part::{CHECKSUM, ENCRYPTION_OVERHEAD, HEADER, IV, MAC, SIGNATURE_HEADER};

/// The security of a sender's packets, and a listener's demand of them: collectd's `SecurityLevel`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecurityLevel {
    /// Nothing is secured; anything is taken.
    #[default]
    None,
    /// Signed; signed or encrypted is taken.
    Sign,
    /// Encrypted; nothing else is taken.
    Encrypt,
}

impl SecurityLevel {
    /// All levels.
    pub const ALL: [Self; 3] = [Self::None, Self::Sign, Self::Encrypt];

    /// The name in configurations, which collectd reads in any case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Sign => "Sign",
            Self::Encrypt => "Encrypt",
        }
    }
}

impl fmt::Display for SecurityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Keys made of a password, once: ready to sign and to encrypt. Wiped from memory when they are dropped.
#[derive(Clone)]
pub struct Key {
    mac: Hmac<Sha256>,
    cipher: Aes256Enc,
}

impl Key {
    /// The bytes of a password as they are.
    pub fn new(password: &[u8]) -> Self {
        Self {
            mac: Hmac::new_from_slice(password).expect("HMAC takes keys of any length"),
            cipher: Aes256Enc::new(&Sha256::digest(password)),
        }
    }

    pub(super) fn sign(&self, user: &[u8], parts: &[u8]) -> [u8; MAC] {
        let mac = self.mac.clone().chain_update(user).chain_update(parts);
        mac.finalize().into_bytes().into()
    }

    /// In constant time.
    fn verify(&self, mac: &[u8; MAC], signed: &[u8]) -> bool {
        self.mac.clone().chain_update(signed).verify_slice(mac).is_ok()
    }

    /// Encrypts or decrypts: with OFB that is the same.
    pub(super) fn apply(&self, iv: &[u8; IV], bytes: &mut [u8]) {
        Ofb::from_core(OfbCore::inner_iv_init(&self.cipher, iv.into())).apply_keystream(bytes);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Where the user of a signature stands in its part.
///
/// The part is of at least a header.
pub(super) fn signature_user(part: &[u8]) -> Result<Range<usize>, Malformed> {
    if part.len() <= SIGNATURE_HEADER {
        return Err(Malformed::SignatureLength);
    }
    Ok(SIGNATURE_HEADER..part.len())
}

/// Whether `section`, which starts with a signature, is what was signed.
pub(super) fn verify(key: &Key, section: &[u8]) -> bool {
    let (mac, signed) = section.split_at(SIGNATURE_HEADER.min(section.len()));
    mac.last_chunk().is_some_and(|mac| key.verify(mac, signed))
}

/// Where the user of an encrypted part stands in it.
pub(super) fn encryption_user(part: &[u8]) -> Result<Range<usize>, Malformed> {
    let start = HEADER + 2;
    let Some([.., a, b]) = part.get(..start) else {
        return Err(Malformed::EncryptionLength);
    };
    let length = usize::from(u16::from_be_bytes([*a, *b]));
    if length == 0 || ENCRYPTION_OVERHEAD + length >= part.len() {
        return Err(Malformed::EncryptionLength);
    }
    Ok(start..start + length)
}

/// Decrypts a part in place. `user` is where [`encryption_user`] found it. Returns where the payload stands in the
/// part.
pub(super) fn decrypt(key: &Key, part: &mut [u8], user: Range<usize>) -> Result<Range<usize>, Malformed> {
    let length = part.len();
    let Some((iv, sealed)) = part[user.end..].split_first_chunk_mut::<IV>() else {
        return Err(Malformed::EncryptionLength);
    };
    key.apply(iv, sealed);
    let Some((checksum, payload)) = sealed.split_first_chunk::<CHECKSUM>() else {
        return Err(Malformed::EncryptionLength);
    };
    if Sha1::digest(payload).as_slice().ct_eq(checksum.as_slice()).to_bool() {
        Ok(user.end + IV + CHECKSUM..length)
    } else {
        Err(Malformed::ChecksumMismatch)
    }
}
