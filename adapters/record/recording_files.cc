#include "adapters/record/recording_files.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "adapters/record/redaction.h"
#include "core/auth/credentials.h"
#include "core/auth/scheme.h"
#include "core/base/ascii.h"
#include "core/boundary/codec.h"

namespace postern::record {
namespace {

std::string StatusFields(const Status& status) {
  return " " + std::to_string(static_cast<int>(status.code())) + " " + EncodeField(Message(status));
}

// Calls `each` for every line, with its end; what it gives back takes its place.
template <class Each>
std::string MapLines(std::string_view text, const Each& each) {
  std::string mapped;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const size_t length = end == std::string_view::npos ? text.size() : end + 1;
    const std::string_view line = text.substr(0, length);
    const size_t content = line.size() - (line.ends_with("\r\n") ? 2 : line.ends_with('\n') ? 1 : 0);
    mapped += each(line.substr(0, content));
    mapped += line.substr(content);
    text.remove_prefix(length);
  }
  return mapped;
}

// What no login is checked with in a replay keeps its shape only: the last part of "$6$salt$hash", or all of it.
std::string Filled(std::string_view data) {
  std::string filled(data);
  const size_t dollar = filled.rfind('$');
  for (size_t i = dollar == std::string::npos ? 0 : dollar + 1; i < filled.size(); ++i) {
    if (std::isalnum(static_cast<unsigned char>(filled[i])) != 0 || filled[i] == '/' || filled[i] == '+' ||
        filled[i] == '.')
      filled[i] = 'a';
    if (static_cast<unsigned char>(filled[i]) >= 0x80) filled[i] = 'a';
  }
  return filled;
}

std::string StandIn(std::string_view stored, std::string_view default_scheme, std::string_view user) {
  if (stored.size() < 2) return std::string(stored);  // "x", "*": none
  const auth::StoredParts parts = auth::SplitStored(stored, default_scheme);
  const auth::SchemeAndEncoding named = auth::ParseSchemeName(parts.scheme_name);
  const bool has_name = stored.starts_with('{');
  if (named.scheme == nullptr)
    return has_name ? "{" + std::string(parts.scheme_name) + "}" + Filled(parts.data) : Filled(stored);
  const std::string name(named.scheme->name);
  // Only these serve challenge mechanisms: they must go on to fit one password.
  if (auth::IsAliasOf(*named.scheme, *auth::FindScheme("PLAIN"))) return "{PLAIN}" + std::string(kStandInPassword);
  for (const HashKind kind : {HashKind::kSha1, HashKind::kSha256}) {
    if (name != auth::ScramName(kind)) continue;
    const auto scram = auth::ParseScram(kind, parts.data);
    if (!scram.ok()) break;
    return "{" + name + "}" +
           auth::FormatScram(auth::DeriveScram(kind, kStandInPassword, scram->salt, scram->iterations));
  }
  if (auth::IsAliasOf(*named.scheme, *auth::FindScheme("CRAM-MD5")) || name == "DIGEST-MD5") {
    Entropy none{Entropy::Key{}};
    const auto made = auth::GenerateStored(name, kStandInPassword, {.user = user}, none);
    if (made.ok()) return *made;
  }
  return has_name ? "{" + std::string(parts.scheme_name) + "}" + Filled(parts.data) : Filled(stored);
}

bool NamesSecret(std::string_view name) {
  const std::string lower = LowerCase(name);
  return lower.ends_with("password") || lower.ends_with("secret") || lower.ends_with("api_key") || lower == "pass" ||
         lower.ends_with("_pass");
}

// "password=x" inside args, and in the extra fields of a users file.
std::string RedactWords(std::string_view line) {
  std::string redacted;
  while (!line.empty()) {
    const size_t end = std::min(line.find_first_of(" \t", 1), line.size());
    const std::string_view word = line.substr(0, end);
    const size_t equals = word.find('='), name = word.find_first_not_of(" \t");
    if (equals != std::string_view::npos && equals + 1 < word.size() && name < equals &&
        NamesSecret(word.substr(name, equals - name))) {
      redacted += std::string(word.substr(0, equals + 1)) + std::string(kStandInPassword);
    } else {
      redacted += word;
    }
    line.remove_prefix(end);
  }
  return redacted;
}

}  // namespace

std::string RedactUsersFile(std::string_view text, std::string_view default_scheme) {
  return MapLines(text, [default_scheme](std::string_view line) {
    const size_t colon = line.find(':');
    if (line.starts_with('#') || colon == std::string_view::npos) return std::string(line);
    const size_t end = std::min(line.find(':', colon + 1), line.size());
    return std::string(line.substr(0, colon + 1)) +
           StandIn(line.substr(colon + 1, end - colon - 1), default_scheme, line.substr(0, colon)) +
           RedactWords(line.substr(end));
  });
}

std::string RedactSettings(std::string_view text) {
  return MapLines(text, [](std::string_view line) {
    const size_t begin = line.find_first_not_of(" \t"), equals = line.find('=');
    if (begin == std::string_view::npos) return std::string(line);
    if (equals != std::string_view::npos && begin < equals) {
      std::string_view name = line.substr(begin, equals - begin);
      name = name.substr(0, name.find_last_not_of(" \t") + 1);
      if (NamesSecret(name)) return std::string(line.substr(0, equals + 1)) + " " + std::string(kStandInPassword);
    }
    return RedactWords(line);
  });
}

// ---- the files ------------------------------------------------------------------------------------------------------

StatusOr<std::string> RecordingFiles::Read(std::string_view path) {
  auto text = files_->Read(path);
  texts_.insert_or_assign(std::string(path), text);
  return text;
}

std::vector<std::string> RecordingFiles::Glob(std::string_view pattern) {
  std::vector<std::string> paths = files_->Glob(pattern);
  std::string line = "glob " + EncodeField(pattern);
  for (const std::string& path : paths) line += " " + EncodeField(path);
  Keep(line);
  return paths;
}

StatusOr<config::FileSource::Facts> RecordingFiles::Stat(std::string_view path) {
  auto facts = files_->Stat(path);
  std::string line = "stat " + EncodeField(path) + StatusFields(facts.status());
  if (facts.ok()) {
    line += " " + std::to_string(facts->size_bytes) + " " + std::to_string(facts->mtime_seconds) + " " +
            std::to_string(facts->mode) + " " + std::to_string(facts->uid) + " " + std::to_string(facts->gid) + " " +
            (facts->is_dir ? "1" : "0");
  }
  Keep(line);
  return facts;
}

int64_t RecordingFiles::UserId(std::string_view name) {
  const int64_t id = files_->UserId(name);
  Keep("user " + EncodeField(name) + " " + std::to_string(id));
  return id;
}

int64_t RecordingFiles::GroupId(std::string_view name) {
  const int64_t id = files_->GroupId(name);
  Keep("group " + EncodeField(name) + " " + std::to_string(id));
  return id;
}

int64_t RecordingFiles::PrimaryGroupOf(std::string_view user) {
  const int64_t id = files_->PrimaryGroupOf(user);
  Keep("primary-group " + EncodeField(user) + " " + std::to_string(id));
  return id;
}

int64_t RecordingFiles::OwnUserId() {
  const int64_t id = files_->OwnUserId();
  Keep("own-user " + std::to_string(id));
  return id;
}

uint16_t RecordingFiles::ServicePort(std::string_view name) {
  const uint16_t port = files_->ServicePort(name);
  Keep("port " + EncodeField(name) + " " + std::to_string(port));
  return port;
}

std::vector<IpAddress> RecordingFiles::InterfaceAddresses() {
  std::vector<IpAddress> addresses = files_->InterfaceAddresses();
  std::string line = "interfaces";
  for (const IpAddress& address : addresses) line += " " + address.ToString();
  Keep(line);
  return addresses;
}

std::vector<IpAddress> RecordingFiles::HostAddresses(std::string_view name) {
  std::vector<IpAddress> addresses = files_->HostAddresses(name);
  std::string line = "host " + EncodeField(name);
  for (const IpAddress& address : addresses) line += " " + address.ToString();
  Keep(line);
  return addresses;
}

std::string RecordingFiles::HostName() {
  std::string name = files_->HostName();
  Keep("host-name " + EncodeField(name));
  return name;
}

std::optional<std::string> RecordingFiles::UsersFileScheme(std::string_view path) const {
  if (path.ends_with("/passwd") || path.ends_with("/shadow")) return "CRYPT";
  for (const auto& [other, text] : texts_) {
    if (!text.ok()) continue;
    for (size_t at = text->find(path); at != std::string::npos; at = text->find(path, at + 1)) {
      const size_t begin = text->rfind('\n', at) + 1;  // npos + 1 is 0
      const size_t end = std::min(text->find('\n', at), text->size());
      const std::string line = LowerCase(std::string_view(*text).substr(begin, end - begin));
      if (!std::string_view(line).substr(std::min(line.find_first_not_of(" \t{"), line.size())).starts_with("args") &&
          line.find(" args ") == std::string::npos) {
        continue;
      }
      const size_t scheme = line.find("scheme=");
      if (scheme == std::string::npos) return "CRYPT";  // a passwd-file's default
      return line.substr(scheme + 7, line.find(' ', scheme) - scheme - 7);
    }
  }
  return std::nullopt;
}

std::string RecordingFiles::Text(const config::LoadOptions& options) const {
  std::string all = "postern-host 1 " + EncodeField(options.postfix_dir) + " " + EncodeField(options.dovecot_file) +
                    " " + std::to_string(options.port_offset) + "\n";
  for (const auto& [path, text] : texts_) {
    if (!text.ok()) {
      all += "read " + EncodeField(path) + StatusFields(text.status()) + "\n";
    } else if (text->find("-----BEGIN ") != std::string::npos) {
      all += "pem " + EncodeField(path) + "\n";
    } else {
      const auto scheme = UsersFileScheme(path);
      all += "read " + EncodeField(path) + " 0 " +
             EncodeField(scheme ? RedactUsersFile(*text, *scheme) : RedactSettings(*text)) + "\n";
    }
  }
  for (const std::string& line : answers_) all += line + "\n";
  return all;
}

}  // namespace postern::record
