//! Smaller copies of films from outside: made by the real ffmpeg, in the real program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay_testkit::client::{Answer, Request, get};
use forebay_testkit::clip::film;
use forebay_testkit::player::{browser_seeks, browser_switches};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::program::{Program, Setup};

/// Longer than a few seconds of film take to be copied on a machine with other work.
const PATIENCE: Duration = Duration::from_mins(2);

const ID: &str = "0188f5e0-7b1c-4d2e-9a3f-00112233aaff";

/// Larger than two of the rungs, with B pictures, a key frame every two seconds, and sound. Five
/// pictures a second: other tests run at the same time.
const LARGE: &str = "-vf scale=1280:720 -r 5 -c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 2 -g 100 \
                     -sc_threshold 0 -force_key_frames expr:gte(t,n_forced*2) -b:v 500k -c:a aac -b:a 64k";

const CONFIG: &str = "[films]\nfolders = [\"films\"]\nrescan = \"1s\"\nsegment = \"2s\"\n";

fn large() -> PathBuf {
    film("large-5fps.mp4", 12, LARGE)
}

/// The program with one film.
struct House {
    program: Program,
}

impl House {
    async fn start(path: &Path) -> Self {
        let setup = Setup::new(CONFIG);
        put(&setup.path("films"), path);
        Self { program: setup.start().await }
    }

    /// What an earlier one has left.
    async fn again(folder: TempDir) -> Self {
        Self { program: Setup::again(folder).start().await }
    }

    async fn get(&self, path: &str) -> Answer {
        get(self.program.address(), path).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.program.address())
    }

    fn ask(&self, method: &str, path: &str) -> Request {
        Request::new(method, self.program.address(), path)
            .header("Authorization", &self.program.admin_token())
    }

    async fn json(&self, path: &str) -> Value {
        self.ask("GET", path).send().await.expect("an answer").json()
    }

    /// Has copies made, and returns the job.
    async fn generate(&self, force: bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let request = self.ask("POST", &format!("/api/v1/videos/{ID}/generate-hls"));
            let answer = request.json(&json!({ "force": force })).send().await.expect("an answer");
            // The film has just been put there.
            if answer.status != 404 {
                assert_eq!(answer.status, 202, "{}", answer.text());
                let job = answer.json();
                let at = answer.header("location").expect("it has a place").to_owned();
                assert_eq!(at, format!("/api/v1/jobs/{}", job["id"]));
                return job;
            }
            assert!(Instant::now() < until, "{}", answer.text());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The job, once it has ended.
    async fn ended(&self, job: &Value) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let job = self.json(&format!("/api/v1/jobs/{}", job["id"])).await;
            if ["completed", "failed", "cancelled"].contains(&job["state"].as_str().unwrap_or_default()) {
                return job;
            }
            assert!(Instant::now() < until, "{job}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The names of the playlists of pictures, the film's own first.
    async fn variants(&self) -> Vec<String> {
        let master = self.get(&format!("/hls/{ID}/master.m3u8")).await.text();
        let lines = master.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.strip_suffix(".m3u8")).map(str::to_owned).collect()
    }

    /// Everything that this playlist names is there, whole.
    async fn assert_whole(&self, variant: &str) {
        let text = self.get(&format!("/hls/{ID}/{variant}.m3u8")).await.text();
        assert!(text.ends_with("#EXT-X-ENDLIST\n"), "{variant}: {text}");
        let segments: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(segments.len(), 6, "{variant}: {text}");
        for name in segments {
            let answer = self.get(&format!("/hls/{ID}/{name}")).await;
            let length = answer.header("content-length").map(str::to_owned);
            assert_eq!((answer.status, length), (200, Some(answer.body.len().to_string())), "{name}");
        }
    }
}

/// Puts a film into a folder, as long ago as those that stand still.
fn put(folder: &Path, from: &Path) {
    std::fs::create_dir_all(folder).expect("it can be made");
    let to = folder.join(format!("{ID}.mp4"));
    std::fs::copy(from, &to).expect("a film can be copied");
    let file = std::fs::File::options().append(true).open(to).expect("it is there");
    file.set_modified(std::time::SystemTime::now() - Duration::from_mins(1)).expect("its time can be set");
}

/// When ffprobe sees key frames in these streams, in seconds.
async fn key_frames(url: &str, streams: &str) -> Vec<String> {
    let mut ffprobe = tokio::process::Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-select_streams", streams, "-show_entries", "packet=pts_time,flags"]);
    let output = ffprobe.args(["-of", "csv=p=0", url]).output().await.expect("ffprobe runs");
    assert!(output.stderr.is_empty(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it writes text");
    let keys = text.lines().filter_map(|line| line.split_once(','));
    keys.filter(|(_, flags)| flags.starts_with('K')).map(|(time, _)| time.to_owned()).collect()
}

/// The ffmpegs that work below this folder.
fn ffmpegs(folder: &Path) -> Vec<String> {
    let name = folder.file_name().expect("it has a name").to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc").expect("Linux tells").flatten();
    let folder_of = |entry: &std::fs::DirEntry| std::fs::read_link(entry.path().join("cwd")).ok();
    let of_folder =
        processes.filter(|entry| folder_of(entry).is_some_and(|cwd| cwd.to_string_lossy().contains(&name)));
    let words = of_folder.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok());
    words.map(|words| words.replace('\0', " ")).filter(|words| words.contains("-progress")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_made_by_a_job_and_are_cut_where_the_film_is() {
    let house = House::start(&large()).await;
    let job = house.generate(false).await;
    assert_eq!((&job["kind"], &job["args"]["video"]), (&"ladder".into(), &ID.into()));
    assert_eq!(house.generate(false).await["id"], job["id"], "one is under way");
    let job = house.ended(&job).await;
    assert_eq!(job["result"], json!({ "rungs": ["480p", "360p"], "made": ["480p", "360p"] }), "{job}");

    let variants = house.variants().await;
    assert_eq!(variants, ["t0", "480p-1", "360p-1"]);
    let cuts = key_frames(&house.url(&format!("/hls/{ID}/t0.m3u8")), "v").await;
    assert_eq!(cuts.len(), 6);
    let extinf = |text: String| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("#EXTINF")).map(str::to_owned).collect()
    };
    let durations = extinf(house.get(&format!("/hls/{ID}/t0.m3u8")).await.text());
    for (at, variant) in variants.iter().enumerate() {
        house.assert_whole(variant).await;
        let list = house.url(&format!("/hls/{ID}/{variant}.m3u8"));
        assert_eq!(key_frames(&list, "v").await, cuts, "{variant}");
        let manifest = house.url(&format!("/dash/{ID}/manifest.mpd"));
        assert_eq!(key_frames(&manifest, &format!("v:{at}")).await, cuts, "{variant} by DASH");
        assert_eq!(extinf(house.get(&format!("/hls/{ID}/{variant}.m3u8")).await.text()), durations);
    }
    let config = house.json(&format!("/api/v1/videos/{ID}/stream-config")).await;
    let qualities = config["qualities"].as_array().expect("a list");
    let sizes: Vec<_> = qualities.iter().map(|quality| (&quality["name"], &quality["height"])).collect();
    let wanted =
        [("source", 720), ("480p", 480), ("360p", 360)].map(|(name, height)| (json!(name), json!(height)));
    assert_eq!(sizes, wanted.iter().map(|(name, height)| (name, height)).collect::<Vec<_>>());

    // Existing copies are not made again unless forced; players of the old copy go on.
    let again = house.ended(&house.generate(false).await).await;
    assert_eq!(again["result"]["made"], json!([]));
    let before = house.get(&format!("/hls/{ID}/360p-1/3.m4s")).await.body;
    let forced = house.ended(&house.generate(true).await).await;
    assert_eq!(forced["result"]["made"], json!(["480p", "360p"]));
    let id = &forced["id"];
    assert_eq!(house.variants().await, ["t0".to_owned(), format!("480p-{id}"), format!("360p-{id}")]);
    assert_eq!(house.get(&format!("/hls/{ID}/360p-1/3.m4s")).await.body, before);
    house.assert_whole("480p-1").await;
}

mod players {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_player_goes_from_one_to_the_other_at_every_segment_without_a_gap() {
        // Larger than one rung, with a key frame a second.
        let coding =
            "-vf scale=640:400 -c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 2 -g 25 -b:v 300k -c:a aac";
        let path = film("switched.mp4", 24, coding);
        let setup = Setup::new(&CONFIG.replace("\"2s\"", "\"1s\""));
        put(&setup.path("films"), &path);
        let house = House { program: setup.start().await };
        let url = house.url(&format!("/hls/{ID}/master.m3u8"));
        let times = [10.001, 3.961, 4.001, 20.5];
        let job = house.generate(false).await;
        // They are not there yet.
        let alone = browser_seeks(&url, &times).await;
        let job = house.ended(&job).await;
        assert_eq!(job["state"], "completed", "{job}");
        let switched = browser_switches(&url).await;
        // Where hls.js switches at each segment, it takes some of them in both qualities. It knows
        // of no edit lists, so it looks for each as much later as its pictures are decoded early, and
        // where that is more than 50 ms, it reports that the second one adds nothing to its buffer.
        let mut errors = switched.errors.iter().filter(|error| !error.contains("bufferAppendNoProgress"));
        assert_eq!(errors.next(), None, "{switched:?}");
        assert!(switched.switches >= 20, "{switched:?}");
        let [(begin, end)] = switched.buffered[..] else { panic!("there is a gap: {switched:?}") };
        assert!(begin < 0.1 && end > 23.8, "{switched:?}");
        // The very picture is shown that the film alone shows there.
        let sought = browser_seeks(&url, &times).await;
        assert_eq!(sought.pictures, alone.pictures, "{sought:?}");
        assert!(sought.pictures.iter().all(|picture| *picture > 0), "{sought:?}");
    }
}

/// Kills the program at random moments of a job, so many times.
async fn kill(rounds: u32) {
    let (mut house, mut random) = (House::start(&large()).await, 3_u64);
    let mut job = house.generate(false).await;
    for round in 0..rounds {
        // A generator that is good enough to be somewhere else each time.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        sleep(Duration::from_millis((random >> 33) % 1500)).await;
        let folder = house.program.folder().to_owned();
        house.program.signal(Signal::KILL);
        let (left, _) = house.program.wait_in_folder().await;
        let until = Instant::now() + Duration::from_secs(1);
        while !ffmpegs(&folder).is_empty() {
            assert!(Instant::now() < until, "round {round}: {:?}", ffmpegs(&folder));
            sleep(Duration::from_millis(10)).await;
        }
        house = House::again(left).await;
        // The film is known again in a moment.
        let until = Instant::now() + PATIENCE;
        while house.get(&format!("/hls/{ID}/master.m3u8")).await.status == 404 {
            assert!(Instant::now() < until);
            sleep(Duration::from_millis(20)).await;
        }
        for variant in house.variants().await.iter().filter(|variant| *variant != "main") {
            house.assert_whole(variant).await;
        }
        if house.json(&format!("/api/v1/jobs/{}", job["id"])).await["state"] == "completed" {
            job = house.generate(true).await;
        }
    }
    let job = house.ended(&job).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&"completed".into(), &Value::Null), "{job}");
    for variant in house.variants().await {
        house.assert_whole(&variant).await;
    }
    let folder = house.program.folder().join("data/films").join(ID);
    let names = std::fs::read_dir(folder).expect("it is there").flatten();
    let work = names.filter(|entry| entry.file_name().to_string_lossy().starts_with("work-")).count();
    assert_eq!(work, 0, "what was half done is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_three_moments_nothing_half_is_served_and_the_job_ends() {
    kill(3).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes a minute: make test-long"]
async fn killed_at_ten_moments_nothing_half_is_served_and_the_job_ends() {
    kill(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_cancelled_leaves_no_process_and_no_file() {
    // Long enough to be cancelled in its midst.
    let house = House::start(&film("long-large-5fps.mp4", 42, LARGE)).await;
    let job = house.generate(false).await;
    let folder = house.program.folder().to_owned();
    let until = Instant::now() + PATIENCE;
    while ffmpegs(&folder).is_empty() {
        assert!(Instant::now() < until, "no ffmpeg was started");
        sleep(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    let cancel = house.ask("POST", &format!("/api/v1/jobs/{}/cancel", job["id"]));
    assert_eq!(cancel.send().await.expect("an answer").json()["state"], "cancelling");
    assert_eq!(house.ended(&job).await["state"], "cancelled");
    assert_eq!(ffmpegs(&folder), Vec::<String>::new());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let left = std::fs::read_dir(folder.join("data/films").join(ID)).expect("it is there").count();
    assert_eq!(left, 0);
    assert_eq!(house.variants().await, ["main"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_makes_copies_without_a_server_and_beside_one() {
    let setup = Setup::new(CONFIG).arg("generate-hls").arg("--all");
    put(&setup.path("films"), &large());
    let (folder, finished) = setup.spawn().wait_in_folder().await;
    assert_eq!((finished.status.code(), &finished.output[..]), (Some(0), "1 film: all copies are there\n"));

    let house = House::again(folder).await;
    let until = Instant::now() + PATIENCE;
    while house.variants().await != ["t0", "480p-1", "360p-1"] {
        assert!(Instant::now() < until);
        sleep(Duration::from_millis(20)).await;
    }
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.current_dir(house.program.folder()).args(["generate-hls", "--video", ID, "--force"]);
    // What steers the tests is nothing for the program.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FOREBAY_")) {
        command.env_remove(name);
    }
    let output = command.output().await.expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let newest = house.json("/api/v1/jobs").await["jobs"][0]["id"].clone();
    assert_eq!(house.variants().await[1], format!("480p-{newest}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_ffmpeg_is_said_with_what_installs_it() {
    let setup = Setup::new(CONFIG).env("PATH", "/nowhere").arg("generate-hls").arg("--video").arg(ID);
    put(&setup.path("films"), &large());
    let finished = setup.run().await;
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    assert!(finished.log.contains("there is no ffmpeg: install it with \""), "{finished:?}");
}
