#include "core/mailbox/namespaces.h"

#include "core/base/ascii.h"

namespace postern::mailbox {
namespace {

constexpr size_t kNameBytesMax = 255;  // of one file name

bool IsInbox(std::string_view name) { return EqualsIgnoringCase(name, "INBOX"); }

char SeparatorOf(const config::Namespace& space) { return space.separator == '\0' ? '.' : space.separator; }

}  // namespace

const config::Namespace& PersonalNamespace(const config::Storage& storage) {
  static const config::Namespace kDefault{};
  for (const config::Namespace& space : storage.namespaces) {
    if (space.inbox) return space;
  }
  return storage.namespaces.empty() ? kDefault : storage.namespaces.front();
}

StatusOr<std::string> StorageName(std::string_view client_name, const config::Namespace& space) {
  if (IsInbox(client_name)) return std::string("INBOX");
  const char separator = SeparatorOf(space);
  std::string_view name = client_name;
  if (!space.prefix.empty()) {
    if (!name.starts_with(space.prefix)) return NotFound("Client tried to access nonexistent namespace.");
    name.remove_prefix(space.prefix.size());
  }
  if (!name.empty() && name.back() == separator) name.remove_suffix(1);  // Thunderbird's tb-extra-mailbox-sep
  if (name.empty()) return InvalidArgument("Invalid mailbox name: Name is empty");
  if (name.size() > kNameBytesMax - 1) return InvalidArgument("Invalid mailbox name: Name is too long");
  std::string storage;
  for (const char c : name) {
    if (c == separator) {
      if (storage.empty()) return InvalidArgument("Invalid mailbox name: Begins with hierarchy separator");
      if (storage.back() == '.') return InvalidArgument("Invalid mailbox name: Has adjacent hierarchy separators");
      storage += '.';
    } else if (c == '/' || c == '\0' || c == '.' || static_cast<unsigned char>(c) < 0x20) {
      return InvalidArgument(std::string("Invalid mailbox name: Contains '") + (c == '/' || c == '.' ? c : '?') + "'");
    } else {
      storage += c;
    }
  }
  if (storage[0] == '~') return InvalidArgument("Invalid mailbox name: Begins with '~'");
  if (IsInbox(std::string_view(storage).substr(0, storage.find('.')))) storage.replace(0, 5, "INBOX");
  return storage;
}

std::string ClientName(std::string_view storage_name, const config::Namespace& space) {
  if (storage_name == "INBOX") return "INBOX";
  std::string name = space.prefix;
  for (const char c : storage_name) name += c == '.' ? SeparatorOf(space) : c;
  return name;
}

}  // namespace postern::mailbox
