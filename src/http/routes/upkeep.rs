//! Backups, the log, settings and webhooks: what looks after a server.

use super::operation::Operation;
use super::route::{Access, Route};
use crate::http::backups::{self, BackupDocument, BackupList, RestoreDocument};
use crate::http::logs::{self, LogDocument};
use crate::http::settings::{self, SettingList};
use crate::http::webhooks::{self, WebhookDocument, WebhookList};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/api/backups", Access::Admin)
            .get(backups::list, || {
                Operation::new("listBackups", "The backups that there are")
                    .json::<BackupList>(200, "The backups")
                    .fails(403, &["forbidden"])
            })
            .act(backups::make, || {
                Operation::new("makeBackup", "Makes a backup now, and removes those that are too many")
                    .json::<BackupDocument>(201, "The backup")
                    .fails(403, &["forbidden"])
                    .fails(503, &["no_database"])
                    .fails(507, &["no_backup"])
            }),
        Route::new("/api/backups/{name}", Access::Admin).get(backups::download, || {
            Operation::new("downloadBackup", "The file of a backup")
                .sends(200, "application/octet-stream", "The file")
                .fails(403, &["forbidden"])
                .fails(404, &["unknown_backup"])
                .fails(503, &["unreadable_backup"])
        }),
        Route::new("/api/backups/{name}/restore", Access::Admin)
            .act(backups::restore, || {
                Operation::new("restoreBackup", "Has a backup restored at the next start")
                    .json::<RestoreDocument>(202, "It is going to be")
                    .fails(403, &["forbidden"])
                    .fails(404, &["unknown_backup"])
                    .fails(422, &["unusable_backup"])
                    .fails(507, &["no_backup"])
            })
            .delete(backups::leave, || {
                Operation::new("leaveBackup", "Has it not restored at the next start")
                    .leads(204, "It is not going to be")
                    .fails(403, &["forbidden"])
                    .fails(404, &["unknown_backup"])
                    .fails(507, &["no_backup"])
            }),
        Route::new("/api/logs", Access::Admin).get(logs::list, || {
            Operation::new("listLogLines", "The latest lines of the log")
                .query("after", "Only those behind the line with this `id`.")
                .query("limit", "How many, the newest ones: 1 to 500, 200 unless given.")
                .json::<LogDocument>(200, "The lines")
                .fails(403, &["forbidden"])
        }),
        Route::new("/api/settings", Access::Admin).get(settings::list, || {
            Operation::new("listSettings", "The keys of the configuration, and by what they are set")
                .json::<SettingList>(200, "The settings")
                .fails(403, &["forbidden"])
        }),
        Route::new("/api/webhooks", Access::Operator).get(webhooks::list, || {
            Operation::new("listWebhooks", "The webhooks, and how they are")
                .json::<WebhookList>(200, "The webhooks")
                .fails(403, &["forbidden"])
        }),
        Route::new("/api/webhooks/{id}/test", Access::Operator).act(webhooks::test, || {
            Operation::new("testWebhook", "Sends a message for a try, and does not wait for it")
                .json::<WebhookDocument>(202, "The webhook")
                .fails(403, &["forbidden"])
                .fails(404, &["unknown_webhook"])
        }),
    ]
}
