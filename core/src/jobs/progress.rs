//! What ffmpeg says with `-progress`: lines `key=value`, a block of them twice a second.

use std::time::Duration;

/// Bytes of a line that are kept: what is longer is none of the lines that count.
const MAX_LINE: usize = 256;

/// How far an ffmpeg is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FfmpegProgress {
    /// Media that has been written.
    pub out_time: Duration,
    /// Media a second, as a multiple of real time; 0 where that is not known yet.
    pub speed: f64,
    /// Whether this was the last block.
    pub is_end: bool,
}

/// Takes the bytes in pieces, and gives each block.
#[derive(Debug, Default)]
pub struct ProgressReader {
    line: Vec<u8>,
    current: FfmpegProgress,
}

impl ProgressReader {
    /// Takes the next bytes, and returns the last block that is whole now.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Option<FfmpegProgress> {
        let mut last = None;
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                last = self.handle_line(&line).or(last);
            } else if self.line.len() < MAX_LINE {
                self.line.push(byte);
            }
        }
        last
    }

    /// The block that ends with this line.
    fn handle_line(&mut self, line: &[u8]) -> Option<FfmpegProgress> {
        let line = std::str::from_utf8(line).ok()?;
        let (key, value) = line.split_once('=')?;
        let value = value.trim();
        match key {
            // Both are microseconds; older versions have but the one whose name says otherwise.
            "out_time_us" | "out_time_ms" => {
                if let Ok(micros) = value.parse() {
                    self.current.out_time = Duration::from_micros(micros);
                }
            }
            "speed" => {
                let number = value.trim_end_matches('x').trim().parse::<f64>();
                self.current.speed = number.ok().filter(|speed| speed.is_finite()).unwrap_or_default();
            }
            "progress" => {
                self.current.is_end = value == "end";
                return Some(self.current);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "frame=10\nout_time_us=400000\nout_time_ms=400000\nspeed=1.25x\nprogress=continue\n\
                        out_time_us=N/A\nspeed=N/A\nprogress=continue\n\
                        out_time_us=2000000\nspeed= 2.5x\nprogress=end\n";

    fn block(millis: u64, speed: f64, is_end: bool) -> FfmpegProgress {
        FfmpegProgress { out_time: Duration::from_millis(millis), speed, is_end }
    }

    #[test]
    fn blocks_come_whole_however_the_bytes_do() {
        for size in 1..TEXT.len() {
            let mut reader = ProgressReader::default();
            let found: Vec<_> =
                TEXT.as_bytes().chunks(size).filter_map(|piece| reader.handle_bytes(piece)).collect();
            assert_eq!(found.last(), Some(&block(2000, 2.5, true)), "in pieces of {size}");
            if size < 10 {
                assert_eq!(found[..2], [block(400, 1.25, false), block(400, 0.0, false)]);
            }
        }
    }

    #[test]
    fn lines_without_an_end_take_no_memory() {
        let mut reader = ProgressReader::default();
        assert_eq!(reader.handle_bytes(&vec![b'x'; 1 << 20]), None);
        assert!(reader.line.capacity() <= 2 * MAX_LINE);
        assert_eq!(reader.handle_bytes(b"\nprogress=end\n"), Some(block(0, 0.0, true)));
    }
}
