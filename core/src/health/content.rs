//! What the pictures and the sound of a source show, by groups of pictures.

use std::time::Duration;

use super::digest::{self, Sound};
use super::picture::Hand;
use super::repetition::{Group, Repetition};
use super::rules::Seen;
use super::stillness::Stillness;
use crate::ts::packet::Packet;
use crate::ts::pes::Header;
use crate::ts::stream::Codec;

/// The content up to the picture on hand.
#[derive(Debug)]
pub(super) struct Content {
    hand: Hand,
    /// By the number of the sound.
    sounds: Vec<Sound>,
    stillness: Stillness,
    group: Option<GroupOnHand>,
    /// The next group is the first behind a discontinuity.
    is_behind_seam: bool,
    repetition: Repetition,
    /// How long what comes again may be, where that is a rule.
    threshold: Option<Duration>,
}

/// The group of pictures that is not complete.
#[derive(Debug)]
struct GroupOnHand {
    fingerprint: u64,
    /// When it began, in ticks.
    since: i64,
    /// It is the first behind a discontinuity.
    is_part: bool,
}

impl Content {
    /// Nothing yet. What comes again is a fault after `threshold`.
    pub(super) fn new(threshold: Option<Duration>) -> Self {
        Self {
            hand: Hand::new(Codec::Data(0)),
            sounds: Vec::new(),
            stillness: Stillness::default(),
            group: None,
            is_behind_seam: false,
            repetition: Repetition::default(),
            threshold,
        }
    }

    /// The streams are these from here on: so many of sound, and video of this codec, if any.
    pub(super) fn begin(&mut self, video: Option<Codec>, sounds: usize) {
        // What began behind a discontinuity still does: the map of a part may come in pieces.
        self.is_behind_seam |= self.group.take().is_some_and(|group| group.is_part);
        self.stillness = Stillness::default();
        self.sounds = (0..sounds).map(|_| Sound::default()).collect();
        if let Some(codec) = video {
            self.hand = Hand::new(codec);
        }
    }

    /// Another run of bytes begins.
    pub(super) fn note_discontinuity(&mut self) {
        self.is_behind_seam = true;
    }

    /// Whether the picture stands still is asked from now on anew.
    pub(super) fn rejudge_stillness(&mut self) {
        self.stillness = Stillness::default();
    }

    /// Takes the first packet of a picture, whose header is `header`.
    pub(super) fn begin_picture(&mut self, packet: Packet<'_>, header: Option<Header>) {
        self.hand.begin(packet, header);
    }

    /// Takes a piece of the picture on hand.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.hand.push(bytes);
    }

    /// A packet of sound `number` begins.
    pub(super) fn begin_sound(&mut self, number: usize) {
        self.sounds[number].begin_unit();
    }

    /// Takes a piece of sound `number`.
    pub(super) fn push_sound(&mut self, number: usize, bytes: &[u8]) {
        // The hash of sound costs more than all the rest, and serves one rule only.
        if self.threshold.is_some() {
            self.sounds[number].push(bytes);
        }
    }

    /// The picture on hand, if any, is complete at `time`, in ticks.
    pub(super) fn finish_picture(&mut self, time: i64) {
        let Some(picture) = self.hand.finish() else { return };
        // A group is judged when the next one begins: before that, nobody knows that it is over.
        if picture.is_entry {
            self.finish_group(time);
            let is_part = std::mem::take(&mut self.is_behind_seam);
            self.group = Some(GroupOnHand { fingerprint: 0, since: time, is_part });
        }
        self.stillness.handle(&picture, time);
        if let Some(group) = &mut self.group {
            group.fingerprint = digest::join(group.fingerprint, picture.fingerprint);
        }
    }

    /// The group on hand ends at `time`, in ticks.
    fn finish_group(&mut self, time: i64) {
        // Taken in any case, so that the sound in front of the first group does not count for it.
        let (mut sound, mut is_silent) = (0, true);
        for (least, is_varied) in self.sounds.iter_mut().map(Sound::take) {
            sound = digest::join(sound, least);
            is_silent &= !is_varied;
        }
        let Some(GroupOnHand { fingerprint, since, is_part }) = self.group.take() else { return };
        let Some(threshold) = self.threshold else { return };
        let is_quiet = is_silent && self.stillness.is_group_still();
        let group = Group { pictures: fingerprint, sound, is_quiet, ticks: time - since, is_part };
        self.repetition.handle(group, threshold);
    }

    /// For how long the picture has stood still.
    pub(super) fn still(&self) -> Duration {
        self.stillness.still()
    }

    /// What came again, if that is a fault.
    pub(super) fn repetition(&self) -> Option<Seen> {
        self.repetition.verdict()
    }
}
