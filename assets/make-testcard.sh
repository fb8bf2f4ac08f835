#!/usr/bin/env bash
# Makes testcard.ts, the clip that testcard:// loops: 9.6 s, which is 240 pictures at 25 Hz and 450 AAC frames at 48 kHz,
# so that picture and sound end together and the seam is exact (449 frames are encoded: the encoder puts one in front). One AAC frame a PES packet keeps the sound's steps even.
set -euo pipefail
cd "$(dirname "$0")"
ffmpeg -hide_banner -loglevel warning -y \
  -f lavfi -i "testsrc2=s=640x360:r=25:d=9.6" \
  -f lavfi -i "sine=frequency=440:beep_factor=4:sample_rate=48000,volume=0.2,atrim=end_sample=459776" \
  -map 0:v -map 1:a \
  -c:v libx264 -preset veryslow -profile:v main -pix_fmt yuv420p -g 48 -keyint_min 48 -sc_threshold 0 -bf 2 -flags +cgop \
  -b:v 450k -maxrate 450k -bufsize 900k -c:a aac -b:a 64k -ac 2 \
  -metadata service_provider=Forebay -metadata service_name="Test card" \
  -bitexact -fflags +bitexact -flags:v +bitexact -flags:a +bitexact \
  -f mpegts -pes_payload_size 0 -mpegts_flags +pat_pmt_at_frames testcard.ts
