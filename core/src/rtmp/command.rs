//! The commands of a publisher (RTMP 1.0, 7.2), and the messages of its control (5.4, 7.1.7).

use super::amf0::{self, Value};
use crate::flv::Format;
use crate::ts::stream::Codec;

/// The program that publishes. Servers know this one, and some serve only what they know.
const VERSION: &str = "FMLE/3.0 (compatible; Forebay)";

/// The codecs in `onMetaData` (Annex E, E.5): AVC, AAC; HEVC by its name as a number.
const AVC: f64 = 7.0;
const AAC: f64 = 10.0;
const HEVC: f64 = 1_752_589_105.0;

/// A command without an object of its own.
pub(super) fn command(name: &str, transaction: f64, arguments: &[Value]) -> Vec<u8> {
    let mut values = vec![Value::text(name), Value::Number(transaction), Value::Null];
    values.extend_from_slice(arguments);
    amf0::write(&values)
}

/// `connect`, to an application at an address.
pub(super) fn connect(app: &str, tc_url: &str) -> Vec<u8> {
    let field = |name: &str, value| (name.to_owned(), value);
    let object = Value::Object(vec![
        field("app", Value::text(app)),
        field("type", Value::text("nonprivate")),
        field("flashVer", Value::text(VERSION)),
        field("tcUrl", Value::text(tc_url)),
        field("fourCcList", Value::List(vec![Value::text("hvc1")])),
    ]);
    amf0::write(&[Value::text("connect"), Value::Number(1.0), object])
}

/// `onMetaData`: what the stream is like. What is not known is left out.
pub(super) fn metadata(format: &Format) -> Vec<u8> {
    let number = |name: &str, value: f64| (name.to_owned(), Value::Number(value));
    let mut fields = Vec::new();
    if let Some(codec) = format.codec {
        fields.push(number("width", format.width.into()));
        fields.push(number("height", format.height.into()));
        fields.push(number("videocodecid", if codec == Codec::Hevc { HEVC } else { AVC }));
    }
    fields.extend(format.frame_rate.map(|rate| number("framerate", rate)));
    fields.push(number("audiocodecid", AAC));
    if format.sample_rate > 0 {
        fields.push(number("audiosamplerate", format.sample_rate.into()));
        fields.push(number("audiochannels", format.channels.into()));
        fields.push(("stereo".to_owned(), Value::Bool(format.channels == 2)));
    }
    fields.push(("encoder".to_owned(), Value::text("Forebay")));
    amf0::write(&[Value::text("@setDataFrame"), Value::text("onMetaData"), Value::Object(fields)])
}
