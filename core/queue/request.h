// What people ask of the queue: the name of an empty file in <spool>/requests, which the server carries out and
// unlinks.
//
//   flush                    everything is tried now                     postqueue -f
//   flush-4A1B2C3D4E5F       this message                                postqueue -i
//   flush-site-example.org   what waits for this domain                  postqueue -s, ETRN
//   hold-ID release-ID requeue-ID delete-ID     ID may be ALL            postsuper -h -H -r -d
//
// The same request twice is one file: asking again is never an error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::queue {

enum class RequestKind : uint8_t { kFlushAll, kFlushMessage, kFlushSite, kHold, kRelease, kRequeue, kDelete };

struct Request {
  RequestKind kind = RequestKind::kFlushAll;
  std::string id;    // of kFlushMessage and the last four; empty with these: ALL
  std::string site;  // of kFlushSite, in lower case: a domain or an address literal
  bool all() const { return id.empty(); }
  bool operator==(const Request&) const = default;
};

// A file's name is at most so long.
inline constexpr size_t kRequestNameBytesMax = 255;

// "hold-ALL". Empty where no name can say it: a site that is no domain, an id that is none.
std::string FormatRequest(const Request& request);
// nullopt: not such a name, to be left alone. Whoever may make files there chose it.
std::optional<Request> ParseRequest(std::string_view name);

}  // namespace postern::queue
