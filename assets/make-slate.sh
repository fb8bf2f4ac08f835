#!/usr/bin/env bash
# Makes slate.ts, the clip that viewers see while a channel has nothing else: 9.6 s, for the same exact seam as the test card's, in groups of
# 24 pictures, which divide it, and by the baseline profile, which every decoder has. The sound is silence. The text is set in DejaVu Sans
# (fonts-dejavu-core), which may be used in any work; nothing else in it is anybody's.
set -euo pipefail
cd "$(dirname "$0")"
font=${FONT:-/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf}
text() { # size, opacity, height, words
  echo "drawtext=fontfile=$font:text='$4':fontsize=$1:fontcolor=white@$2:x=(w-text_w)/2:y=$3"
}
ffmpeg -hide_banner -loglevel warning -y \
  -f lavfi -i "color=c=0x10233F:s=640x360:r=25:d=9.6" \
  -f lavfi -i "anullsrc=r=48000:cl=stereo,atrim=end_sample=459776" \
  -map 0:v -map 1:a \
  -vf "$(text 34 1 132 'One moment, please'),$(text 21 0.85 190 'The channel will be right back'),$(text 14 0.5 316 'Forebay')" \
  -c:v libx264 -preset veryslow -profile:v baseline -level 3.0 -pix_fmt yuv420p -g 24 -keyint_min 24 -sc_threshold 0 \
  -crf 20 -maxrate 200k -bufsize 200k -c:a aac -b:a 64k -ac 2 \
  -metadata service_provider=Forebay -metadata service_name="One moment, please" \
  -bitexact -fflags +bitexact -flags:v +bitexact -flags:a +bitexact \
  -f mpegts -pes_payload_size 0 -mpegts_flags +pat_pmt_at_frames slate.ts
