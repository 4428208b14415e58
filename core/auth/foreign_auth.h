// The foreign auth servers of a shard (foreign_server.h), one for each socket that a service's smtpd_sasl_path names: a
// machine whose parts they are. A connection that the core asked for has no session: its events come here.
// Owner: the shard; must outlive its sessions.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/auth/foreign_server.h"

namespace postern::auth {

class ForeignAuth {
 public:
  ForeignAuth(MachineId machine, uint32_t log_pid) : machine_(machine), log_pid_(log_pid) {}

  // The one at this socket; made where it is new.
  Verifier& At(const config::SaslSocket& socket);
  // Are the events of this connection for it?
  bool Knows(ConnId conn) const;
  void Step(const Event& event, Context& context);
  // The configuration has changed: connections that it names no more end when they are not needed.
  void Reconfigure(const config::Config& config);
  // After every step of the shard: does what sessions asked for; what they are to be told.
  std::vector<VerifierAnswer> Settle(Context& context);
  // After Shutdown: no connection is left.
  bool ended() const;
  void AddTo(StableDigest& digest) const;

 private:
  const MachineId machine_;
  const uint32_t log_pid_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<ForeignServer>> servers_;  // their operations have their places as tags
};

}  // namespace postern::auth
