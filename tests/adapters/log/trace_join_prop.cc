// The law of the join: whatever messages there are and whatever sessions do to them together, from each key of a
// message exactly its records are found. The truth is kept while the records are made; shards may write them out of
// order.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "adapters/log/trace_join.h"

namespace postern::log {
namespace {

struct World {
  struct Record {
    std::string line;
    std::set<int> messages;  // that it is about; of a session's own: that the session had to do with
    int session = -1;        // of a session's own record
  };
  std::vector<Record> records;
  std::map<std::string, int> keys;                // key -> message
  std::map<int, std::vector<std::string>> files;  // message -> its files
  std::map<int, std::set<int>> session_messages;
  int next_file = 0;

  std::string NewFile(int message) {
    const std::string name = "1700.M" + std::to_string(next_file++) + "P1.host";
    keys[name] = message;
    files[message].push_back(name);
    return name;
  }
};

void Deliver(World& world, int message, int session) {
  const std::string n = std::to_string(message), s = std::to_string(session);
  const std::string trace = "trace" + n + "x", queue = "QUEUE" + n + "X";
  world.keys[trace] = world.keys[queue] = message;
  world.keys["id" + n + "@example.net"] = message;
  world.session_messages[session].insert(message);
  const auto add = [&](const std::string& rest) {
    world.records.push_back({"{\"postern.session\":\"session" + s + "x\"," + rest + "}", {message}});
  };
  add("\"trace.id\":\"" + trace + "\",\"email.message_id\":\"<id" + n + "@example.net>\"");
  add("\"trace.id\":\"" + trace + "\",\"email.local_id\":\"" + queue + "\"");
  const int recipients = *rc::gen::inRange(1, 4);
  for (int i = 0; i < recipients; ++i)
    add("\"email.local_id\":\"" + queue + "\",\"file.name\":\"" + world.NewFile(message) + "\"");
}

// A session copies, expunges or reads some files at once.
void Act(World& world, int session, int message_count) {
  std::string names, targets;
  std::set<int> about;
  const bool copies = *rc::gen::arbitrary<bool>();
  const int count = *rc::gen::inRange(1, 6);
  for (int i = 0; i < count; ++i) {
    const int message = *rc::gen::inRange(0, message_count);
    const std::string file = *rc::gen::elementOf(world.files[message]);
    names += (i == 0 ? "" : " ") + file;
    if (copies) targets += (i == 0 ? "" : " ") + world.NewFile(message);
    about.insert(message);
    world.session_messages[session].insert(message);
  }
  std::string line = "{\"postern.session\":\"session" + std::to_string(session) + "x\",\"file.name\":\"" + names + "\"";
  if (copies) line += ",\"file.target_name\":\"" + targets + "\"";
  world.records.push_back({line + "}", about});
}

RC_GTEST_PROP(TraceJoinProp, FindsExactlyTheRecordsOfTheMessage, ()) {
  World world;
  const int message_count = *rc::gen::inRange(1, 8), session_count = *rc::gen::inRange(1, 5);
  for (int session = 0; session < session_count; ++session) {
    const std::string id = "session" + std::to_string(session) + "x";
    world.records.push_back({"{\"trace.id\":\"" + id + "\",\"postern.session\":\"" + id + "\"}", {}, session});
  }
  for (int message = 0; message < message_count; ++message)
    Deliver(world, message, *rc::gen::inRange(0, session_count));
  const int acts = *rc::gen::inRange(0, 20);
  for (int i = 0; i < acts; ++i) Act(world, *rc::gen::inRange(0, session_count), message_count);
  for (World::Record& record : world.records) {
    if (record.session >= 0) record.messages = world.session_messages[record.session];
  }
  for (size_t i = world.records.size(); i > 1; --i) {
    std::swap(world.records[i - 1], world.records[*rc::gen::inRange<size_t>(0, i)]);
  }

  const auto [key, message] =
      *rc::gen::elementOf(std::vector<std::pair<std::string, int>>(world.keys.begin(), world.keys.end()));
  TraceJoin join(key);
  std::vector<bool> found;
  do {
    join.Grew();
    found.clear();
    for (const World::Record& record : world.records) {
      found.push_back(join.MayMatch(record.line) && join.Take(*TraceRecord::Parse(record.line)).matches);
    }
  } while (join.Grew());
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i] != world.records[i].messages.contains(message)) {
      RC_FAIL("asked for " + key + ": " + (found[i] ? "found " : "did not find ") + world.records[i].line);
    }
  }
  RC_ASSERT(!join.cut());
}

}  // namespace
}  // namespace postern::log
