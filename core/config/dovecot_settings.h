// dovecot.conf as typed values: a protocol's view of the settings, authentication, storage, services, listeners.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/dovecot_syntax.h"
#include "core/config/settings.h"

namespace postern::config {

// The settings as a protocol sees them: its "protocol NAME {" sections, the root, the defaults, in that order.
// Values that cannot be read become findings, and the default is used.
class DovecotSettings {
 public:
  // `protocol` empty: the root alone. All must outlive this.
  DovecotSettings(const DovecotSection* root, std::string_view protocol, FileSource* files, FindingList* findings)
      : root_(root), protocol_(protocol), files_(files), findings_(findings) {}

  const DovecotSetting* Find(std::string_view key) const;  // null where it is not written
  bool IsSet(std::string_view key) const { return Find(key) != nullptr; }
  Place PlaceOf(std::string_view key) const;
  std::string Text(std::string_view key) const;
  bool Bool(std::string_view key) const;
  uint64_t Number(std::string_view key) const;
  uint64_t Size(std::string_view key) const;
  Duration Time(std::string_view key) const;
  std::vector<std::string> Words(std::string_view key) const;
  // A user's or group's number: digits, or a name of the host; -1 where it is empty. An unknown name is an error.
  int64_t Id(std::string_view text, bool is_user, const Place& place) const;

  const DovecotSection& root() const { return *root_; }
  FileSource& files() const { return *files_; }
  FindingList& findings() const { return *findings_; }

 private:
  std::string BadValue(std::string_view key, std::string_view value, std::string_view wanted) const;

  const DovecotSection* root_;
  const std::string protocol_;
  FileSource* files_;
  FindingList* findings_;
};

// Unknown keys anywhere, and settings by their effect: what protects and cannot be honoured is an error.
void CheckDovecotNames(const DovecotSection& root, FindingList* findings);

Auth BuildAuth(const DovecotSettings& settings);
Storage BuildStorage(const DovecotSettings& settings);
ImapService BuildImapService(const DovecotSettings& imap);  // of protocol imap
Pop3Service BuildPop3Service(const DovecotSettings& pop3);  // of protocol pop3

// The protocols served: `protocols`, or imap and pop3 where nothing sets it.
std::vector<std::string> ServedProtocols(const DovecotSettings& settings);
// Appends the listeners of imap-login, pop3-login, lmtp and auth, unix sockets last. `lmtp` is the service LMTP
// sessions run with.
void AddDovecotListeners(const DovecotSettings& settings, uint16_t port_offset,
                         const std::shared_ptr<const SmtpService>& lmtp, std::vector<Listener>* listeners);
// Null where ssl = no; with an error where the certificate is missing.
std::shared_ptr<const TlsContext> BuildDovecotTls(const DovecotSettings& settings);

// A socket that a service listens on, by its path ("service auth { unix_listener PATH"), with base_dir in front of
// relative ones.
struct UnixListener {
  std::string service, path;
  uint64_t mode = 0600;
  std::string user, group;
  Place place;
};
// Of every service; with mode = 0 they are switched off.
std::vector<UnixListener> UnixListeners(const DovecotSettings& settings);

}  // namespace postern::config
