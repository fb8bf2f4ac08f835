//! Playlists and what is made of their channels.

use std::time::Duration;

use super::NO_DATABASE;
use super::operation::Operation;
use super::route::{Access, Cors, Route};
use crate::http::epg::{self, ChannelGuide, FoundProgrammes, GuideList, GuideSuggestions, NowList};
use crate::http::extract::BodyLimits;
use crate::http::playlists::{
    self, ChannelChanges, ChannelDocument, ChannelMove, ChannelPage, Decided, EditBatch, GroupList,
    GroupMove, GroupsMoved, ManyChanges, MergeDecision, MergeEffect, MergeList, MergeTrialDocument,
    PlaylistDocument, PlaylistFields, PlaylistList, RuleList, RulesEffect, SuggestionList, Taken,
};

/// A playlist has an address and some words.
const PLAYLIST_BODY: BodyLimits = BodyLimits { bytes: 64 << 10, time: Duration::from_secs(30) };

/// 500 rules with long patterns.
const RULES_BODY: BodyLimits = BodyLimits { bytes: 1 << 20, time: Duration::from_secs(30) };

/// The numbers of 100,000 channels.
const EDITS_BODY: BodyLimits = BodyLimits { bytes: 1 << 20, time: Duration::from_secs(30) };

/// What asks for something that has a number.
fn asks(id: &str, summary: &str) -> Operation {
    Operation::new(id, summary).fails(403, &["forbidden"]).fails(503, NO_DATABASE)
}

/// What changes something.
fn writes(id: &str, summary: &str) -> Operation {
    asks(id, summary).fails(507, &["disk_full"])
}

/// What takes a body as JSON.
fn takes(operation: Operation) -> Operation {
    operation
        .fails(400, &["bad_request"])
        .fails(408, &["body_timeout"])
        .fails(413, &["body_too_large"])
        .fails(415, &["unsupported_media_type"])
        .fails(422, &["invalid_fields"])
}

/// What writes a playlist.
fn takes_playlist(operation: Operation) -> Operation {
    takes(operation.takes::<PlaylistFields>()).fails(409, &["taken", "in_configuration"])
}

pub(super) fn routes() -> Vec<Route> {
    [playlist_routes(), list_routes(), channel_routes(), guide_routes()].into_iter().flatten().collect()
}

fn playlist_routes() -> Vec<Route> {
    vec![
        Route::new("/api/playlists", Access::Operator)
            .get(playlists::list, || {
                asks("listPlaylists", "The playlists, and how they are read")
                    .json::<PlaylistList>(200, "All of them")
            })
            .post(playlists::create, PLAYLIST_BODY, || {
                takes_playlist(writes("createPlaylist", "Adds a playlist, which is read at once"))
                    .json::<PlaylistDocument>(201, "The playlist")
            }),
        Route::new("/api/playlists/{id}", Access::Operator)
            .get(playlists::one, || {
                asks("getPlaylistSettings", "One playlist, and how it is read")
                    .json::<PlaylistDocument>(200, "The playlist")
                    .fails(404, &["unknown_id"])
            })
            .put(playlists::replace, PLAYLIST_BODY, || {
                takes_playlist(writes(
                    "replacePlaylist",
                    "Makes a playlist anew; its channels and their edits stay",
                ))
                .json::<PlaylistDocument>(200, "The playlist")
                .fails(404, &["unknown_id"])
            })
            .patch(playlists::change, PLAYLIST_BODY, || {
                takes_playlist(writes("changePlaylist", "Changes what is named; null takes away (RFC 7396)"))
                    .json::<PlaylistDocument>(200, "The playlist")
                    .fails(404, &["unknown_id"])
            })
            .delete(playlists::remove, || {
                writes("deletePlaylist", "Removes a playlist with its channels, and ends their viewers")
                    .leads(204, "It is gone")
                    .fails(404, &["unknown_id"])
                    .fails(409, &["in_configuration"])
            }),
        Route::new("/api/playlists/{id}/rules", Access::Operator)
            .get(playlists::rules, || {
                asks("getRules", "The rules of a playlist")
                    .json::<RuleList>(200, "The rules")
                    .fails(404, &["unknown_id"])
            })
            .put(playlists::replace_rules, RULES_BODY, || {
                takes(writes("replaceRules", "Gives a playlist these rules").takes::<RuleList>())
                    .json::<RulesEffect>(200, "What they did")
                    .fails(404, &["unknown_id"])
            }),
        Route::new("/api/playlists/{id}/rules/preview", Access::Operator).post(
            playlists::preview_rules,
            RULES_BODY,
            || {
                takes(
                    asks("previewRules", "Says what rules would do, and changes nothing").takes::<RuleList>(),
                )
                .json::<RulesEffect>(200, "What they would do")
                .fails(404, &["unknown_id"])
            },
        ),
    ]
}

fn guide_routes() -> Vec<Route> {
    vec![
        Route::new("/api/guides", Access::Operator).get(epg::guides, || {
            asks("listGuides", "The guides, and how they are read").json::<GuideList>(200, "All of them")
        }),
        Route::new("/api/guides/refresh", Access::Operator).act(epg::refresh, || {
            asks("refreshGuides", "Has all guides read now, and does not wait for it")
                .json::<GuideList>(202, "All of them")
        }),
        Route::new("/api/epg/now", Access::Viewer).cors(Cors::Answers).get(epg::now, || {
            epg("getNow", "What is on now and next")
                .query("search", "Only channels whose name or group holds this.")
                .query("skip", "How many channels to pass over.")
                .query("limit", "How many to tell of: 1 to 500, 100 unless given.")
                .json::<NowList>(200, "By the channels, in the order of lists")
        }),
        Route::new("/api/epg/search", Access::Viewer).cors(Cors::Answers).get(epg::search, || {
            epg("searchGuide", "Programmes that run or come, by a part of their title")
                .query("text", "The part: two bytes at least.")
                .json::<FoundProgrammes>(200, "Up to 200, in the order of time")
        }),
        Route::new("/api/epg/{id}", Access::Viewer).cors(Cors::Answers).get(epg::of_channel, || {
            epg("getChannelGuide", "The programmes of a channel, for a day unless told")
                .query("from", "Since when: seconds since 1970, or as in ISO 8601.")
                .query("to", "Until when, likewise.")
                .json::<ChannelGuide>(200, "Those that run then, in order")
                .fails(403, &["not_allowed"])
                .fails(404, &["unknown_channel", "unplayable_channel"])
        }),
        Route::new("/api/epg/{id}/suggestions", Access::Operator).get(epg::suggestions, || {
            Operation::new("suggestGuideIds", "Channels of guides that may be this one, by their names")
                .json::<GuideSuggestions>(200, "Up to 20, the best first")
                .fails(403, &["forbidden"])
                .fails(404, &["unknown_channel", "unplayable_channel"])
                .fails(503, &["guide_busy", "no_guide", "database_busy", "no_database"])
        }),
    ]
}

/// What asks the guides.
fn epg(id: &str, summary: &str) -> Operation {
    Operation::new(id, summary)
        .query("token", "A user's stream key, or a key of a program.")
        .fails(401, &["unauthorized"])
        .fails(503, &["guide_busy", "no_guide", "database_busy", "no_database"])
}

fn list_routes() -> Vec<Route> {
    vec![
        Route::new("/api/playlists/{id}/list", Access::Operator).receive(playlists::upload, || {
            writes("uploadList", "Takes the body as the list: an M3U list, compressed with gzip or not")
                .json::<Taken>(200, "What was in it, and what it changed")
                .fails(404, &["unknown_id"])
                .fails(409, &["running", "held"])
                .fails(422, &["invalid_fields"])
                .fails(502, &["no_list"])
        }),
        Route::new("/api/playlists/{id}/refresh", Access::Operator)
            .act(playlists::refresh, || {
                asks("refreshPlaylist", "Has a playlist read now, and does not wait for it")
                    .json::<PlaylistDocument>(202, "The playlist")
                    .fails(404, &["unknown_id"])
                    .fails(422, &["invalid_fields"])
                    .fails(502, &["no_list"])
            })
            .delete(playlists::cancel, || {
                asks("cancelRefresh", "Has the reading of a playlist end; nothing is changed")
                    .leads(204, "It ends")
                    .fails(404, &["unknown_id"])
                    .fails(409, &["nothing_to_do"])
            }),
        Route::new("/api/playlists/{id}/progress", Access::Operator).get(playlists::progress, || {
            asks("watchPlaylist", "Tells how far the reading of a playlist is, until it is over")
                .sends(200, "text/event-stream", "Events `progress`, and `done` with the playlist at the end")
                .fails(404, &["unknown_id"])
        }),
        Route::new("/api/playlists/{id}/held", Access::Operator)
            .act(playlists::accept, || {
                writes("acceptHeldList", "Takes the list that is held, whatever goes missing by it")
                    .json::<Taken>(200, "What was in it, and what it changed")
                    .fails(404, &["unknown_id"])
                    .fails(409, &["nothing_to_do", "running", "held"])
                    .fails(422, &["invalid_fields"])
                    .fails(502, &["no_list"])
            })
            .delete(playlists::discard, || {
                writes("discardHeldList", "Forgets the list that is held")
                    .leads(204, "It is gone")
                    .fails(404, &["unknown_id"])
                    .fails(409, &["nothing_to_do"])
            }),
    ]
}

fn channel_routes() -> Vec<Route> {
    vec![
        Route::new("/api/lineup/channels", Access::Operator).get(playlists::list_channels, || {
            asks("listLineup", "The channels of playlists, hidden and missing ones too")
                .query("playlist", "The number of a playlist: only channels of it.")
                .query("search", "Only channels whose name or group holds this.")
                .query("after", "The place behind which the part begins: the first one unless given.")
                .query("limit", "How many to list: 1 to 500, 100 unless given.")
                .json::<ChannelPage>(200, "A part of the list")
        }),
        Route::new("/api/lineup/channels/{id}", Access::Operator)
            .get(playlists::one_channel, || {
                asks("getLineupChannel", "One channel of a playlist")
                    .json::<ChannelDocument>(200, "The channel")
                    .fails(404, &["unknown_id"])
            })
            .patch(playlists::change_channel, PLAYLIST_BODY, || {
                takes(
                    writes("editLineupChannel", "Sets fields of a channel; null resets one")
                        .takes::<ChannelChanges>(),
                )
                .json::<ChannelDocument>(200, "The channel")
                .fails(404, &["unknown_id"])
            }),
        Route::new("/api/lineup/channels/{id}/suggestions", Access::Operator).get(
            playlists::suggestions,
            || {
                asks("suggestMerges", "Channels of other playlists that may be the same, by their names")
                    .json::<SuggestionList>(200, "Up to 20; most of them are other channels")
                    .fails(404, &["unknown_id"])
            },
        ),
        Route::new("/api/lineup/groups", Access::Operator).get(playlists::list_groups, || {
            asks("listGroups", "The groups of playlists, in the order of lists")
                .query("playlist", "The number of a playlist: only groups of it.")
                .query("after", "The place behind which the part begins: the first one unless given.")
                .query("limit", "How many to list: 1 to 500, 100 unless given.")
                .json::<GroupList>(200, "A part of the list")
        }),
        Route::new("/api/lineup/groups/moves", Access::Operator).post(
            playlists::move_groups,
            EDITS_BODY,
            || {
                let summary = "Moves groups with their channels, in front of another one or to the end";
                takes(writes("moveGroups", summary).takes::<GroupMove>())
                    .json::<GroupsMoved>(200, "How many groups are at another place")
                    .fails(404, &["unknown_id"])
            },
        ),
        Route::new("/api/lineup/moves", Access::Operator).post(playlists::move_channels, EDITS_BODY, || {
            let summary = "Moves channels within their group, in front of another one or to the end";
            takes(writes("moveChannels", summary).takes::<ChannelMove>())
                .json::<EditBatch>(200, "What undoes it")
                .fails(404, &["unknown_id"])
                .fails(409, &["nothing_to_do"])
        }),
        Route::new("/api/lineup/edits", Access::Operator).post(playlists::change_many, EDITS_BODY, || {
            takes(
                writes("editLineup", "Sets fields of many channels, of all or of none")
                    .takes::<ManyChanges>(),
            )
            .json::<EditBatch>(200, "What undoes it")
            .fails(404, &["unknown_id"])
        }),
        Route::new("/api/lineup/edits/{id}", Access::Operator).delete(playlists::undo, || {
            writes("undoEdits", "Takes edits back that were made at once; the last 50 can be")
                .leads(204, "All is as it was")
                .fails(404, &["unknown_id"])
                .fails(409, &["nothing_to_do"])
        }),
        Route::new("/api/lineup/merges", Access::Operator)
            .get(playlists::merges, || {
                asks("listMerges", "The channels that are one")
                    .json::<MergeList>(200, "By the channels that are listed")
            })
            .post(playlists::decide, PLAYLIST_BODY, || {
                takes(
                    writes("decideMerge", "Says that two channels are one, or two").takes::<MergeDecision>(),
                )
                .json::<Decided>(200, "What was said before")
                .fails(404, &["unknown_id"])
            }),
        Route::new("/api/lineup/merges/preview", Access::Operator).post(
            playlists::preview_merges,
            EDITS_BODY,
            || {
                let summary = "Says what decisions and playlists would merge, and changes nothing";
                takes(asks("previewMerges", summary).takes::<MergeTrialDocument>())
                    .json::<MergeEffect>(200, "What would be different")
                    .fails(404, &["unknown_id"])
            },
        ),
    ]
}
