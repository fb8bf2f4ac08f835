//! AES-128 in CBC mode with PKCS #7 padding (RFC 8216, 5.2), block by block as the bytes come.

use aes::Aes128;
use bytes::{Buf, BytesMut};
use cbc::Decryptor;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use forebay_core::remux::{Cover, cover};

const BLOCK: usize = 16;

/// Decrypts one segment.
pub(super) struct Decrypt {
    cipher: Decryptor<Aes128>,
    /// What has come and is not decrypted yet: the last block may be padding.
    held: BytesMut,
    /// Where to look for a picture in front, which is not encrypted: when so many bytes have come.
    /// `None` when that is behind us.
    look_at: Option<usize>,
}

impl Decrypt {
    pub(super) fn new(key: &[u8; 16], iv: &[u8; 16]) -> Self {
        Self { cipher: Decryptor::new(key.into(), iv.into()), held: BytesMut::new(), look_at: Some(BLOCK) }
    }

    /// Decrypts as much of what has come as cannot be padding.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut BytesMut) {
        self.held.extend_from_slice(bytes);
        if self.look_at.is_some_and(|at| self.held.len() < at || !self.take_picture_off()) {
            return;
        }
        // At least one byte stays, so a last block that is
        // complete waits for `finish`: it holds the padding.
        let whole = self.held.len().saturating_sub(1) / BLOCK * BLOCK;
        let blocks = self.held.split_to(whole);
        self.blocks(blocks, out);
    }

    /// The segment is complete. False when its length or its padding is wrong: it was cut short, or
    /// the key or the vector is another's.
    pub(super) fn finish(mut self, out: &mut BytesMut) -> bool {
        if self.look_at.is_some() {
            // Whatever stands in front, no more will come of it.
            self.take_picture_off();
            self.look_at = None;
            self.push(&[], out);
        }
        if self.held.len() != BLOCK {
            // An empty segment is none that was cut; any other length is no whole number of blocks.
            return self.held.is_empty();
        }
        let last = self.held.split();
        let at = out.len();
        self.blocks(last, out);
        let padding = out.last().map_or(0, |&count| usize::from(count));
        let is_padded = (1..=BLOCK).contains(&padding)
            // Each byte is checked: one alone is right by
            // chance once in sixteen times with a wrong key.
            && out[at..][BLOCK - padding..].iter().all(|&byte| usize::from(byte) == padding);
        if is_padded {
            out.truncate(out.len() - padding);
        }
        is_padded
    }

    /// Takes a picture in front off, if there is one; false while it goes on.
    fn take_picture_off(&mut self) -> bool {
        match cover(&self.held) {
            // Twice as many bytes, so that all looks together take no longer than the last two.
            Cover::Unfinished => self.look_at = Some(2 * self.held.len()),
            Cover::Picture(_, length) => {
                self.held.advance(length);
                self.look_at = None;
            }
            Cover::None => self.look_at = None,
        }
        self.look_at.is_none()
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
    fn a_picture_in_front_is_taken_off() {
        let chunk = |kind: &[u8], data: &[u8]| {
            [&u32::try_from(data.len()).unwrap().to_be_bytes(), kind, data, &[1, 2, 3, 4]].concat()
        };
        let png = [&b"\x89PNG\r\n\x1A\n"[..], &chunk(b"IHDR", &[5; 13]), &chunk(b"IEND", &[])].concat();
        let secret = [png, encrypt(&[3; 100], &[7; 16], &[9; 16])].concat();
        for size in [1, 7, 40, 4096] {
            let (mut decrypt, mut out) = (Decrypt::new(&[7; 16], &[9; 16]), BytesMut::new());
            secret.chunks(size).for_each(|piece| decrypt.push(piece, &mut out));
            assert!(decrypt.finish(&mut out), "by {size}");
            assert_eq!(&out[..], [3; 100]);
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
