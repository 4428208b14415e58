// The planted bugs by name, and where each is. docs/simulator.md explains them.
#pragma once

#include <array>
#include <string_view>

namespace postern::sim {

inline constexpr std::array<std::string_view, 37> kPlantedBugs{
    "ack_before_plan_done",
    "smtp_ack_before_plan_done",
    "rename_without_sync_file",
    "delivery_without_sync_dir",
    "uid_shown_before_durable",
    "uidnext_max_plus_one",
    "compaction_renames_before_sync",
    "bytes_after_starttls_kept",
    "auth_before_tls",
    "relay_check_skipped_after_local",
    "bare_lf_ends_data",
    "refused_message_delivered",
    "expunge_during_fetch",
    "handoff_drops_unread",
    "exists_lost_in_view",
    "exists_lost_mid_literal",
    "modseq_not_bumped",
    "spool_rename_without_sync_dir",
    "starttls_plaintext_kept_imap",
    // Of mail that goes out.
    "notice_not_awaited",
    "bounce_of_null_sender",
    "notify_ignored",
    "backoff_without_minimum",
    "lifetime_ignored",
    "window_beyond_limit",
    "temporary_counts_as_permanent",
    "lost_connection_counts_as_sent",
    "journal_not_read",
    "journal_leaked",
    "told_not_written_down",
    "put_off_by_rename",
    "incoming_read_once",
    "deferred_mtime_ignored",
    // Of what people do by hand.
    "moved_by_rename",
    "request_not_gone_for_good",
    "begun_while_moved",
    "deleted_until_the_power_goes",
};

}  // namespace postern::sim
