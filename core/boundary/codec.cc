#include "core/boundary/codec.h"

#include <charconv>
#include <concepts>
#include <cstdio>
#include <limits>
#include <type_traits>

#include "core/boundary/machine.h"

namespace postern {
namespace {

// A list in a line is no longer than this, so that a broken count costs nothing.
constexpr size_t kItemsMax = 10'000'000;

// ---- fields, one by one ---------------------------------------------------------------------------------------------

class Writer {
 public:
  explicit Writer(std::string_view name) : line_(name) {}

  template <std::integral T>
  void operator()(T& number) {
    line_ += " " + std::to_string(number);
  }
  template <class T>
  requires std::is_enum_v<T>
  void operator()(T& id) { line_ += " " + std::to_string(static_cast<uint64_t>(id)); }
  void operator()(std::string& bytes) { line_ += " " + EncodeField(bytes); }
  void operator()(std::string_view& bytes) { line_ += " " + EncodeField(bytes); }
  void operator()(Status& status) {
    line_ += " " + std::to_string(static_cast<int>(status.code())) + " " + EncodeField(Message(status));
  }
  template <class T>
  void List(std::vector<T>& items) {
    line_ += " " + std::to_string(items.size());
    for (T& item : items) Fields(*this, item);
  }

  std::string Take() { return std::move(line_); }

 private:
  std::string line_;
};

class Reader {
 public:
  explicit Reader(std::string_view line) : rest_(line) {}

  std::string_view Word() {
    const size_t end = std::min(rest_.find(' '), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    if (word.empty()) ok_ = false;
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return word;
  }

  template <std::integral T>
  void operator()(T& number) {
    if constexpr (std::is_same_v<T, bool>) {
      uint8_t flag = 0;
      (*this)(flag);
      number = flag != 0;
      ok_ = ok_ && flag <= 1;
    } else {
      const std::string_view word = Word();
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
      if (error != std::errc() || end != word.data() + word.size()) ok_ = false;
    }
  }
  template <class T>
  requires std::is_enum_v<T>
  void operator()(T& id) {
    std::underlying_type_t<T> number{};
    (*this)(number);
    id = static_cast<T>(number);
  }
  void operator()(std::string& bytes) {
    auto decoded = DecodeField(Word());
    if (decoded.ok()) bytes = *std::move(decoded);
    ok_ = ok_ && decoded.ok();
  }
  // An event has at most one view.
  void operator()(std::string_view& bytes) {
    std::string owned;
    (*this)(owned);
    owned_ = std::make_shared<const std::string>(std::move(owned));
    bytes = *owned_;
  }
  void operator()(Status& status) {
    int code = 0;
    std::string message;
    (*this)(code);
    (*this)(message);
    if (code < 0 || code > static_cast<int>(StatusCode::kUnauthenticated)) ok_ = false;
    if (ok_) status = Error(static_cast<StatusCode>(code), message);
  }
  template <class T>
  void List(std::vector<T>& items) {
    uint64_t count = 0;
    (*this)(count);
    if (count > kItemsMax) ok_ = false;
    for (uint64_t i = 0; ok_ && i < count; ++i) Fields(*this, items.emplace_back());
  }

  void Fail() { ok_ = false; }
  bool done() const { return ok_ && rest_.empty(); }
  std::shared_ptr<const std::string> owned() const { return owned_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
  std::shared_ptr<const std::string> owned_;
};

// ---- the fields of each value, in order: the same list writes and reads ---------------------------------------------

template <class Io>
void Fields(Io& io, std::string& text) {
  io(text);
}

template <class Io>
void Fields(Io& io, OpId& op) {
  io(op.machine);
  io(op.tag);
}

template <class Io>
void Fields(Io& io, IpAddress& address) {
  io(address.v6);
  for (uint8_t& byte : address.bytes) io(byte);
}

template <class Io>
void Fields(Io& io, Endpoint& endpoint) {
  Fields(io, endpoint.address);
  io(endpoint.port);
}

template <class Io>
void Fields(Io& io, Peer& peer) {
  Fields(io, peer.remote);
  Fields(io, peer.local);
  io(peer.listener);
}

template <class Io>
void Fields(Io& io, TlsFacts& tls) {
  io(tls.protocol);
  io(tls.cipher);
  io(tls.secret_bits);
  io(tls.algorithm_bits);
  io(tls.details);
  io(tls.server_name);
  io(tls.resumed);
}

template <class Io>
void Fields(Io& io, LoginFacts& login) {
  io(login.user);
  io(login.mechanism);
  io(login.tag);
  io(login.session_id);
  io(login.state);
}

template <class Io>
void Fields(Io& io, DirEntry& entry) {
  io(entry.name);
  io(entry.is_dir);
}

template <class Io>
void Fields(Io& io, FileFacts& file) {
  io(file.status);
  io(file.is_dir);
  io(file.size_bytes);
  io(file.mtime_ns);
  io(file.ctime_ns);
  io(file.inode);
  io(file.uid);
}

template <class Io>
void Fields(Io& io, OpFailure& failure) {
  io(failure.stage);
  io(failure.op);
  io(failure.status);
}

template <class Io>
void Fields(Io& io, Accepted& e) {
  io(e.conn);
  Fields(io, e.peer);
  Fields(io, e.tls);
}
template <class Io>
void Fields(Io& io, Received& e) {
  io(e.conn);
  io(e.bytes);
}
template <class Io>
void Fields(Io& io, Drained& e) {
  io(e.conn);
}
template <class Io>
void Fields(Io& io, CertificateFacts::Link& link) {
  io(link.certificate);
  io(link.public_key);
  io(link.would_anchor);
}
template <class Io>
void Fields(Io& io, CertificateFacts& certificate) {
  io.List(certificate.dns_names);
  io.List(certificate.ip_addresses);
  io(certificate.common_name);
  io(certificate.chain_trusted);
  io(certificate.certificate_digest);
  io(certificate.key_digest);
  io.List(certificate.chain);
}
template <class Io>
void Fields(Io& io, TlsReady& e) {
  io(e.conn);
  Fields(io, e.facts);
  bool shown = e.certificate != nullptr;
  io(shown);
  if (!shown) return;
  auto certificate = std::make_shared<CertificateFacts>(e.certificate == nullptr ? CertificateFacts() : *e.certificate);
  Fields(io, *certificate);
  e.certificate = std::move(certificate);
}
template <class Io>
void Fields(Io& io, PeerClosed& e) {
  io(e.conn);
  io(e.why);
}
template <class Io>
void Fields(Io& io, ConnectDone& e) {
  Fields(io, e.op);
  io(e.status);
  io(e.conn);
  Fields(io, e.local);
}
template <class Io>
void Fields(Io& io, Adopted& e) {
  io(e.conn);
  Fields(io, e.peer);
  Fields(io, e.tls);
  Fields(io, e.login);
  io(e.unread);
}
template <class Io>
void Fields(Io& io, TimerFired& e) {
  Fields(io, e.op);
}
template <class Io>
void Fields(Io& io, PlanDone& e) {
  Fields(io, e.op);
  io.List(e.result.failures);
}
template <class Io>
void Fields(Io& io, ReadDone& e) {
  Fields(io, e.op);
  io(e.status);
  io(e.bytes);
  io(e.file_bytes);
  io(e.mtime_seconds);
  io(e.inode);
}
template <class Io>
void Fields(Io& io, ScanDone& e) {
  Fields(io, e.op);
  io(e.status);
  io.List(e.entries);
  io(e.mtime_ns);
}
template <class Io>
void Fields(Io& io, StatDone& e) {
  Fields(io, e.op);
  io.List(e.files);
}
template <class Io>
void Fields(Io& io, DirChanged& e) {
  Fields(io, e.op);
}
template <class Io>
void Fields(Io& io, PasswordChecked& e) {
  io(e.matches);
  io(e.status);
}
template <class Io>
void Fields(Io& io, ClientName& e) {
  io(e.name);
  io(e.reverse);
  io(e.temporary);
}
template <class Io>
void Fields(Io& io, MxRecord& record) {
  io(record.preference);
  io(record.host);
}
template <class Io>
void Fields(Io& io, TlsaRecord& record) {
  io(record.usage);
  io(record.selector);
  io(record.matching_type);
  io(record.data);
}
template <class Io>
void Fields(Io& io, DnsReply& e) {
  io(e.outcome);
  io(e.secure);
  io(e.canonical_name);
  io.List(e.mx);
  io.List(e.addresses);
  io.List(e.tlsa);
}
template <class Io>
void Fields(Io& io, ProgramEnded& e) {
  io(e.how);
  io(e.number);
  io(e.output);
}
template <class Io>
void Fields(Io& io, Arrived& letter) {
  io(letter.user);
  io(letter.mailbox_dir);
}
template <class Io>
void Fields(Io& io, Queued& letter) {
  io(letter.id);
}
template <class Io>
void Fields(Io& io, FlushSite& letter) {
  io(letter.domain);
}
template <class Io>
void Fields(Io& io, Continue& e) {
  io(e.machine);
}
template <class Io>
void Fields(Io&, Shutdown&) {}

// ---- variants: the alternative's number, then its fields ----
template <class... Ts>
void Alternative(Writer& io, std::variant<Ts...>& variant) {
  uint32_t kind = static_cast<uint32_t>(variant.index());
  io(kind);
  std::visit([&io](auto& each) { Fields(io, each); }, variant);
}
template <size_t index = 0, class... Ts>
void Emplace(Reader& io, uint32_t kind, std::variant<Ts...>& variant) {
  if constexpr (index < sizeof...(Ts)) {
    if (kind == index) return Fields(io, variant.template emplace<index>());
    Emplace<index + 1>(io, kind, variant);
  } else {
    io.Fail();
  }
}
template <class... Ts>
void Alternative(Reader& io, std::variant<Ts...>& variant) {
  uint32_t kind = 0;
  io(kind);
  Emplace(io, kind, variant);
}

template <class Io>
void Fields(Io& io, Answer& e) {
  Fields(io, e.op);
  Alternative(io, e.reply);
}
template <class Io>
void Fields(Io& io, Posted& e) {
  io(e.from);
  Alternative(io, e.letter);
}

// ---- the events by name ---------------------------------------------------------------------------------------------

template <class E>
constexpr std::string_view NameOf() {
  if constexpr (std::is_same_v<E, Accepted>)
    return "Accepted";
  else if constexpr (std::is_same_v<E, Received>)
    return "Received";
  else if constexpr (std::is_same_v<E, Drained>)
    return "Drained";
  else if constexpr (std::is_same_v<E, TlsReady>)
    return "TlsReady";
  else if constexpr (std::is_same_v<E, PeerClosed>)
    return "PeerClosed";
  else if constexpr (std::is_same_v<E, ConnectDone>)
    return "ConnectDone";
  else if constexpr (std::is_same_v<E, Adopted>)
    return "Adopted";
  else if constexpr (std::is_same_v<E, TimerFired>)
    return "TimerFired";
  else if constexpr (std::is_same_v<E, PlanDone>)
    return "PlanDone";
  else if constexpr (std::is_same_v<E, ReadDone>)
    return "ReadDone";
  else if constexpr (std::is_same_v<E, ScanDone>)
    return "ScanDone";
  else if constexpr (std::is_same_v<E, StatDone>)
    return "StatDone";
  else if constexpr (std::is_same_v<E, DirChanged>)
    return "DirChanged";
  else if constexpr (std::is_same_v<E, Answer>)
    return "Answer";
  else if constexpr (std::is_same_v<E, Posted>)
    return "Posted";
  else if constexpr (std::is_same_v<E, ConfigChanged>)
    return "ConfigChanged";
  else if constexpr (std::is_same_v<E, Continue>)
    return "Continue";
  else if constexpr (std::is_same_v<E, Shutdown>)
    return "Shutdown";
}

// Parses where `name` is that of the event `index` of the variant, else tries the next.
template <size_t index = 0>
bool ParseNamed(std::string_view name, Reader& reader, ParsedEvent* parsed) {
  if constexpr (index < std::variant_size_v<Event>) {
    using E = std::variant_alternative_t<index, Event>;
    if (name != NameOf<E>()) return ParseNamed<index + 1>(name, reader, parsed);
    E& event = parsed->event.emplace<E>();
    if constexpr (std::is_same_v<E, ConfigChanged>) {
      reader(parsed->generation);
    } else {
      Fields(reader, event);
    }
    return reader.done();
  } else {
    return false;
  }
}

}  // namespace

std::string EncodeField(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  if (bytes.empty()) return "%";
  std::string field;
  field.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte > ' ' && byte < 0x7f && c != '%') {
      field += c;
    } else {
      field += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return field;
}

StatusOr<std::string> DecodeField(std::string_view field) {
  if (field == "%") return std::string();
  std::string bytes;
  bytes.reserve(field.size());
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] != '%') {
      bytes += field[i];
      continue;
    }
    uint8_t byte = 0;
    const char* const digits = field.data() + i + 1;
    if (i + 2 >= field.size() || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) {
      return InvalidArgument("a broken escape");
    }
    bytes += static_cast<char>(byte);
    i += 2;
  }
  return bytes;
}

std::string FormatEvent(const Event& event, uint64_t generation) {
  return std::visit(
      [generation](const auto& each) {
        using E = std::decay_t<decltype(each)>;
        Writer writer(NameOf<E>());
        if constexpr (std::is_same_v<E, ConfigChanged>) {
          uint64_t number = generation;
          writer(number);
        } else {
          E copy = each;  // the lists of fields serve reading, too
          Fields(writer, copy);
        }
        return writer.Take();
      },
      event);
}

StatusOr<ParsedEvent> ParseEvent(std::string_view line) {
  Reader reader(line);
  const std::string_view name = reader.Word();
  ParsedEvent parsed;
  if (!ParseNamed(name, reader, &parsed))
    return InvalidArgument("no event: \"" + std::string(line.substr(0, 60)) + "\"");
  parsed.bytes = reader.owned();
  return parsed;
}

}  // namespace postern
