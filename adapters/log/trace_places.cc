#include "adapters/log/trace_places.h"

namespace postern::log {

std::string PlaceKey(std::string_view user, std::string_view mailbox) {
  return std::string(user) + "\n" + std::string(mailbox);
}

// Levels are separated by '.' in storage names.
bool IsPlaceIn(std::string_view place, std::string_view mailbox_key) {
  return place.starts_with(mailbox_key) && (place.size() == mailbox_key.size() || place[mailbox_key.size()] == '.');
}

bool MessagePlaces::Take(const TraceRecord& record, const std::vector<size_t>& entries) {
  const std::string_view action = record.Get("event.action"), user = record.Get("user.name");
  if (action == "mailbox.deleted" || action == "mailbox.renamed") return TakeMailbox(record);
  if (!action.starts_with("mail.")) return true;
  const bool gone = action == "mail.moved" || action == "mail.expunged" || action == "mail.vanished";
  const auto files = record.List("file.name"), targets = record.List("file.target_name");
  for (const size_t entry : entries) {
    if (entry < files.size()) {
      const std::string file(FileKey(files[entry]));
      if (gone) {
        place_of_.erase(file);
      } else {
        place_of_[file] = PlaceKey(user, record.Get("mailbox.name"));
      }
    }
    if (entry < targets.size()) {
      place_of_[std::string(FileKey(targets[entry]))] = PlaceKey(user, record.Get("mailbox.target_name"));
    }
  }
  return true;
}

bool MessagePlaces::TakeMailbox(const TraceRecord& record) {
  const std::string from = PlaceKey(record.Get("user.name"), record.Get("mailbox.name"));
  const std::string_view to = record.Get("mailbox.target_name");
  bool met = false;
  for (auto file = place_of_.begin(); file != place_of_.end();) {
    const bool renamed = !to.empty() && IsPlaceIn(file->second, from);  // with what is below it
    const bool deleted = to.empty() && file->second == from;
    met = met || renamed || deleted;
    if (renamed) file->second = PlaceKey(record.Get("user.name"), to) + file->second.substr(from.size());
    file = deleted ? place_of_.erase(file) : std::next(file);
  }
  return met;
}

}  // namespace postern::log
