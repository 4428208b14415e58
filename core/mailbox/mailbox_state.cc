#include "core/mailbox/mailbox_state.h"

#include <algorithm>
#include <charconv>

#include "core/mailbox/names.h"
#include "core/mailbox/uidlist.h"

namespace postern::mailbox {

size_t MailboxState::FirstRowFrom(uint32_t uid) const {
  return static_cast<size_t>(std::lower_bound(uids.begin(), uids.end(), uid) - uids.begin());
}

size_t MailboxState::RowOf(uint32_t uid) const {
  const size_t row = FirstRowFrom(uid);
  return row < uids.size() && uids[row] == uid ? row : uids.size();
}

std::string MailboxState::Pop3UidlOf(uint32_t uid) const {
  const auto items = items_.find(uid);
  std::string_view value;
  if (items == items_.end() || !UidItem(items->second, 'P', &value)) return "";
  return value.empty() ? BaseNameOf(uid) : std::string(value);  // an empty P stands for the base name
}

uint32_t MailboxState::Pop3OrderOf(uint32_t uid) const {
  const auto items = items_.find(uid);
  std::string_view value;
  uint32_t order = 0;
  if (items == items_.end() || !UidItem(items->second, 'O', &value)) return 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), order);
  return error == std::errc() && end == value.data() + value.size() ? order : 0;
}

std::string MailboxState::BaseNameOf(uint32_t uid) const {
  const size_t row = RowOf(uid);
  return row == count() ? "" : std::string(BaseOf(names_[row]));
}

std::string MailboxState::GuidOf(uint32_t uid) const {
  const auto items = items_.find(uid);
  std::string_view value;
  if (items != items_.end() && UidItem(items->second, 'G', &value)) return std::string(value);
  return BaseNameOf(uid);
}

}  // namespace postern::mailbox
