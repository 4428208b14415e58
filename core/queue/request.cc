#include "core/queue/request.h"

#include <array>
#include <utility>

#include "core/base/ascii.h"
#include "core/queue/queue_id.h"
#include "core/routing/address.h"

namespace postern::queue {
namespace {

constexpr std::string_view kSitePrefix = "flush-site-";
constexpr std::string_view kAll = "ALL";

struct Verb {
  std::string_view prefix;
  RequestKind kind;
};
constexpr std::array<Verb, 5> kVerbs{{
    {"flush-", RequestKind::kFlushMessage},
    {"hold-", RequestKind::kHold},
    {"release-", RequestKind::kRelease},
    {"requeue-", RequestKind::kRequeue},
    {"delete-", RequestKind::kDelete},
}};

bool IsSite(std::string_view site) {
  return (routing::IsHostName(site) || routing::IsAddressLiteral(site)) && site.find('/') == std::string_view::npos &&
         site == LowerCase(site) && kSitePrefix.size() + site.size() <= kRequestNameBytesMax;
}

}  // namespace

std::string FormatRequest(const Request& request) {
  if (request.kind == RequestKind::kFlushAll) return "flush";
  if (request.kind == RequestKind::kFlushSite) {
    return IsSite(request.site) ? std::string(kSitePrefix) + request.site : std::string();
  }
  if (!request.all() && !IsQueueId(request.id)) return "";
  if (request.all() && request.kind == RequestKind::kFlushMessage) return "";
  for (const Verb& verb : kVerbs) {
    if (verb.kind == request.kind) return std::string(verb.prefix) + (request.all() ? std::string(kAll) : request.id);
  }
  return "";
}

std::optional<Request> ParseRequest(std::string_view name) {
  if (name.size() > kRequestNameBytesMax) return std::nullopt;
  if (name == "flush") return Request{};
  if (name.substr(0, kSitePrefix.size()) == kSitePrefix) {
    const std::string_view site = name.substr(kSitePrefix.size());
    if (!IsSite(site)) return std::nullopt;
    return Request{.kind = RequestKind::kFlushSite, .site = std::string(site)};
  }
  for (const Verb& verb : kVerbs) {
    if (name.substr(0, verb.prefix.size()) != verb.prefix) continue;
    const std::string_view id = name.substr(verb.prefix.size());
    if (id == kAll && verb.kind != RequestKind::kFlushMessage) return Request{.kind = verb.kind};
    if (!IsQueueId(id)) return std::nullopt;
    return Request{.kind = verb.kind, .id = std::string(id)};
  }
  return std::nullopt;
}

}  // namespace postern::queue
