// IMAP: every response in a canonical form (attributes, flags and lists in one order, strings by meaning, message
// numbers as they were before the turn's expunges); the forms of a turn are compared as a set.
#include <algorithm>
#include <map>

#include "core/base/ascii.h"
#include "core/imap/client_codec.h"
#include "sim/replay/compare.h"

namespace postern::sim {
namespace {

using imap::Response;
using imap::Value;

struct Judged {
  std::string key;  // what makes two responses counterparts: "12 FETCH", "tag A1", "code UIDNEXT"
  std::string form;
};

std::string Sorted(std::vector<std::string> words) {
  std::sort(words.begin(), words.end());
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// Of a response code, whose lists are read as what they hold.
std::vector<std::string> ArgumentWords(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" ()"), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::string Print(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kNil:
      return "NIL";
    case Value::Kind::kAtom:
    case Value::Kind::kNumber:
      return value.text;
    case Value::Kind::kQuoted:
    case Value::Kind::kLiteral:
      return "\"" + value.text + "\"";
    case Value::Kind::kList:
      break;
  }
  std::string text = "(";
  for (const Value& item : value.items) text += (text.size() > 1 ? " " : "") + Print(item);
  return text + ")";
}

// A list whose order means nothing: flags.
std::string PrintAsSet(const Value& value) {
  if (value.kind != Value::Kind::kList) return Print(value);
  std::vector<std::string> items;
  for (const Value& item : value.items) items.push_back(Print(item));
  return "(" + Sorted(std::move(items)) + ")";
}

// STATUS's pairs, in one order.
std::string PrintAsPairs(const Value& value) {
  std::vector<std::string> pairs;
  for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
    const std::string name = UpperCase(value.items[i].text);
    pairs.push_back(name + " " + (name == "HIGHESTMODSEQ" ? "#" : Print(value.items[i + 1])));
  }
  return "(" + Sorted(std::move(pairs)) + ")";
}

// The numbers of a turn's messages as they were before its expunges.
class Numbers {
 public:
  uint64_t Before(uint64_t number) const {
    for (const uint64_t gone : gone_) {
      if (gone <= number) ++number;
    }
    return number;
  }
  void Expunge(uint64_t number) {
    gone_.push_back(Before(number));
    std::sort(gone_.begin(), gone_.end());
  }

 private:
  std::vector<uint64_t> gone_;  // ascending
};

std::string FormOfCode(const Response& response) {
  const imap::ResponseCode& code = response.code;
  if (code.name.empty()) return "";
  if (code.name == "CAPABILITY") return " [CAPABILITY]";  // compared apart
  if (code.name == "HIGHESTMODSEQ" || code.name == "MODIFIED") return " [" + code.name + "]";
  if (code.name == "PERMANENTFLAGS") return " [" + code.name + " (" + Sorted(ArgumentWords(code.arguments)) + ")]";
  return " [" + code.name + (code.arguments.empty() ? "" : " " + code.arguments) + "]";
}

Judged JudgeFetch(const Response& response, const Numbers& numbers) {
  const std::string number = std::to_string(numbers.Before(response.number.value_or(0)));
  std::vector<std::string> attributes;
  for (const imap::FetchAttribute& attribute : response.fetch) {
    std::string value = attribute.name == "FLAGS" ? PrintAsSet(attribute.value) : Print(attribute.value);
    if (attribute.name == "MODSEQ") value = "(#)";
    attributes.push_back(attribute.name + " " + value);
  }
  std::sort(attributes.begin(), attributes.end());
  std::string form = "* " + number + " FETCH";
  for (const std::string& attribute : attributes) form += "\r\n    " + attribute;
  return {number + " FETCH", form};
}

Judged Judge(const Response& response, Numbers* numbers) {
  switch (response.kind) {
    case Response::Kind::kContinuation:
      return {"+", "+"};
    case Response::Kind::kTagged:
      return {"tag " + response.tag, response.tag + " " + response.condition + FormOfCode(response)};
    case Response::Kind::kGreeting:
    case Response::Kind::kUntagged:
      break;
  }
  if (!response.condition.empty())
    return {"code " + response.code.name, "* " + response.condition + FormOfCode(response)};
  if (response.name == "FETCH") return JudgeFetch(response, *numbers);
  if (response.name == "EXPUNGE") {
    const std::string number = std::to_string(numbers->Before(response.number.value_or(0)));
    numbers->Expunge(response.number.value_or(0));
    return {number + " EXPUNGE", "* " + number + " EXPUNGE (as numbered before)"};
  }
  if (response.name == "ID" || response.name == "CAPABILITY") return {response.name, "* " + response.name};
  std::string key = response.name,
              form = "* " + (response.number ? std::to_string(*response.number) + " " : "") + response.name;
  const bool flags_first = response.name == "LIST" || response.name == "LSUB" || response.name == "FLAGS";
  for (size_t i = 0; i < response.values.size(); ++i) {
    const Value& value = response.values[i];
    // A mailbox name is an astring: INBOX and "INBOX" are one.
    const bool name = (flags_first && i == 2) || (response.name == "STATUS" && i == 0);
    if (name) key += " " + value.text;
    form += " " + (name                                  ? "\"" + value.text + "\""
                   : i == 0 && flags_first               ? PrintAsSet(value)
                   : response.name == "STATUS" && i == 1 ? PrintAsPairs(value)
                                                         : Print(value));
  }
  return {key, form};
}

// What is announced: ours may be more.
std::vector<std::string> CapabilitiesOf(const std::vector<Response>& responses) {
  std::vector<std::string> all;
  for (const Response& response : responses) {
    if (response.code.name == "CAPABILITY") {
      for (std::string& word : ArgumentWords(response.code.arguments)) all.push_back(UpperCase(word));
    } else if (response.name == "CAPABILITY") {
      for (const Value& value : response.values) all.push_back(UpperCase(value.text));
    }
  }
  return all;
}

std::vector<std::string> MissingCapabilities(const std::vector<Response>& recorded, const std::vector<Response>& ours) {
  const std::vector<std::string> all = CapabilitiesOf(ours);
  std::vector<std::string> missing;
  for (std::string& each : CapabilitiesOf(recorded)) {
    if (std::find(all.begin(), all.end(), each) == all.end()) missing.push_back(std::move(each));
  }
  return missing;
}

std::vector<Judged> JudgeAll(const std::vector<Response>& responses) {
  std::vector<Judged> judged;
  Numbers numbers;
  for (const Response& response : responses) judged.push_back(Judge(response, &numbers));
  return judged;
}

// Takes what is equal out of both; then counterparts become differences, and what has none.
void CompareTurn(std::vector<Judged> recorded, std::vector<Judged> ours, const Difference& like,
                 std::vector<Difference>* out) {
  const auto take = [](std::vector<Judged>* from, const auto& matches) {
    const auto found = std::find_if(from->begin(), from->end(), matches);
    std::string form = found == from->end() ? "" : found->form;
    if (found != from->end()) from->erase(found);
    return form;
  };
  std::erase_if(recorded, [&](const Judged& r) {
    return !take(&ours, [&](const Judged& o) { return o.form == r.form; }).empty();
  });
  for (const Judged& r : recorded) {
    Difference difference = like;
    difference.recorded = r.form + "\r\n";
    difference.ours = take(&ours, [&](const Judged& o) { return o.key == r.key; });
    if (!difference.ours.empty()) difference.ours += "\r\n";
    out->push_back(std::move(difference));
  }
  for (const Judged& o : ours) {
    Difference difference = like;
    difference.ours = o.form + "\r\n";
    out->push_back(std::move(difference));
  }
}

class Side {
 public:
  // The responses of the turn; false and the fault where the bytes are no IMAP.
  bool Read(std::string_view bytes, std::vector<Response>* responses, std::string* fault) {
    if (reader_.Feed(bytes, responses)) return true;
    *fault = "(not IMAP: " + reader_.error() + " at byte " + std::to_string(reader_.offset()) + " of the session)\r\n";
    return false;
  }

 private:
  // Dovecot's texts repeat mailbox names in UTF-8.
  imap::ResponseReader reader_{true, {.utf8_text = true}};
};

}  // namespace

std::vector<Difference> CompareImap(const std::vector<Turn>& turns) {
  std::vector<Difference> differences;
  Side recorded_side, our_side;
  for (size_t i = 0; i < turns.size(); ++i) {
    const Turn& turn = turns[i];
    Difference like{.turn = i, .command = CommandOf(turn)};
    std::vector<Response> recorded, ours;
    const bool recorded_read = recorded_side.Read(turn.recorded, &recorded, &like.recorded);
    const bool ours_read = our_side.Read(turn.ours, &ours, &like.ours);
    if (!recorded_read || !ours_read) {
      differences.push_back(std::move(like));
      break;  // the readers have ended
    }
    for (const std::string& missing : MissingCapabilities(recorded, ours)) {
      differences.push_back({.turn = i, .command = like.command, .recorded = "CAPABILITY " + missing + "\r\n"});
    }
    CompareTurn(JudgeAll(recorded), JudgeAll(ours), like, &differences);
  }
  return differences;
}

}  // namespace postern::sim
