#include "core/auth/auth_socket_codec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "core/base/base64.h"

namespace postern::auth {
namespace {

constexpr size_t kCommandBytesMax = 7;  // a client's: "VERSION"

constexpr char kEscape = '\1';
constexpr std::array<std::pair<char, char>, 5> kEscaped = {
    {{'\0', '0'}, {'\1', '1'}, {'\t', 't'}, {'\r', 'r'}, {'\n', 'n'}}};

constexpr std::array<std::pair<FailureCode, std::string_view>, 5> kCodes = {{
    {FailureCode::kTemporary, "temp_fail"},
    {FailureCode::kAuthorizationDenied, "authz_fail"},
    {FailureCode::kUserDisabled, "user_disabled"},
    {FailureCode::kPasswordExpired, "pass_expired"},
    {FailureCode::kInvalidBase64, "invalid_base64"},
}};
// Before there was code=, they were flags; Exim still looks for "temp".
constexpr std::array<std::pair<FailureCode, std::string_view>, 4> kCodeFlags = {{
    {FailureCode::kTemporary, "temp"},
    {FailureCode::kAuthorizationDenied, "authz"},
    {FailureCode::kUserDisabled, "user_disabled"},
    {FailureCode::kPasswordExpired, "pass_expired"},
}};

constexpr std::array<std::pair<std::string_view, bool MechanismLine::*>, 8> kMechanismFlags = {{
    {"anonymous", &MechanismLine::anonymous},
    {"plaintext", &MechanismLine::plaintext},
    {"dictionary", &MechanismLine::dictionary},
    {"active", &MechanismLine::active},
    {"forward-secrecy", &MechanismLine::forward_secrecy},
    {"mutual-auth", &MechanismLine::mutual_auth},
    {"channel-binding", &MechanismLine::channel_binding},
    {"private", &MechanismLine::is_private},
}};

// The text before the next TAB, which goes with it. False: there is nothing left, not even an empty field.
class Fields {
 public:
  explicit Fields(std::string_view line) : rest_(line) {}

  std::optional<std::string_view> Next() {
    if (at_end_) return std::nullopt;
    const size_t tab = rest_.find('\t');
    const std::string_view field = rest_.substr(0, tab);
    at_end_ = tab == std::string_view::npos;
    rest_ = at_end_ ? std::string_view() : rest_.substr(tab + 1);
    return field;
  }
  std::string_view rest() const { return rest_; }
  bool at_end() const { return at_end_; }

 private:
  std::string_view rest_;
  bool at_end_ = false;
};

template <class T>
bool ParseNumber(std::optional<std::string_view> text, T* number) {
  if (!text || text->empty()) return false;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  return error == std::errc() && end == text->data() + text->size();
}

// "name=value" or "name".
struct Parameter {
  std::string_view name;
  std::string value;
};
Parameter ParameterOf(std::string_view field) {
  const size_t equals = field.find('=');
  if (equals == std::string_view::npos) return {.name = field, .value = {}};
  return {.name = field.substr(0, equals), .value = UnescapeTabs(field.substr(equals + 1))};
}

Status Broken(std::string_view command, std::string_view why) {
  return InvalidArgument("auth socket: broken " + std::string(command) + ": " + std::string(why));
}

StatusOr<VersionLine> ParseVersion(Fields fields) {
  VersionLine line;
  if (!ParseNumber(fields.Next(), &line.major_number) || !ParseNumber(fields.Next(), &line.minor_number) ||
      !fields.at_end()) {
    return Broken("VERSION", "two numbers are needed");
  }
  return line;
}

void SetAuthParameter(Parameter parameter, AuthLine* line) {
  const std::string_view name = parameter.name;
  std::string& value = parameter.value;
  if (name == "service") line->service = std::move(value);
  if (name == "lip") line->local = IpAddress::Parse(value);
  if (name == "rip") line->remote = IpAddress::Parse(value);
  if (name == "lport" && !ParseNumber<uint16_t>(value, &line->local_port)) line->local_port = 0;
  if (name == "rport" && !ParseNumber<uint16_t>(value, &line->remote_port)) line->remote_port = 0;
  if (name == "session") line->session = std::move(value);
  if (name == "local_name") line->local_name = std::move(value);
  if (name == "cert_username") line->certificate_user = std::move(value);
  if (name == "nologin") line->no_login = true;
  if (name == "no-penalty") line->no_penalty = true;
  if (name == "debug") line->debug = true;
  if (name == "final-resp-ok") line->final_response_ok = true;
  if (name == "valid-client-cert") line->valid_client_certificate = true;
  // Several ways to say it; none takes back what another said.
  if (name == "secured" || (name == "transport" && value == "trusted")) {
    const auto said = value == "tls" ? AuthLine::Transport::kTls : AuthLine::Transport::kSecured;
    line->transport = std::max(line->transport, said);
  }
  if (name == "transport" && value == "TLS") line->transport = AuthLine::Transport::kTls;
}

StatusOr<AuthLine> ParseAuth(Fields fields) {
  AuthLine line;
  if (!ParseNumber(fields.Next(), &line.id) || line.id == 0) return Broken("AUTH", "the id is not a number from 1 up");
  const auto mechanism = fields.Next();
  if (!mechanism || mechanism->empty()) return Broken("AUTH", "no mechanism");
  line.mechanism = UnescapeTabs(*mechanism);
  bool has_service = false;
  while (const auto field = fields.Next()) {
    if (field->starts_with("resp=")) {
      // It must be last: a base64 text that was passed on unseen could bring parameters of its own.
      if (!fields.at_end()) return Broken("AUTH", "parameters after resp");
      line.response = Secret(UnescapeTabs(field->substr(5)));
      break;
    }
    has_service = has_service || field->starts_with("service=");
    SetAuthParameter(ParameterOf(*field), &line);
  }
  if (!has_service) return Broken("AUTH", "no service");
  return line;
}

StatusOr<ContinueLine> ParseContinue(Fields fields) {
  ContinueLine line;
  if (!ParseNumber(fields.Next(), &line.id)) return Broken("CONT", "the id is not a number");
  if (fields.at_end()) return Broken("CONT", "no data");
  // All of it: with a TAB inside it is no base64, and nobody can smuggle a parameter in.
  line.response = Secret(UnescapeTabs(fields.rest()));
  return line;
}

StatusOr<MechanismLine> ParseMechanism(Fields fields) {
  MechanismLine line;
  const auto name = fields.Next();
  if (!name || name->empty()) return Broken("MECH", "no name");
  line.name = UnescapeTabs(*name);
  while (const auto field = fields.Next()) {
    for (const auto& [flag, member] : kMechanismFlags) {
      if (*field == flag) line.*member = true;
    }
  }
  return line;
}

StatusOr<ChallengeLine> ParseChallenge(Fields fields) {
  ChallengeLine line;
  if (!ParseNumber(fields.Next(), &line.id)) return Broken("CONT", "the id is not a number");
  const auto data = fields.Next();
  if (!data) return Broken("CONT", "no data");
  auto challenge = DecodeBase64(*data);
  if (!challenge) return Broken("CONT", "the challenge is not in base64");
  line.challenge = *std::move(challenge);
  return line;
}

StatusOr<SuccessLine> ParseSuccess(Fields fields) {
  SuccessLine line;
  if (!ParseNumber(fields.Next(), &line.id)) return Broken("OK", "the id is not a number");
  while (const auto field = fields.Next()) {
    Parameter parameter = ParameterOf(*field);
    if (parameter.name == "user") line.user = std::move(parameter.value);
    if (parameter.name == "original_user") line.original_user = std::move(parameter.value);
    if (parameter.name == "auth_user") line.master_user = std::move(parameter.value);
    if (parameter.name == "reason") line.reason = std::move(parameter.value);
    if (parameter.name == "host") line.host = std::move(parameter.value);
    // Only that they are there counts, whatever their value.
    if (parameter.name == "nologin") line.no_login = true;
    if (parameter.name == "proxy" || parameter.name == "proxy_maybe") line.proxy = true;
    if (parameter.name == "anonymous") line.anonymous = true;
    if (parameter.name == "resp") {
      line.final_response = DecodeBase64(parameter.value);
      if (!line.final_response) return Broken("OK", "resp is not in base64");
    }
  }
  return line;
}

StatusOr<FailureLine> ParseFailure(Fields fields) {
  FailureLine line;
  if (!ParseNumber(fields.Next(), &line.id)) return Broken("FAIL", "the id is not a number");
  while (const auto field = fields.Next()) {
    Parameter parameter = ParameterOf(*field);
    if (parameter.name == "user") line.user = std::move(parameter.value);
    if (parameter.name == "original_user") line.original_user = std::move(parameter.value);
    if (parameter.name == "reason") line.reason = std::move(parameter.value);
    for (const auto& [code, text] : kCodes) {
      if (parameter.name == "code" && parameter.value == text) line.code = code;
    }
    for (const auto& [code, flag] : kCodeFlags) {
      if (*field == flag) line.code = code;
    }
  }
  return line;
}

// For lines of a command and one number.
template <class Line, class Parsed>
StatusOr<Parsed> ParseOneNumber(std::string_view command, Fields fields, uint32_t Line::*member, uint32_t least) {
  Line line;
  if (!ParseNumber(fields.Next(), &(line.*member)) || line.*member < least) {
    return Broken(command, "the number is none, or too small");
  }
  return Parsed(line);
}

template <class Variant, class Line>
StatusOr<Variant> Widen(StatusOr<Line> line) {
  if (!line.ok()) return line.status();
  return Variant(*std::move(line));
}

// Builds a line; values are escaped.
class Writer {
 public:
  explicit Writer(std::string_view command) : line_(command) {}

  Writer& Word(std::string_view text) {
    line_ += '\t';
    line_ += EscapeTabs(text);
    return *this;
  }
  Writer& Number(uint32_t number) { return Word(std::to_string(number)); }
  Writer& Flag(std::string_view name, bool is_set) { return is_set ? Word(name) : *this; }
  // Left out where `value` is empty.
  Writer& Field(std::string_view name, std::string_view value) {
    return value.empty() ? *this : FieldEvenEmpty(name, value);
  }
  Writer& FieldEvenEmpty(std::string_view name, std::string_view value) {
    line_ += '\t';
    line_ += name;
    line_ += '=';
    line_ += EscapeTabs(value);
    return *this;
  }
  std::string End() {
    line_ += '\n';
    return std::move(line_);
  }

 private:
  std::string line_;
};

std::string Format(const VersionLine& line) {
  return Writer("VERSION").Number(line.major_number).Number(line.minor_number).End();
}
std::string Format(const ClientProcessLine& line) { return Writer("CPID").Number(line.process_id).End(); }
std::string Format(const CancelLine& line) { return Writer("CANCEL").Number(line.id).End(); }
std::string Format(const ContinueLine& line) {
  return Writer("CONT").Number(line.id).Word(line.response.Reveal()).End();
}
std::string Format(const AuthLine& line) {
  Writer writer("AUTH");
  writer.Number(line.id).Word(line.mechanism).FieldEvenEmpty("service", line.service);
  writer.Flag("nologin", line.no_login);
  if (line.local) writer.Field("lip", line.local->ToString());
  if (line.remote) writer.Field("rip", line.remote->ToString());
  if (line.local_port != 0) writer.Field("lport", std::to_string(line.local_port));
  if (line.remote_port != 0) writer.Field("rport", std::to_string(line.remote_port));
  writer.Flag("secured", line.transport == AuthLine::Transport::kSecured);
  writer.Flag("secured=tls", line.transport == AuthLine::Transport::kTls);
  writer.Field("session", line.session).Field("local_name", line.local_name);
  writer.Field("cert_username", line.certificate_user).Flag("valid-client-cert", line.valid_client_certificate);
  writer.Flag("no-penalty", line.no_penalty).Flag("debug", line.debug);
  writer.Flag("final-resp-ok", line.final_response_ok);
  if (line.response) writer.FieldEvenEmpty("resp", line.response->Reveal());
  return writer.End();
}

std::string Format(const MechanismLine& line) {
  Writer writer("MECH");
  writer.Word(line.name);
  for (const auto& [flag, member] : kMechanismFlags) writer.Flag(flag, line.*member);
  return writer.End();
}
std::string Format(const ServerProcessLine& line) { return Writer("SPID").Number(line.process_id).End(); }
std::string Format(const ConnectionLine& line) { return Writer("CUID").Number(line.connection_id).End(); }
std::string Format(const CookieLine& line) { return Writer("COOKIE").Word(line.cookie).End(); }
std::string Format(const DoneLine&) { return Writer("DONE").End(); }
std::string Format(const ChallengeLine& line) {
  return Writer("CONT").Number(line.id).Word(EncodeBase64(line.challenge)).End();
}
std::string Format(const SuccessLine& line) {
  Writer writer("OK");
  writer.Number(line.id).Field("user", line.user).Field("original_user", line.original_user);
  writer.Field("auth_user", line.master_user).Flag("anonymous", line.anonymous).Flag("nologin", line.no_login);
  writer.Flag("proxy", line.proxy).Field("host", line.host).Field("reason", line.reason);
  if (line.final_response) writer.FieldEvenEmpty("resp", EncodeBase64(*line.final_response));
  return writer.End();
}
std::string Format(const FailureLine& line) {
  Writer writer("FAIL");
  writer.Number(line.id).Field("user", line.user).Field("original_user", line.original_user);
  for (const auto& [code, flag] : kCodeFlags) writer.Flag(flag, code == line.code);
  for (const auto& [code, text] : kCodes) writer.Field("code", code == line.code ? text : "");
  return writer.Field("reason", line.reason).End();
}
std::string Format(const CancelledLine& line) { return Writer("CANCELLED").Number(line.id).End(); }

}  // namespace

StatusOr<ClientLine> ParseClientLine(std::string_view line) {
  Fields fields(line);
  const std::string_view command = *fields.Next();
  if (command == "VERSION") return Widen<ClientLine>(ParseVersion(fields));
  if (command == "CPID") {
    return ParseOneNumber<ClientProcessLine, ClientLine>(command, fields, &ClientProcessLine::process_id, 1);
  }
  if (command == "AUTH") return Widen<ClientLine>(ParseAuth(fields));
  if (command == "CONT") return Widen<ClientLine>(ParseContinue(fields));
  if (command == "CANCEL") return ParseOneNumber<CancelLine, ClientLine>(command, fields, &CancelLine::id, 0);
  return InvalidArgument("auth socket: unknown command");
}

StatusOr<ServerLine> ParseServerLine(std::string_view line) {
  Fields fields(line);
  const std::string_view command = *fields.Next();
  if (command == "VERSION") return Widen<ServerLine>(ParseVersion(fields));
  if (command == "MECH") return Widen<ServerLine>(ParseMechanism(fields));
  if (command == "SPID") {
    return ParseOneNumber<ServerProcessLine, ServerLine>(command, fields, &ServerProcessLine::process_id, 0);
  }
  if (command == "CUID") {
    return ParseOneNumber<ConnectionLine, ServerLine>(command, fields, &ConnectionLine::connection_id, 0);
  }
  if (command == "COOKIE") return ServerLine(CookieLine{UnescapeTabs(fields.Next().value_or(""))});
  if (command == "DONE") return ServerLine(DoneLine{});
  if (command == "CONT") return Widen<ServerLine>(ParseChallenge(fields));
  if (command == "OK") return Widen<ServerLine>(ParseSuccess(fields));
  if (command == "FAIL") return Widen<ServerLine>(ParseFailure(fields));
  if (command == "CANCELLED") return ParseOneNumber<CancelledLine, ServerLine>(command, fields, &CancelledLine::id, 0);
  return NotFound("auth socket: unknown command");
}

Secret FormatClientLine(const ClientLine& line) {
  return std::visit([](const auto& value) { return Secret(Format(value)); }, line);
}

std::string FormatServerLine(const ServerLine& line) {
  return std::visit([](const auto& value) { return Format(value); }, line);
}

size_t SecretBegin(std::string_view line) {
  const size_t command_end = line.find('\t');
  // Something else than this protocol, "AUTH PLAIN ..." by a client at the wrong door: its first word may be seen.
  if (std::min(command_end, line.size()) > kCommandBytesMax) return kCommandBytesMax;
  if (command_end == std::string_view::npos) return std::string_view::npos;
  const std::string_view command = line.substr(0, command_end);
  if (command == "VERSION" || command == "CPID" || command == "CANCEL") return std::string_view::npos;
  if (command == "AUTH") {
    const size_t response = line.find("\tresp=");
    return response == std::string_view::npos ? response : response + 6;
  }
  if (command == "CONT") {
    const size_t id_end = line.find('\t', command_end + 1);
    return id_end == std::string_view::npos ? id_end : id_end + 1;
  }
  return command_end + 1;
}

SecretSpan SecretInReply(std::string_view line) {
  size_t begin = std::string_view::npos;
  if (line.starts_with("CONT\t")) {
    begin = line.find('\t', 5);
    if (begin != std::string_view::npos) ++begin;
  } else if (line.starts_with("OK\t")) {
    constexpr std::string_view kPassword = "\tpass=";
    begin = line.find(kPassword);
    if (begin != std::string_view::npos) begin += kPassword.size();
  }
  if (begin == std::string_view::npos) return {};
  return {.begin = begin, .end = std::min(line.find('\t', begin), line.size())};
}

std::string EscapeTabs(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto found =
        std::find_if(kEscaped.begin(), kEscaped.end(), [c](const auto& pair) { return pair.first == c; });
    if (found != kEscaped.end()) out += kEscape;
    out += found == kEscaped.end() ? c : found->second;
  }
  return out;
}

std::string UnescapeTabs(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != kEscape) {
      out += text[at];
    } else if (++at < text.size()) {
      const char c = text[at];
      const auto found =
          std::find_if(kEscaped.begin(), kEscaped.end(), [c](const auto& pair) { return pair.second == c; });
      out += found == kEscaped.end() ? c : found->first;
    }
  }
  return out;
}

std::optional<std::string_view> AuthLineReader::Next(std::string_view* in) {
  if (given_) Forget();
  if (too_long_) return std::nullopt;
  const size_t line_end = in->find('\n');
  const std::string_view part = in->substr(0, line_end);
  if (pending_.size() + part.size() >= kAuthLineBytesMax) {
    too_long_ = true;
    return std::nullopt;
  }
  // At once as large as it can get: growing step by step would leave copies behind that nobody wipes.
  pending_.reserve(kAuthLineBytesMax);
  pending_ += part;
  in->remove_prefix(line_end == std::string_view::npos ? in->size() : line_end + 1);
  if (line_end == std::string_view::npos) return std::nullopt;
  given_ = true;
  std::string_view line = pending_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

void AuthLineReader::Forget() {
  volatile char* at = pending_.data();
  for (size_t i = 0; i < pending_.size(); ++i) at[i] = 0;
  pending_.clear();
  given_ = false;
}

}  // namespace postern::auth
