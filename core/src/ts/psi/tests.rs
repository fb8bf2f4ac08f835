use super::*;

#[test]
fn the_checksum_is_the_standards() {
    assert_eq!(crc32(b"123456789"), 0x0376_E6E7);
}

/// Sections computed by hand from the standard's syntax.
const PAT: [u8; 16] =
    [0x00, 0xb0, 0x0d, 0x00, 0x01, 0xc1, 0x00, 0x00, 0x00, 0x01, 0xf0, 0x00, 0x2a, 0xb1, 0x04, 0xb2];
const PMT: [u8; 26] = [
    0x02, 0xb0, 0x17, 0x00, 0x01, 0xc1, 0x00, 0x00, 0xe1, 0x00, 0xf0, 0x00, 0x1b, 0xe1, 0x00, 0xf0, 0x00,
    0x0f, 0xe1, 0x01, 0xf0, 0x00, 0x2f, 0x44, 0xb9, 0x9b,
];

fn collect(packets: &[(bool, &[u8])]) -> Vec<Result<Vec<u8>, Fault>> {
    let (mut sections, mut out) = (Sections::default(), Vec::new());
    for (starts, payload) in packets {
        sections.push(*starts, payload, |section| out.push(section.map(<[u8]>::to_vec)));
    }
    out
}

#[test]
fn tables_are_read_and_written() {
    let pat = Pat { transport_stream_id: 1, version: 0, programs: vec![(1, Pid::new(0x1000))] };
    assert_eq!((Pat::parse(&PAT), pat.render()), (Some(pat.clone()), PAT.to_vec()));
    let stream = |stream_type, pid| PmtStream { stream_type, pid: Pid::new(pid), descriptors: vec![] };
    let pmt = Pmt {
        program: 1,
        version: 0,
        pcr_pid: Pid::new(0x100),
        descriptors: vec![],
        streams: vec![stream(0x1b, 0x100), stream(0x0f, 0x101)],
    };
    assert_eq!((Pmt::parse(&PMT), pmt.render()), (Some(pmt.clone()), PMT.to_vec()));
}

#[test]
fn a_long_section_passes_through_packets() {
    let streams = (0..40)
        .map(|n| PmtStream {
            stream_type: 6,
            pid: Pid::new(0x200 + n),
            descriptors: vec![0x0A, 4, b'e', b'n', b'g', 0],
        })
        .collect();
    let pmt = Pmt { program: 7, version: 31, pcr_pid: Pid::NULL, descriptors: vec![5, 1, 2], streams };
    let packets = packetize(&pmt.render(), Pid::new(0x20));
    assert_eq!(packets.len(), 3);
    let payloads: Vec<(bool, &[u8])> = packets.iter().map(|p| (p[1] & 0x40 != 0, &p[4..])).collect();
    let found = collect(&payloads);
    assert_eq!(found.len(), 1);
    assert_eq!(Pmt::parse(found[0].as_ref().unwrap()), Some(pmt));
}

#[test]
fn sections_may_share_a_packet_and_end_behind_the_pointer() {
    let mut first = vec![0];
    first.extend(PAT);
    first.extend(&PMT[..10]);
    let mut second = vec![16];
    second.extend(&PMT[10..]);
    second.extend(PAT);
    second.extend([0xFF; 20]);
    assert_eq!(
        collect(&[(true, &first), (true, &second)]),
        [Ok(PAT.to_vec()), Ok(PMT.to_vec()), Ok(PAT.to_vec())]
    );
}

/// `section` as number `number` of `last + 1`, its checksum made right.
fn numbered(section: &[u8], number: u8, last: u8) -> Vec<u8> {
    let mut section = section[..section.len() - 4].to_vec();
    (section[6], section[7]) = (number, last);
    let crc = crc32(&section);
    section.extend(crc.to_be_bytes());
    section
}

fn pat_of(programs: &[u16]) -> Pat {
    let programs = programs.iter().map(|&number| (number, Pid::new(0x100 + number))).collect();
    Pat { transport_stream_id: 1, version: 3, programs }
}

#[test]
fn a_table_in_several_sections_is_put_together() {
    let first = numbered(&pat_of(&[1, 2]).render(), 0, 1);
    let second = numbered(&pat_of(&[3]).render(), 1, 1);
    let mut assembly = Assembly::<Pat>::default();
    assert_eq!(assembly.push(&second), None);
    assert_eq!(assembly.push(&first), Some(pat_of(&[1, 2, 3])));
    let changed = Pat { version: 4, ..pat_of(&[9]) };
    assert_eq!(assembly.push(&numbered(&changed.render(), 0, 1)), None, "another version begins anew");
    assert_eq!(assembly.push(&pat_of(&[5]).render()), Some(pat_of(&[5])), "one section is a whole table");
}

#[test]
fn sections_that_never_come_are_waited_for_only_so_long() {
    let first = numbered(&pat_of(&[1, 2]).render(), 0, 1);
    let mut assembly = Assembly::<Pat>::default();
    let tables: Vec<_> = (0..5).map(|_| assembly.push(&first).is_some()).collect();
    assert_eq!(tables, [false, false, false, true, true]);
    assert_eq!(assembly.push(&numbered(&pat_of(&[7]).render(), 200, 255)), None, "too many are left out");
}

#[test]
fn a_length_that_runs_over_the_end_of_a_map_is_cut() {
    let mut section = PMT.to_vec();
    section[21] = 6; // ES_info_length of the last stream, which has none
    let section = numbered(&section, 0, 0);
    let pmt = Pmt::parse(&section).unwrap();
    assert_eq!(pmt.streams.len(), 2);
    assert!(pmt.streams[1].descriptors.is_empty());
}

#[test]
fn a_checksum_that_is_always_wrong_is_overlooked() {
    let mut wrong = vec![0];
    wrong.extend(PAT);
    *wrong.last_mut().unwrap() ^= 1;
    let section = wrong[1..].to_vec();
    let found = collect(&[(true, &wrong), (true, &wrong), (true, &wrong)]);
    assert_eq!(found, [Err(Fault::Crc), Err(Fault::Crc), Ok(section)]);
    // Where one was right, the same means damage.
    let mut right = vec![0];
    right.extend(PAT);
    let found = collect(&[(true, &right), (true, &wrong), (true, &wrong), (true, &wrong)]);
    assert_eq!(found[1..], [Err(Fault::Crc), Err(Fault::Crc), Err(Fault::Crc)]);
    // Damage is another each time.
    let mut damaged = [wrong.clone(), wrong.clone(), wrong.clone()];
    (0..3).for_each(|index| damaged[index][5 + index] ^= 0x10);
    assert!(collect(&damaged.each_ref().map(|it| (true, &it[..]))).iter().all(Result::is_err));
}

#[test]
fn damage_is_told_and_survived() {
    let mut wrong = vec![0];
    wrong.extend(PAT);
    wrong[9] ^= 1;
    let mut right = vec![0];
    right.extend(PAT);
    let found = collect(&[(false, &PMT), (true, &[]), (true, &[200, 1, 2]), (true, &wrong), (true, &right)]);
    assert_eq!(found, [Err(Fault::Malformed), Err(Fault::Crc), Ok(PAT.to_vec())]);
}
