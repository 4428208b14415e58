// A job for a remote host, and whether what the client's dialogue told of it agrees with the host's books.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/outbound/client.h"
#include "sim/remote/remote_host.h"

namespace postern::sim {

using outbound::Fate;
using outbound::RecipientDone;

inline constexpr std::string_view kMessage = "From: a@b.example\nSubject: x\n\n.a dot\nbody\n";
inline constexpr std::string_view kOnTheWire = "From: a@b.example\r\nSubject: x\r\n\r\n.a dot\r\nbody\r\n";

inline outbound::Job MakeJob(size_t recipients) {
  outbound::Job job;
  job.sender = {"sender", "example.org"};
  for (size_t i = 0; i < recipients; ++i)
    job.recipients.push_back({.address = {"u" + std::to_string(i), "far.example"}});
  job.size_bytes = kOnTheWire.size();
  return job;
}

inline outbound::ClientSettings MakeSettings(bool lmtp, outbound::TlsUse tls = outbound::TlsUse::kMay) {
  outbound::ClientSettings settings;
  settings.helo_name = settings.my_hostname = "client.example.test";
  settings.lmtp = lmtp;
  settings.tls = tls;
  return settings;
}

inline size_t Count(const std::vector<RecipientDone>& done, Fate fate) {
  return static_cast<size_t>(
      std::count_if(done.begin(), done.end(), [&](const RecipientDone& one) { return one.fate == fate; }));
}

// "": the books of `host` and what the client says agree.
inline std::string Disagreement(const RemoteHost& host, const std::vector<RecipientDone>& done, size_t recipients) {
  std::vector<int> times(recipients);
  for (const RecipientDone& one : done) ++times[one.recipient];
  for (size_t i = 0; i < recipients; ++i) {
    if (times[i] != 1) return "u" + std::to_string(i) + " has " + std::to_string(times[i]) + " outcomes";
  }
  if (!host.complaints().empty()) return host.complaints().front();
  for (const RecipientDone& one : done) {
    const std::string name = "u" + std::to_string(one.recipient) + "@far.example";
    const Taken* taken = nullptr;
    for (const Taken& candidate : host.taken()) {
      if (candidate.recipient == name) taken = &candidate;
    }
    if (one.fate == Fate::kSent && (taken == nullptr || !taken->reply_told))
      return name + " is told as sent and was not taken";
    if (one.fate == Fate::kFailed && taken != nullptr) return name + " is told as failed and was taken";
    if (one.fate != Fate::kSent && taken != nullptr && taken->reply_told) return name + " was taken, and that was said";
    if (taken != nullptr && *taken->message != kOnTheWire) return "altered: " + *taken->message;
  }
  return "";
}

}  // namespace postern::sim
