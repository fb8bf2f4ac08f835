// Players, and what each of them is to be told.

import { root, type Schema } from '../../api/call';

export interface App {
  name: string;
  /** Where in the player it is typed. */
  how: string;
  fields: { label: string; value: string }[];
  /** What its QR code says. */
  scanned: string;
}

/** What each player needs to watch as this user. */
export function appsOf(user: Schema<'UserDocument'>): App[] {
  const list = user.playlist_url;
  const hls = `${list}?format=hls`;
  const tuner = list.replace(/\/playlist\.m3u.*$/, '');
  const key = list.match(/\/t\/([^/]+)\//)?.[1] ?? '';
  const address = [{ label: 'Address', value: list }];
  return [
    { name: 'VLC', how: 'Media, Open Network Stream.', fields: address, scanned: list },
    { name: 'Kodi', how: 'Add-on PVR IPTV Simple Client: M3U playlist URL.', fields: address, scanned: list },
    { name: 'TiviMate', how: 'Add playlist, M3U playlist: enter the URL.', fields: address, scanned: list },
    { name: 'Jellyfin', how: 'Dashboard, Live TV, Tuner devices: M3U Tuner.', fields: address, scanned: list },
    {
      name: 'Plex',
      how: 'Settings, Live TV & DVR, Set up: enter the address of the device by hand, then that of the guide. A device has 480 channels at most; more are at its address with /hdhr/2, /hdhr/3 and so on.',
      fields: [
        { label: 'Device', value: tuner },
        { label: 'Guide', value: `${tuner}/epg.xml` },
      ],
      scanned: tuner,
    },
    {
      name: 'Xtream',
      how: 'Apps that ask for a server, a name and a password. The password of the user is as good.',
      fields: [
        { label: 'Server', value: root.href.replace(/\/$/, '') },
        { label: 'Name', value: user.name },
        { label: 'Password', value: key },
      ],
      scanned: root.href,
    },
    { name: 'HLS', how: 'Players that take HLS better, as on iPhones and smart TVs.', fields: [{ label: 'Address', value: hls }], scanned: hls },
  ];
}
