//! Bitmap subtitles for ffmpeg to turn into DVB subtitles.
//!
//! ffmpeg encodes DVB subtitles only from other bitmap subtitles, and makes none itself. The simplest it reads is
//! the Blu-ray format (PGS) as a `.sup` file, so that is written here.

use std::time::Duration;

const WIDTH: u16 = 320;
const HEIGHT: u16 = 40;

/// A `.sup` file with a box shown at each of these times for this long, on a screen of this size.
pub(super) fn sup_file(screen: (u16, u16), shown_at: &[Duration], shown_for: Duration) -> Vec<u8> {
    let mut file = Vec::new();
    for (number, at) in (0u16..).zip(shown_at) {
        display_set(&mut file, screen, number * 2, *at, Some(number));
        display_set(&mut file, screen, number * 2 + 1, *at + shown_for, None);
    }
    file
}

/// One state of the screen: a picture, or nothing.
fn display_set(file: &mut Vec<u8>, screen: (u16, u16), composition: u16, at: Duration, picture: Option<u16>) {
    let ticks = u32::try_from(at.as_millis() * 90).expect("a clip is short");
    let left = (screen.0 - WIDTH) / 2;
    let top = screen.1 - HEIGHT - 20;
    let mut segment = |kind: u8, body: &[u8]| {
        file.extend(b"PG");
        file.extend(ticks.to_be_bytes());
        file.extend([0; 4]);
        file.push(kind);
        file.extend(u16::try_from(body.len()).expect("a segment has at most 65,535 bytes").to_be_bytes());
        file.extend(body);
    };
    let words = |values: &[u16]| values.iter().flat_map(|value| value.to_be_bytes()).collect::<Vec<u8>>();

    let mut presentation = words(&[screen.0, screen.1]);
    presentation.push(0x10);
    presentation.extend(composition.to_be_bytes());
    let state = if picture.is_some() { 0x80 } else { 0x00 };
    presentation.extend([state, 0, 0, u8::from(picture.is_some())]);
    if picture.is_some() {
        presentation.extend([0, 0, 0, 0]);
        presentation.extend(words(&[left, top]));
    }
    segment(0x16, &presentation);
    let window = [vec![1, 0], words(&[left, top, WIDTH, HEIGHT])].concat();
    segment(0x17, &window);
    if let Some(number) = picture {
        // Two colours: white and a half-transparent black, as (index, Y, Cr, Cb, alpha).
        segment(0x14, &[0, 0, 1, 235, 128, 128, 255, 2, 16, 128, 128, 128]);
        let pixels = picture_lines(number);
        let length = u32::try_from(pixels.len() + 4).expect("a small picture").to_be_bytes();
        let object = [vec![0, 0, 0, 0xc0], length[1..].to_vec(), words(&[WIDTH, HEIGHT]), pixels].concat();
        segment(0x15, &object);
    }
    segment(0x80, &[]);
}

/// Run-length coded lines: a bar whose length tells the number.
fn picture_lines(number: u16) -> Vec<u8> {
    let bar = 20 + number % 10 * 30;
    let run = |length: u16, colour: u8| {
        let [high, low] = length.to_be_bytes();
        [0, 0xc0 | high, low, colour]
    };
    let line: Vec<u8> = [&run(bar, 1)[..], &run(WIDTH - bar, 2), &[0, 0]].concat();
    line.repeat(usize::from(HEIGHT))
}
