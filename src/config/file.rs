//! What can be typed into the configuration file, key by key.
//!
//! Nothing is judged here but the kind of a value.

use super::guide::GuideSpec;
use super::playlist::PlaylistSpec;
use forebay_relay::model::{
    CountText, DurationText, HlsSpec, PolicySpec, ProviderSpec, SizeText, Spec, UrlText,
};

forebay_relay::table! {
    /// The whole file: one field for each of its tables and lists of tables.
    pub(super) struct File {
        /// How Forebay is reached.
        server: ServerFile,
        /// Who may watch.
        auth: AuthFile,
        /// Who vouches for people.
        oidc: OidcFile,
        /// Tokens of streams.
        tokens: TokensFile,
        /// Channels as tuners.
        hdhomerun: HdhomerunFile,
        /// What it tells about itself.
        log: LogFile,
        /// What people and imports make.
        data: DataFile,
        /// Copies of what people and imports make.
        backups: BackupsFile,
        /// Defaults for each channel.
        stream: PolicySpec,
        /// How channels become HLS.
        hls: HlsSpec,
        /// Files that are played from their beginning.
        films: FilmsFile,
        /// How pages of video platforms are resolved.
        resolver: ResolverFile,
        /// Accounts with a limit of connections.
        providers: Vec<ProviderSpec>,
        /// Lists of channels that others make.
        playlists: Vec<PlaylistSpec>,
        /// What is on which channel, as others tell it.
        guides: Vec<GuideSpec>,
        /// Channels that are sent to servers elsewhere.
        pushes: Vec<PushFile>,
        /// What variants of channels may take.
        transcode: TranscodeFile,
        /// What they are encoded as.
        profiles: Vec<ProfileFile>,
        /// Servers that are told what happens.
        webhooks: Vec<WebhookFile>,
        /// The channels, in the order of lists.
        channels: Vec<Spec>,
    }
}

forebay_relay::table! {
    /// `[server]`: one field for each of its keys.
    pub(super) struct ServerFile {
        /// Address and port to listen on.
        listen: String,
        /// The address under which viewers reach it.
        public_url: String,
        /// Addresses and networks whose `Forwarded` headers are believed.
        trusted_proxies: Vec<String>,
        /// The header in which they name who asks.
        proxy_header: String,
        /// Addresses and networks from which something may be changed.
        admin_from: Vec<String>,
        /// Names under which admins reach it.
        admin_hosts: Vec<String>,
        /// Whether sources that are given by the API may be anywhere.
        allow_private_sources: bool,
        /// How long open responses may go on after the first signal to stop.
        shutdown_grace: DurationText,
        /// Connections at a time.
        max_connections: i64,
        /// Connections from one address.
        max_connections_per_address: CountText,
        /// Viewers from one address.
        max_viewers_per_address: CountText,
        /// Channels that one address may have opening.
        max_opening_per_address: CountText,
        /// Requests in a minute from one address, on routes that are no streams.
        max_requests_per_address: CountText,
        /// What may be sent to viewers, in bits a second.
        max_bandwidth: String,
        /// auto, copy or sendfile.
        delivery: String,
        /// HTTPS besides plain HTTP.
        tls: TlsFile,
    }
}

forebay_relay::table! {
    /// `[server.tls]`
    pub(super) struct TlsFile {
        /// Address and port to listen on.
        listen: String,
        /// A PEM file.
        certificate: String,
        /// A PEM file.
        key: String,
        /// An authority to get both from.
        acme: AcmeFile,
    }
}

forebay_relay::table! {
    /// `[server.tls.acme]`
    pub(super) struct AcmeFile {
        /// The names in the certificate.
        domains: Vec<String>,
        /// A `mailto:` address.
        contact: String,
        /// Where the authority is.
        directory: String,
        /// A PEM file of roots to trust.
        root: String,
        /// A folder to keep things in.
        cache: String,
        /// Whether the authority's terms of service were agreed to.
        terms_agreed: bool,
    }
}

forebay_relay::table! {
    /// `[auth]`
    pub(super) struct AuthFile {
        /// private, open, token or user.
        streams: String,
        /// The header in which a trusted proxy names the user.
        user_header: String,
        /// Groups of channels for adults.
        adult_groups: Vec<String>,
    }
}

forebay_relay::table! {
    /// `[oidc]`
    pub(super) struct OidcFile {
        /// The provider of identities.
        issuer: String,
        /// The name by which it knows this server.
        client_id: String,
        /// A file with the secret that belongs to it.
        client_secret_file: String,
        /// What people call the provider.
        name: String,
        /// What it is asked for.
        scopes: Vec<String>,
        /// A PEM file of roots to trust.
        root: String,
        /// The claim that is the name of a user.
        name_claim: String,
        /// The claim that says what somebody may be.
        role_claim: String,
        /// Values of it that make an admin.
        admins: Vec<String>,
        /// Values of it that make an operator.
        operators: Vec<String>,
        /// Values of it that make a viewer.
        viewers: Vec<String>,
        /// Whether whoever has the name of a user is that user.
        link_by_name: bool,
    }
}

forebay_relay::table! {
    /// `[tokens]`
    pub(super) struct TokensFile {
        /// How long a token is good.
        lifetime: DurationText,
        /// Tokens of one owner at a time.
        max_live: i64,
        /// Tokens of one owner in an hour.
        max_per_hour: i64,
        /// Streams that the tokens of one owner play at once.
        max_streams: i64,
    }
}

forebay_relay::table! {
    /// `[hdhomerun]`
    pub(super) struct HdhomerunFile {
        /// Whether there are tuners.
        enabled: bool,
        /// Whether programs that look for tuners are answered.
        discovery: bool,
        /// What people call the device.
        name: String,
        /// Channels that a device plays at once.
        tuners: i64,
    }
}

forebay_relay::table! {
    /// `[log]`
    pub(super) struct LogFile {
        /// A level, or directives for parts.
        level: String,
        /// auto, text or json.
        format: String,
        /// A file to write to as well.
        file: String,
        /// How many such files are kept.
        file_keep: i64,
        /// How large one may get.
        file_max_bytes: SizeText,
    }
}

forebay_relay::table! {
    /// `[data]`
    pub(super) struct DataFile {
        /// A folder of our own.
        dir: String,
    }
}

forebay_relay::table! {
    /// `[films]`
    pub(super) struct FilmsFile {
        /// Folders with films.
        folders: Vec<String>,
        /// How long segments are to be.
        segment: DurationText,
        /// How often the folders are looked into.
        rescan: DurationText,
        /// What the indexes of films that are played may take.
        index_memory: SizeText,
        /// What segments may take that are kept in memory.
        cache: SizeText,
        /// Which smaller copies of films are made when somebody asks for them.
        ladder: Vec<String>,
    }
}

forebay_relay::table! {
    /// `[resolver]`
    pub(super) struct ResolverFile {
        /// The yt-dlp.
        command: String,
        /// Folders with plugins of it.
        plugin_dirs: Vec<String>,
        /// The proxy through which pages are read.
        proxy: String,
        /// How long one page may take.
        timeout: DurationText,
        /// What one page may take.
        memory: SizeText,
        /// How long a yt-dlp that nobody needs is kept.
        idle_stop: DurationText,
        /// Pages at a time.
        max_running: i64,
        /// How long what is known of a page is good.
        info_ttl: DurationText,
        /// How long addresses are good that do not say it themselves.
        url_ttl: DurationText,
        /// What files of pages may take on the disk.
        cache: SizeText,
        /// What downloads may take on the disk.
        downloads: SizeText,
    }
}

forebay_relay::table! {
    /// `[[pushes]]`
    pub(super) struct PushFile {
        /// Its name.
        id: String,
        /// The channel that is sent.
        channel: String,
        /// The server, and the application there.
        url: UrlText,
        /// Where the key is, or the key itself.
        key: UrlText,
        /// verify or unverified.
        tls: String,
        /// Whether it begins by itself.
        enabled: bool,
    }
}

forebay_relay::table! {
    /// `[transcode]`
    pub(super) struct TranscodeFile {
        /// The ffmpeg.
        ffmpeg: String,
        /// What all that runs may take of the processors, in percent.
        cpu_limit: CountText,
        /// Jobs at a time.
        max_jobs: CountText,
    }
}

forebay_relay::table! {
    /// `[backups]`
    pub(super) struct BackupsFile {
        /// How often one is made; off for never.
        every: DurationText,
        /// How many are kept.
        keep: i64,
        /// The folder that they are in.
        dir: String,
    }
}

forebay_relay::table! {
    /// `[[profiles]]`
    pub(super) struct ProfileFile {
        /// Its name.
        id: String,
        /// encode or copy.
        video: String,
        /// The shorter side of a picture, in pixels.
        height: i64,
        /// Bits a second of the pictures.
        bitrate: String,
        /// Pictures a second.
        frame_rate: i64,
        /// A preset of x264.
        preset: String,
        /// Threads of the encoder.
        threads: i64,
        /// Bits a second of the sound.
        audio_bitrate: String,
    }
}

forebay_relay::table! {
    /// `[[webhooks]]`
    pub(super) struct WebhookFile {
        /// Its name.
        id: String,
        /// Where messages are sent.
        url: UrlText,
        /// What they are signed with, or where that is.
        secret: UrlText,
        /// The types of messages that are sent.
        events: Vec<String>,
    }
}
