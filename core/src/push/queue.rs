//! What waits for a server, and what is left out for one that is too slow.

use std::collections::VecDeque;
use std::time::Duration;

use crate::flv::{Content, Tag};
use crate::time::Moment;

/// Behind by this, pictures are left out that no other one needs.
const SLOW: Duration = Duration::from_secs(2);

/// Behind by this, all pictures are left out up to the next key frame. Sound stays.
const TOO_SLOW: Duration = Duration::from_secs(4);

/// Bytes that wait at most: 4 s of a 4K broadcast.
const MAX_BYTES: usize = 16 << 20;

/// Tags that wait to be sent.
#[derive(Debug, Default)]
pub struct Queue {
    tags: VecDeque<(Moment, Tag)>,
    /// When the pictures among them came.
    pictures: VecDeque<Moment>,
    bytes: usize,
    /// Pictures are left out until a key frame comes.
    is_skipping: bool,
    dropped: u64,
}

impl Queue {
    /// Takes a tag, or leaves it out.
    pub fn push(&mut self, now: Moment, tag: Tag) {
        // By pictures only: sound is never left out, so its age would never fall.
        let age = self.pictures.front().map_or(Duration::ZERO, |at| now.since(*at));
        if age > TOO_SLOW || self.bytes + tag.body.len() > MAX_BYTES {
            self.is_skipping = true;
        }
        match tag.content {
            // All that waits is older than this key frame, so the server is up to date at once.
            Content::KeyFrame if self.is_skipping => self.drop_pictures(),
            Content::Picture { is_disposable } if self.is_skipping || is_disposable && age > SLOW => {
                self.dropped += 1;
                return;
            }
            _ => {}
        }
        // Sound as well, at the very end: the limit holds whatever comes.
        if self.bytes + tag.body.len() > MAX_BYTES {
            self.dropped += 1;
            return;
        }
        self.bytes += tag.body.len();
        if is_picture(&tag) {
            self.pictures.push_back(now);
        }
        self.tags.push_back((now, tag));
    }

    /// What waits is older than the key frame that comes: without the pictures it is the newest.
    fn drop_pictures(&mut self) {
        let before = self.tags.len();
        self.tags.retain(|(_, tag)| !is_picture(tag));
        self.pictures.clear();
        self.dropped += (before - self.tags.len()) as u64;
        self.bytes = self.tags.iter().map(|(_, tag)| tag.body.len()).sum();
        self.is_skipping = false;
    }

    /// The next tag to send.
    pub fn pop(&mut self) -> Option<Tag> {
        let (_, tag) = self.tags.pop_front()?;
        self.bytes -= tag.body.len();
        if is_picture(&tag) {
            self.pictures.pop_front();
        }
        Some(tag)
    }

    /// How long the oldest tag has been waiting.
    pub fn age(&self, now: Moment) -> Duration {
        self.tags.front().map_or(Duration::ZERO, |(at, _)| now.since(*at))
    }

    /// Pictures that were left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

fn is_picture(tag: &Tag) -> bool {
    matches!(tag.content, Content::KeyFrame | Content::Picture { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Content = Content::KeyFrame;
    const NEEDED: Content = Content::Picture { is_disposable: false };
    const SPARE: Content = Content::Picture { is_disposable: true };

    fn push(queue: &mut Queue, second: u64, content: Content) {
        let tag = Tag { content, time: 0, body: vec![0; 100] };
        queue.push(Moment::from_millis(second * 1000), tag);
    }

    fn contents(queue: &mut Queue) -> Vec<Content> {
        std::iter::from_fn(|| queue.pop()).map(|tag| tag.content).collect()
    }

    #[test]
    fn a_server_that_keeps_up_gets_everything() {
        let mut queue = Queue::default();
        for content in [KEY, SPARE, Content::Sound, NEEDED] {
            push(&mut queue, 0, content);
        }
        assert_eq!((contents(&mut queue), queue.dropped()), (vec![KEY, SPARE, Content::Sound, NEEDED], 0));
    }

    #[test]
    fn one_that_is_slow_misses_what_no_other_picture_needs() {
        let mut queue = Queue::default();
        for (second, content) in [(0, KEY), (2, SPARE), (3, SPARE), (3, NEEDED)] {
            push(&mut queue, second, content);
        }
        assert_eq!((contents(&mut queue), queue.dropped()), (vec![KEY, SPARE, NEEDED], 1));
    }

    #[test]
    fn one_that_is_too_slow_goes_on_at_the_next_key_frame_and_misses_no_sound() {
        let mut queue = Queue::default();
        let script = [
            (0, KEY),
            (1, NEEDED),
            (2, Content::Sound),
            (5, NEEDED),
            (5, Content::Sound),
            (5, Content::PictureHeader),
            (6, KEY),
            (6, NEEDED),
        ];
        for (second, content) in script {
            push(&mut queue, second, content);
        }
        let expected = vec![Content::Sound, Content::Sound, Content::PictureHeader, KEY, NEEDED];
        // Sound that still waits is old, and nothing more is left out for it.
        assert_eq!((contents(&mut queue), queue.dropped(), queue.bytes()), (expected, 3, 0));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut queue = Queue::default();
        for _ in 0..40 {
            queue.push(Moment::ZERO, Tag { content: NEEDED, time: 0, body: vec![0; 1 << 20] });
        }
        assert_eq!((queue.bytes(), queue.dropped()), (16 << 20, 24));
    }
}
