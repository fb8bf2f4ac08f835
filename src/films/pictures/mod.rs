//! Pictures of films: the poster that stands for one, and small ones along its time.
//!
//! They are made of key pictures as segments have them, so that each is the one that a player shows
//! there, whatever file it is. ffmpeg decodes those alone. What is made lies below the data folder,
//! `pictures/{film}/{state of its file}/`, at most three megabytes of a film.

mod storyboard;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::index::Kind as TrackKind;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::debug;

pub use self::storyboard::Storyboard;
use super::{FilmId, OpenError, Opened, Shelf, tag};
use crate::jobs::ffmpeg::{Error as FfmpegError, Ffmpeg};
use crate::programs;

/// The longer side of a poster, in pixels.
const POSTER: u32 = 480;

/// How long a poster may take: a key picture is decoded within a second, where there is no other
/// work.
const POSTER_TIME: Duration = Duration::from_mins(1);

/// Posters that are made or waited for at a time: as many as a page shows.
const MAX_POSTERS: usize = 256;

/// The largest file that is sent: a sheet of a hundred small pictures has a tenth of that.
const MAX_FILE: u64 = 4 << 20;

/// The pictures of all films.
#[derive(Debug)]
pub struct Pictures {
    folder: PathBuf,
    /// One decodes at a time: viewers come first.
    turn: Semaphore,
    places: Semaphore,
}

/// Why there is no picture now.
#[derive(Debug, thiserror::Error)]
pub enum NoPicture {
    /// There is none, and will be none.
    #[error("the film has no pictures, or none can be decoded")]
    None,
    /// It is being made, or too many are.
    #[error("the picture is not made yet")]
    NotYet,
    /// The film cannot be read, or the picture not be written.
    #[error(transparent)]
    Film(#[from] OpenError),
}

impl From<io::Error> for NoPicture {
    fn from(error: io::Error) -> Self {
        Self::Film(error.into())
    }
}

impl Pictures {
    /// Those below this data folder.
    pub fn new(data: &Path) -> Self {
        let (turn, places) = (Semaphore::new(1), Semaphore::new(MAX_POSTERS));
        Self { folder: data.join("pictures"), turn, places }
    }

    /// The picture that stands for a film, as JPEG: made now where there is none.
    ///
    /// # Errors
    /// Where there is none, or too many are wanted now.
    pub async fn poster(&self, film: FilmId, opened: &Arc<Opened>, disk: &Shelf) -> Result<Bytes, NoPicture> {
        let poster = self.state(film, opened).join("poster.jpg");
        if let Some(bytes) = read(disk, poster.clone()).await? {
            return some(bytes);
        }
        let _place = self.places.try_acquire().map_err(|_| NoPicture::NotYet)?;
        let _turn = self.turn.acquire().await.map_err(|_| NoPicture::NotYet)?;
        // Somebody else may have made it meanwhile.
        if let Some(bytes) = read(disk, poster.clone()).await? {
            return some(bytes);
        }
        let (source, key, path) = (Arc::clone(opened), poster.with_extension("mp4"), poster.clone());
        let size = disk
            .aside(move || {
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                // Behind the titles, where there is something to see.
                let segments = with_pictures(&source);
                let Some(&chosen) = segments.get(segments.len() / 10) else { return Ok(None) };
                source.write_key_pictures(&key, &[chosen])?;
                Ok::<_, OpenError>(scaled(source.film.tracks()[0].size, POSTER))
            })
            .await??;
        let (key, part) = (poster.with_extension("mp4"), poster.with_extension("part.jpg"));
        let made = match size {
            Some(size) => make_poster(&key, &part, size).await,
            None => Ok(false),
        };
        let _ = tokio::fs::remove_file(&key).await;
        // What cannot be decoded is not tried again: an empty file says so.
        match made {
            Ok(true) => tokio::fs::rename(&part, &poster).await?,
            Ok(false) => tokio::fs::write(&poster, b"").await?,
            Err(FfmpegError::Missing { .. }) => return Err(NoPicture::None),
            Err(error) => {
                debug!(%film, %error, "no poster of a film can be made now");
                return Err(NoPicture::NotYet);
            }
        }
        some(read(disk, poster).await?.unwrap_or_default())
    }

    /// A file of the storyboard: `thumbnails.vtt`, or a sheet of small pictures.
    ///
    /// # Errors
    /// [`NoPicture::NotYet`] where no storyboard has been made.
    pub async fn storyboard(
        &self,
        film: FilmId,
        opened: &Opened,
        name: &str,
        disk: &Shelf,
    ) -> Result<Bytes, NoPicture> {
        let folder = self.state(film, opened).join(storyboard::name(opened));
        match read(disk, folder.join(name)).await? {
            Some(bytes) => some(bytes),
            None if disk.aside(move || folder.is_dir()).await? => Err(NoPicture::None),
            None if programs::find("ffmpeg".as_ref()).is_none() => Err(NoPicture::None),
            None => Err(NoPicture::NotYet),
        }
    }

    fn state(&self, film: FilmId, opened: &Opened) -> PathBuf {
        self.folder.join(film.to_string()).join(tag(&opened.identity()))
    }
}

/// An empty file stands for what cannot be made.
fn some(bytes: Bytes) -> Result<Bytes, NoPicture> {
    if bytes.is_empty() { Err(NoPicture::None) } else { Ok(bytes) }
}

/// A file that was made; `None` where it is not there.
async fn read(disk: &Shelf, path: PathBuf) -> io::Result<Option<Bytes>> {
    let read = move || match fs::metadata(&path) {
        Ok(data) if data.len() > MAX_FILE => Err(io::ErrorKind::FileTooLarge.into()),
        Ok(_) => fs::read(&path).map(|bytes| Some(bytes.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    disk.aside(read).await?
}

/// The segments that have pictures.
fn with_pictures(opened: &Opened) -> Vec<usize> {
    let pictures = &opened.film.tracks()[0];
    let all = 0..opened.film.segments();
    all.filter(|&n| pictures.kind == TrackKind::Video && !pictures.is_empty(n)).collect()
}

/// A size whose longer side is so long, in even numbers; `None` of no size.
fn scaled((width, height): (u32, u32), side: u32) -> Option<(u32, u32)> {
    let longer = width.max(height);
    let of = |length: u32| {
        let scaled = u64::from(length) * u64::from(side) / u64::from(longer.max(1));
        (u32::try_from(scaled).expect("it is smaller than the side") / 2 * 2).max(2)
    };
    (width > 0 && height > 0).then(|| (of(width), of(height)))
}

/// Says whether there is a picture; an error is of this moment.
async fn make_poster(key: &Path, to: &Path, (width, height): (u32, u32)) -> Result<bool, FfmpegError> {
    let mut words = storyboard::input(key);
    let filter = format!("scale={width}:{height},setsar=1");
    words.extend(
        ["-frames:v", "1", "-vf", &filter, "-q:v", "4", "-f", "image2", "-update", "1"].map(Into::into),
    );
    words.push(storyboard::file(to));
    let ffmpeg = Ffmpeg::default();
    let run = ffmpeg.run(words, std::future::pending(), |_| {});
    match timeout(POSTER_TIME, run).await {
        Ok(Ok(())) => Ok(to.is_file()),
        Ok(Err(FfmpegError::Failed { .. })) => Ok(false),
        Ok(Err(error)) => Err(error),
        // The machine has other work: another request may have more luck.
        Err(_) => Err(FfmpegError::Stopped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_shape() {
        for (size, wanted) in [
            ((1920, 1080), Some((480, 270))),
            ((1080, 1920), Some((270, 480))),
            ((320, 180), Some((480, 270))),
            ((10_000, 1), Some((480, 2))),
            ((0, 0), None),
        ] {
            assert_eq!(scaled(size, 480), wanted, "{size:?}");
        }
    }
}
