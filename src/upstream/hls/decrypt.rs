//! AES-128 in CBC mode with PKCS #7 padding (RFC 8216, 5.2), block by block as the bytes come.

use aes::Aes128;
use bytes::BytesMut;
use cbc::Decryptor;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};

const BLOCK: usize = 16;

/// Decrypts one segment.
pub(super) struct Decrypt {
    cipher: Decryptor<Aes128>,
    /// What has come and is not decrypted yet: the last block may be padding.
    held: BytesMut,
}

impl Decrypt {
    pub(super) fn new(key: &[u8; 16], iv: &[u8; 16]) -> Self {
        Self { cipher: Decryptor::new(key.into(), iv.into()), held: BytesMut::new() }
    }

    /// Decrypts as much of what has come as cannot be padding.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut BytesMut) {
        self.held.extend_from_slice(bytes);
        let whole = self.held.len().saturating_sub(1) / BLOCK * BLOCK;
        let blocks = self.held.split_to(whole);
        self.blocks(blocks, out);
    }

    /// The segment is complete. False when its length or its padding is wrong: it was cut short, or the key or the vector is another's.
    pub(super) fn finish(mut self, out: &mut BytesMut) -> bool {
        if self.held.len() != BLOCK {
            return self.held.is_empty();
        }
        let last = self.held.split();
        let at = out.len();
        self.blocks(last, out);
        let padding = out.last().map_or(0, |&count| usize::from(count));
        let is_padded = (1..=BLOCK).contains(&padding)
            && out[at..][BLOCK - padding..].iter().all(|&byte| usize::from(byte) == padding);
        if is_padded {
            out.truncate(out.len() - padding);
        }
        is_padded
    }

    fn blocks(&mut self, mut blocks: BytesMut, out: &mut BytesMut) {
        let (whole, _) = blocks.as_chunks_mut::<BLOCK>();
        for block in whole {
            self.cipher.decrypt_block(block.into());
        }
        out.extend_from_slice(&blocks);
    }
}

#[cfg(test)]
mod tests {
    use cbc::cipher::BlockModeEncrypt;

    use super::*;

    fn encrypt(text: &[u8], key: &[u8; 16], iv: &[u8; 16]) -> Vec<u8> {
        let padding = BLOCK - text.len() % BLOCK;
        let mut bytes = [text, &vec![u8::try_from(padding).unwrap(); padding]].concat();
        let mut cipher = cbc::Encryptor::<Aes128>::new(key.into(), iv.into());
        for block in bytes.as_chunks_mut::<BLOCK>().0 {
            cipher.encrypt_block(block.into());
        }
        bytes
    }

    #[test]
    fn what_was_encrypted_comes_back_however_it_is_cut() {
        let (key, iv) = ([7; 16], [9; 16]);
        for length in [0, 1, 15, 16, 17, 188 * 7] {
            let text: Vec<u8> = (0..length).map(|n: usize| n.to_le_bytes()[0]).collect();
            let secret = encrypt(&text, &key, &iv);
            for size in [1, 16, 23, 4096] {
                let (mut decrypt, mut out) = (Decrypt::new(&key, &iv), BytesMut::new());
                secret.chunks(size).for_each(|piece| decrypt.push(piece, &mut out));
                assert!(decrypt.finish(&mut out), "{length} bytes by {size}");
                assert_eq!(out, text);
            }
        }
    }

    #[test]
    fn another_key_and_a_cut_are_noticed() {
        let secret = encrypt(&[3; 100], &[7; 16], &[9; 16]);
        let finish = |key, bytes: &[u8]| {
            let (mut decrypt, mut out) = (Decrypt::new(key, &[9; 16]), BytesMut::new());
            decrypt.push(bytes, &mut out);
            decrypt.finish(&mut out)
        };
        assert!(finish(&[7; 16], &secret));
        assert!(!finish(&[8; 16], &secret));
        assert!(!finish(&[7; 16], &secret[..100]));
    }
}
