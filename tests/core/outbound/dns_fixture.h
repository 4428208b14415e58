// A small DNS of values for the tests of this room: names with records, and what goes wrong with others.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/outbound/host_choice.h"
#include "tests/core/outbound/outbound_fixture.h"

namespace postern::outbound {

class TestDns {
 public:
  void Mx(const std::string& name, std::vector<MxRecord> records, bool secure = false) {
    replies_[{name, RecordType::kMx}] = {
        .outcome = DnsReply::Outcome::kFound, .secure = secure, .mx = std::move(records)};
  }
  void Host(const std::string& name, const std::vector<std::string>& addresses, bool secure = false,
            const std::string& canonical = "") {
    for (const std::string& text : addresses) {
      DnsReply& reply = replies_[{name, Ip(text).v6 ? RecordType::kAaaa : RecordType::kA}];
      reply.outcome = DnsReply::Outcome::kFound;
      reply.secure = secure;
      reply.canonical_name = canonical;
      reply.addresses.push_back(Ip(text));
    }
  }
  void Native(const std::string& name, const std::vector<std::string>& addresses) {
    DnsReply& reply = replies_[{name, RecordType::kNative}];
    reply.outcome = DnsReply::Outcome::kFound;
    for (const std::string& text : addresses) reply.addresses.push_back(Ip(text));
  }
  void Fails(const std::string& name, RecordType type, DnsReply::Outcome outcome) {
    replies_[{name, type}] = {.outcome = outcome};
  }
  void Put(const std::string& name, RecordType type, DnsReply reply) { replies_[{name, type}] = std::move(reply); }

  // A name with other records has no data; one without any does not exist.
  DnsReply Lookup(const DnsQuestion& question) const {
    if (const auto at = replies_.find({question.name, question.type}); at != replies_.end()) return at->second;
    for (const auto& [key, reply] : replies_) {
      if (key.first == question.name && key.second != RecordType::kNative &&
          reply.outcome == DnsReply::Outcome::kFound) {
        return {.outcome = DnsReply::Outcome::kNoData};
      }
    }
    return {.outcome = DnsReply::Outcome::kNotFound};
  }

 private:
  std::map<std::pair<std::string, RecordType>, DnsReply> replies_;
};

}  // namespace postern::outbound
