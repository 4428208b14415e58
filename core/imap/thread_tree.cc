#include "core/imap/thread_tree.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "core/imap/response.h"

namespace postern::imap {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// Containers of RFC 5256: a message, or a dummy for one that was only referred to.
class Forest {
 public:
  explicit Forest(const std::vector<ThreadMessage>& messages) : messages_(messages) {}

  void LinkReferences();
  void PruneDummies();
  void MergeSubjects();
  void Sort(bool latest_decides);
  void Append(std::string* out) const;

 private:
  struct Node {
    uint32_t parent = kNone;
    uint32_t message = kNone;  // index into messages_; kNone: a dummy
    bool removed = false;
    std::vector<uint32_t> children;
    int64_t date = 0;    // of the message, or of a dummy's first child
    int64_t latest = 0;  // of the whole thread below
  };

  uint32_t NodeOf(std::string_view id);
  bool MayLink(uint32_t child, uint32_t parent) const;
  void CollectChildren();
  void SetDates();
  uint32_t FirstMessage(uint32_t root) const;
  bool IsReply(uint32_t root) const;
  std::vector<uint32_t> BottomUp() const;

  const std::vector<ThreadMessage>& messages_;
  std::vector<Node> nodes_;
  std::map<std::string, uint32_t, std::less<>> by_id_;
  std::vector<uint32_t> roots_;
};

uint32_t Forest::NodeOf(std::string_view id) {
  const auto found = by_id_.find(id);
  if (found != by_id_.end()) return found->second;
  nodes_.emplace_back();
  const auto node = static_cast<uint32_t>(nodes_.size() - 1);
  by_id_.emplace(std::string(id), node);
  return node;
}

// No loops, no chains beyond the limit.
bool Forest::MayLink(uint32_t child, uint32_t parent) const {
  uint32_t at = parent;
  for (uint32_t depth = 0; at != kNone; ++depth, at = nodes_[at].parent) {
    if (at == child || depth == kThreadDepthMax) return false;
  }
  return true;
}

// RFC 5256 section 3, REFERENCES, steps 1 and 2.
void Forest::LinkReferences() {
  for (uint32_t i = 0; i < messages_.size(); ++i) {
    const message::ThreadInput& facts = messages_[i].facts;
    uint32_t self = facts.message_id.empty() ? kNone : NodeOf(facts.message_id);
    if (self == kNone || nodes_[self].message != kNone) {  // no id, or one that another message has already
      nodes_.emplace_back();
      self = static_cast<uint32_t>(nodes_.size() - 1);
    }
    nodes_[self].message = i;
    uint32_t before = kNone;
    for (const std::string& id : facts.references) {
      const uint32_t node = NodeOf(id);
      if (before != kNone && nodes_[node].parent == kNone && MayLink(node, before)) nodes_[node].parent = before;
      before = node;
    }
    // RFC 5256 section 3, REFERENCES, step 1.B: what this message says of its parent counts more than what others say;
    // the old link goes also where the new one would close a loop.
    nodes_[self].parent = kNone;
    if (before != kNone && MayLink(self, before)) nodes_[self].parent = before;
  }
  CollectChildren();
}

void Forest::CollectChildren() {
  roots_.clear();
  for (Node& node : nodes_) node.children.clear();
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].removed) continue;
    if (nodes_[i].parent == kNone) {
      roots_.push_back(i);
    } else {
      nodes_[nodes_[i].parent].children.push_back(i);
    }
  }
}

// Every node below the roots, children before their parents.
std::vector<uint32_t> Forest::BottomUp() const {
  std::vector<uint32_t> order = roots_;
  for (size_t i = 0; i < order.size(); ++i) {
    const auto& children = nodes_[order[i]].children;
    order.insert(order.end(), children.begin(), children.end());
  }
  std::reverse(order.begin(), order.end());
  return order;
}

// Step 3: dummies go, their children move up; at the root only where one child takes the place.
void Forest::PruneDummies() {
  for (const uint32_t i : BottomUp()) {
    Node& node = nodes_[i];
    if (node.message != kNone) continue;
    const bool at_root = node.parent == kNone;
    if (at_root && node.children.size() > 1) continue;
    node.removed = true;
    for (const uint32_t child : node.children) nodes_[child].parent = node.parent;
    if (at_root) continue;
    auto& siblings = nodes_[node.parent].children;
    siblings.erase(std::find(siblings.begin(), siblings.end(), i));
    siblings.insert(siblings.end(), node.children.begin(), node.children.end());
  }
  CollectChildren();
}

void Forest::SetDates() {
  for (const uint32_t i : BottomUp()) {
    Node& node = nodes_[i];
    node.date = node.message != kNone ? messages_[node.message].sent_seconds : INT64_MAX;
    node.latest = node.message != kNone ? node.date : INT64_MIN;
    for (const uint32_t child : node.children) {
      if (node.message == kNone) node.date = std::min(node.date, nodes_[child].date);
      node.latest = std::max(node.latest, nodes_[child].latest);
    }
  }
}

// Steps 4 and 6: siblings by date, then by number.
void Forest::Sort(bool latest_decides) {
  SetDates();
  const auto number = [&](uint32_t i) {
    const uint32_t message = nodes_[i].message != kNone ? nodes_[i].message : FirstMessage(i);
    return message;
  };
  const auto earlier = [&](uint32_t a, uint32_t b) {
    return std::pair(nodes_[a].date, number(a)) < std::pair(nodes_[b].date, number(b));
  };
  for (Node& node : nodes_) std::sort(node.children.begin(), node.children.end(), earlier);
  if (latest_decides) {
    std::sort(roots_.begin(), roots_.end(), [&](uint32_t a, uint32_t b) {
      return std::pair(nodes_[a].latest, number(a)) < std::pair(nodes_[b].latest, number(b));
    });
  } else {
    std::sort(roots_.begin(), roots_.end(), earlier);
  }
}

uint32_t Forest::FirstMessage(uint32_t root) const {
  while (nodes_[root].message == kNone && !nodes_[root].children.empty()) root = nodes_[root].children.front();
  return nodes_[root].message;
}

bool Forest::IsReply(uint32_t root) const {
  const uint32_t message = FirstMessage(root);
  return message != kNone && messages_[message].facts.is_reply_or_forward;
}

// Step 5: threads of one base subject become one.
void Forest::MergeSubjects() {
  std::map<std::string_view, uint32_t> table;
  const auto subject = [&](uint32_t root) -> std::string_view {
    const uint32_t message = FirstMessage(root);
    return message == kNone ? std::string_view() : std::string_view(messages_[message].facts.base_subject);
  };
  const auto is_dummy = [&](uint32_t root) { return nodes_[root].message == kNone; };
  for (const uint32_t root : roots_) {
    const std::string_view text = subject(root);
    if (text.empty()) continue;
    const auto [entry, fresh] = table.try_emplace(text, root);
    if (fresh) continue;
    const uint32_t held = entry->second;
    if ((is_dummy(root) && !is_dummy(held)) || (!is_dummy(held) && IsReply(held) && !IsReply(root)))
      entry->second = root;
  }
  for (const uint32_t root : roots_) {
    const std::string_view text = subject(root);
    const auto entry = table.find(text);
    if (text.empty() || entry == table.end() || entry->second == root) continue;
    const uint32_t held = entry->second;
    if (is_dummy(held) && is_dummy(root)) {
      for (const uint32_t child : nodes_[root].children) nodes_[child].parent = held;
      nodes_[held].children.insert(nodes_[held].children.end(), nodes_[root].children.begin(),
                                   nodes_[root].children.end());
      nodes_[root].removed = true;
    } else if (is_dummy(held) || (IsReply(root) && !IsReply(held))) {
      nodes_[root].parent = held;
    } else {
      nodes_.emplace_back();
      const auto both = static_cast<uint32_t>(nodes_.size() - 1);
      nodes_[both].children = {held, root};  // so that its subject is theirs
      nodes_[held].parent = nodes_[root].parent = both;
      entry->second = both;
    }
  }
  CollectChildren();
}

// RFC 5256 section 4: "(3 6 (4 23)(44 7 96))".
void Forest::Append(std::string* out) const {
  enum class Do : uint8_t { kOpen, kNode, kClose };
  const auto after_number = [out] { return !out->empty() && out->back() >= '0' && out->back() <= '9'; };
  for (const uint32_t root : roots_) {
    std::vector<std::pair<Do, uint32_t>> todo{{Do::kClose, kNone}, {Do::kNode, root}, {Do::kOpen, kNone}};
    while (!todo.empty()) {
      const auto [what, index] = todo.back();
      todo.pop_back();
      if (what == Do::kClose) {
        *out += ')';
        continue;
      }
      if (after_number()) *out += ' ';
      if (what == Do::kOpen) {
        *out += '(';
        continue;
      }
      const Node& node = nodes_[index];
      if (node.message != kNone) AppendNumber(messages_[node.message].number, out);
      if (node.children.size() == 1) {
        todo.emplace_back(Do::kNode, node.children.front());
        continue;
      }
      for (size_t i = node.children.size(); i > 0; --i) {
        todo.emplace_back(Do::kClose, kNone);
        todo.emplace_back(Do::kNode, node.children[i - 1]);
        todo.emplace_back(Do::kOpen, kNone);
      }
    }
  }
}

// RFC 5256 section 3, ORDEREDSUBJECT: one level, the first of each subject above the others.
void AppendOrderedSubject(const std::vector<ThreadMessage>& messages, std::string* out) {
  std::vector<uint32_t> order(messages.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const int compared = messages[a].facts.base_subject.compare(messages[b].facts.base_subject);
    return compared != 0 ? compared < 0
                         : std::pair(messages[a].sent_seconds, a) < std::pair(messages[b].sent_seconds, b);
  });
  std::vector<std::pair<size_t, size_t>> threads;  // in order: begin, end
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && messages[order[end]].facts.base_subject == messages[order[begin]].facts.base_subject)
      ++end;
    threads.emplace_back(begin, end);
    begin = end;
  }
  std::sort(threads.begin(), threads.end(), [&](const auto& a, const auto& b) {
    const ThreadMessage &left = messages[order[a.first]], &right = messages[order[b.first]];
    return std::pair(left.sent_seconds, left.number) < std::pair(right.sent_seconds, right.number);
  });
  for (const auto& [begin, end] : threads) {
    *out += '(';
    AppendNumber(messages[order[begin]].number, out);
    for (size_t i = begin + 1; i < end; ++i) {
      if (i == begin + 1) *out += ' ';
      if (end - begin > 2) *out += '(';
      AppendNumber(messages[order[i]].number, out);
      if (end - begin > 2) *out += ')';
    }
    *out += ')';
  }
}

}  // namespace

void AppendThreads(const std::vector<ThreadMessage>& messages, ThreadCommand::Algorithm algorithm, std::string* out) {
  if (algorithm == ThreadCommand::Algorithm::kOrderedSubject) return AppendOrderedSubject(messages, out);
  const bool refs = algorithm == ThreadCommand::Algorithm::kRefs;
  Forest forest(messages);
  forest.LinkReferences();
  forest.PruneDummies();
  forest.Sort(refs);
  if (!refs) {
    forest.MergeSubjects();
    forest.Sort(false);
  }
  forest.Append(out);
}

}  // namespace postern::imap
