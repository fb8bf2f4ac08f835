//! A source that loses packets all the time, beside one that loses none.

use forebay_core::ts::PACKET_SIZE;

use super::*;

/// Pictures of which one packet in `every` is missing.
pub(super) fn lossy(every: usize, open: Arc<()>) -> stream::BoxStream<'static, Result<Piece, Error>> {
    let mut packets = 0;
    let mut is_there = move |_: &&[u8]| {
        packets += 1;
        packets % every != 0
    };
    pictures(3600 * SECOND, u64::MAX, Error::Ended, open)
        .map(move |piece| match piece {
            Ok(Piece::Bytes(bytes)) => {
                let left: Vec<&[u8]> = bytes.chunks(PACKET_SIZE).filter(&mut is_there).collect();
                Ok(Piece::Bytes(left.concat().into()))
            }
            other => other,
        })
        .boxed()
}

#[tokio::test(start_paused = true)]
async fn a_source_that_loses_packets_all_the_time_is_left_for_a_clean_one_for_long() {
    let plays: &[(&str, &[Play])] = &[("/a", &[Play::Lossy(120)]), ("/b", &[endless()])];
    let house = House::new(&one(r#"["http://h/a", "http://i/b"]"#), plays);
    let mut viewer = house.join();
    watch(&mut viewer, 60 * SECOND).await;
    assert_eq!(house.script.opened(), ["/a"], "for a minute, it may be the weather");
    watch(&mut viewer, 60 * SECOND).await;
    let report = house.channels.report("one").unwrap();
    let places = report.switches.iter().map(|switch| (report.position(switch.to), switch.reason));
    assert_eq!(places.collect::<Vec<_>>(), [(Some(1), SwitchReason::Lossy)]);
    // It is preferred, and would be returned to after half a minute were it not for the losses.
    watch(&mut viewer, 500 * SECOND).await;
    assert_eq!((house.script.opened().len(), house.script.open_now()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lossy_source_stays_where_the_other_one_is_no_better() {
    let plays: &[(&str, &[Play])] = &[("/a", &[Play::Lossy(120)]), ("/b", &[Play::Lossy(100)])];
    let house = House::new(&one(r#"["http://h/a", "http://i/b"]"#), plays);
    let mut viewer = house.join();
    watch(&mut viewer, 600 * SECOND).await;
    let report = house.channels.report("one").unwrap();
    assert_eq!((report.switches_total, house.script.opened().len()), (0, 2));
}
