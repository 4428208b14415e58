// Laws of the auth socket. Lines: parsing gives back what was formatted, and nothing that comes in does harm. Machines:
// how the bytes are cut does not matter; after any beginning of a dialogue the machine is in order and still bounded;
// right passwords get in and wrong ones do not, whatever else is open; no secret leaves by a log, an error or a reply.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "tests/core/auth/auth_socket_fixture.h"

namespace postern::auth {
namespace {

constexpr std::string_view kCanary = "cAnArY7";  // in every password; its base64 depends on where it stands

rc::Gen<std::string> Texts() {
  return rc::gen::container<std::string>(
      rc::gen::weightedOneOf<char>({{3, rc::gen::elementOf(std::string("\0\1\t\r\n=0trn", 10))},
                                    {2, rc::gen::elementOf(std::string("abcxyz@.- "))},
                                    {1, rc::gen::arbitrary<char>()}}));
}
rc::Gen<std::string> FilledTexts() { return rc::gen::nonEmpty(Texts()); }

std::optional<IpAddress> AnyAddress() {
  return IpAddress::Parse(*rc::gen::element<std::string>("192.0.2.1", "127.0.0.1", "2001:db8::1", "::1", "none"));
}

AuthLine AnyAuth() {
  AuthLine line{.id = *rc::gen::inRange<uint32_t>(1, UINT32_MAX), .mechanism = *FilledTexts(), .service = *Texts()};
  line.local = AnyAddress();
  line.remote = AnyAddress();
  line.local_port = *rc::gen::arbitrary<uint16_t>();
  line.remote_port = *rc::gen::arbitrary<uint16_t>();
  line.transport =
      *rc::gen::element(AuthLine::Transport::kPlain, AuthLine::Transport::kSecured, AuthLine::Transport::kTls);
  line.session = *Texts();
  line.local_name = *Texts();
  line.certificate_user = *Texts();
  line.no_login = *rc::gen::arbitrary<bool>();
  line.no_penalty = *rc::gen::arbitrary<bool>();
  line.debug = *rc::gen::arbitrary<bool>();
  line.final_response_ok = *rc::gen::arbitrary<bool>();
  line.valid_client_certificate = *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) line.response = Secret(*Texts());
  return line;
}

ClientLine AnyClientLine() {
  switch (*rc::gen::inRange(0, 5)) {
    case 0:
      return VersionLine{*rc::gen::arbitrary<uint32_t>(), *rc::gen::arbitrary<uint32_t>()};
    case 1:
      return ClientProcessLine{*rc::gen::inRange<uint32_t>(1, UINT32_MAX)};
    case 2:
      return AnyAuth();
    case 3:
      return ContinueLine{.id = *rc::gen::arbitrary<uint32_t>(), .response = Secret(*Texts())};
    default:
      return CancelLine{*rc::gen::arbitrary<uint32_t>()};
  }
}

ServerLine AnyServerLine() {
  const auto id = *rc::gen::arbitrary<uint32_t>();
  const auto flag = [] { return *rc::gen::arbitrary<bool>(); };
  switch (*rc::gen::inRange(0, 10)) {
    case 0:
      return VersionLine{id, *rc::gen::arbitrary<uint32_t>()};
    case 1:
      return MechanismLine{*FilledTexts(), flag(), flag(), flag(), flag(), flag(), flag(), flag(), flag()};
    case 2:
      return ServerProcessLine{id};
    case 3:
      return ConnectionLine{id};
    case 4:
      return CookieLine{*Texts()};
    case 5:
      return DoneLine{};
    case 6:
      return ChallengeLine{id, *Texts()};
    case 7: {
      SuccessLine line{.id = id, .user = *Texts(), .original_user = *Texts(), .master_user = *Texts()};
      line.reason = *Texts();
      line.host = *Texts();
      line.no_login = flag();
      line.proxy = flag();
      line.anonymous = flag();
      if (flag()) line.final_response = *Texts();
      return line;
    }
    case 8:
      return FailureLine{.id = id,
                         .user = *Texts(),
                         .original_user = *Texts(),
                         .code = *rc::gen::element(FailureCode::kNone, FailureCode::kTemporary,
                                                   FailureCode::kAuthorizationDenied, FailureCode::kUserDisabled,
                                                   FailureCode::kPasswordExpired, FailureCode::kInvalidBase64),
                         .reason = *Texts()};
    default:
      return CancelledLine{id};
  }
}

std::string WithoutEnd(std::string_view line) {
  RC_ASSERT(line.ends_with('\n'));
  line.remove_suffix(1);
  RC_ASSERT(line.find_first_of(std::string_view("\n\r\0", 3)) == std::string_view::npos);
  return std::string(line);
}

RC_GTEST_PROP(AuthSocketLines, ServersLinesComeBack, ()) {
  const ServerLine line = AnyServerLine();
  const auto parsed = ParseServerLine(WithoutEnd(FormatServerLine(line)));
  RC_ASSERT(parsed.ok());
  RC_ASSERT(*parsed == line);
}

RC_GTEST_PROP(AuthSocketLines, ClientsLinesComeBack, ()) {
  const ClientLine line = AnyClientLine();
  const std::string text = WithoutEnd(FormatClientLine(line).Reveal());
  const auto parsed = ParseClientLine(text);
  RC_ASSERT(parsed.ok());
  RC_ASSERT(parsed->index() == line.index());
  // Secrets can't be compared; what is formatted can.
  RC_ASSERT(WithoutEnd(FormatClientLine(*parsed).Reveal()) == text);
  if (const auto* auth = std::get_if<AuthLine>(&line)) {
    const auto& back = std::get<AuthLine>(*parsed);
    RC_ASSERT(back.id == auth->id && back.mechanism == auth->mechanism && back.service == auth->service);
    RC_ASSERT(back.remote == auth->remote && back.local == auth->local && back.session == auth->session);
    RC_ASSERT(back.transport == auth->transport && back.no_penalty == auth->no_penalty);
    RC_ASSERT(back.response.has_value() == auth->response.has_value());
    if (auth->response) RC_ASSERT(std::string(back.response->Reveal()) == std::string(auth->response->Reveal()));
  }
  if (const auto* response = std::get_if<ContinueLine>(&line)) {
    RC_ASSERT(std::string(std::get<ContinueLine>(*parsed).response.Reveal()) ==
              std::string(response->response.Reveal()));
  }
}

RC_GTEST_PROP(AuthSocketLines, EscapingHidesAndComesBack, ()) {
  const std::string text = *Texts();
  const std::string escaped = EscapeTabs(text);
  RC_ASSERT(escaped.find_first_of(std::string_view("\0\t\r\n", 4)) == std::string::npos);
  RC_ASSERT(UnescapeTabs(escaped) == text);
}

// What is secret in the beginning of a line stays secret, and nothing that was shown becomes it.
RC_GTEST_PROP(AuthSocketLines, SecretsAreKnownFromTheBeginning, ()) {
  const std::string line = *rc::gen::element<std::string>("AUTH\t1\tPLAIN\tservice=smtp\tresp=AAAA", "CONT\t1\tAAAA",
                                                          "CANCEL\t1", "PASS\tx", "AUTH PLAIN AAAA") +
                           *Texts();
  const size_t whole = SecretBegin(line);
  for (size_t end = 0; end <= line.size(); ++end) {
    const size_t begin = SecretBegin(std::string_view(line).substr(0, end));
    RC_ASSERT(std::min(begin, end) == std::min(whole, end));
  }
}

// ---- the server

struct User {
  std::string name, password;
};
const std::vector<User>& Users() {
  static const std::vector<User> users = {{"alice@example.test", "a-" + std::string(kCanary)},
                                          {"dora@example.test", std::string(kCanary) + "-d"}};
  return users;
}
std::shared_ptr<FakeUsers> UserTable() {
  auto table = std::make_shared<FakeUsers>();
  table->Add(Users()[0].name, "{PLAIN}" + Users()[0].password);
  table->Add(Users()[1].name, "{PLAIN}" + Users()[1].password, {{"nodelay", ""}});
  return table;
}

// A line of a client that is mostly sane: known ids, right and wrong passwords, now and then nonsense.
std::string AnyDialogueLine() {
  const std::string id = std::to_string(*rc::gen::inRange(1, 5));
  const User user = *rc::gen::elementOf(Users());
  const std::string password = *rc::gen::arbitrary<bool>() ? user.password : "x" + std::string(kCanary);
  const std::string remote = *rc::gen::element<std::string>("", "\trip=192.0.2.1", "\trip=192.0.2.2", "\trip=::1");
  const std::string response = *rc::gen::element<std::string>(
      EncodeBase64(PlainMessage(user.name, password)), EncodeBase64(user.name), EncodeBase64(password), "", "=", "*");
  const std::string mechanism =
      *rc::gen::element<std::string>("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "DIGEST-MD5", "NO");
  switch (*rc::gen::weightedElement<int>({{6, 0}, {3, 1}, {4, 2}, {2, 3}, {1, 4}})) {
    case 0:
      return "AUTH\t" + id + "\tPLAIN\tservice=smtp" + remote +
             "\tresp=" + EncodeBase64(PlainMessage(user.name, password)) + "\n";
    case 1:
      // With the name at once: a password where a name belongs is taken for one, and names are not secret.
      if (mechanism == "LOGIN") {
        return "AUTH\t" + id + "\tLOGIN\tservice=smtp" + remote + "\tresp=" + EncodeBase64(user.name) + "\n";
      }
      return "AUTH\t" + id + "\t" + mechanism + "\tservice=smtp" + remote +
             (*rc::gen::arbitrary<bool>() ? "\tresp=" + response : "") + "\n";
    case 2:
      return "CONT\t" + id + "\t" + response + "\n";
    case 3:
      return "CANCEL\t" + id + "\n";
    default:
      return *rc::gen::element<std::string>("CONT\n", "\n", "PASS\t" + password + "\n", "AUTH\t" + id + "\n");
  }
}

std::string AnyDialogue() {
  std::string bytes;
  const int lines = *rc::gen::inRange(0, 12);
  for (int i = 0; i < lines; ++i) bytes += AnyDialogueLine();
  return bytes;
}

// All that must not be seen anywhere.
void AssertNoSecretIn(std::string_view text) {
  RC_ASSERT(text.find(kCanary) == std::string_view::npos);
  for (const User& user : Users()) RC_ASSERT(text.find(EncodeBase64(user.password)) == std::string_view::npos);
  RC_ASSERT(text.find(EncodeBase64("x" + std::string(kCanary))) == std::string_view::npos);
}

struct Heard {
  std::string sent, logs, close_reason;
  std::vector<uint64_t> tokens;
  std::set<size_t> secret_bytes;  // as offsets in the whole dialogue
  size_t fed = 0;

  void Add(const AuthSocketServer::Output& output) {
    sent += output.send;
    for (const auto& log : output.logs) logs += log.line.source + log.line.user + log.line.text + log.session + "\n";
    close_reason += output.close_reason;
    for (const auto& question : output.questions) tokens.push_back(question.token);
    for (const auto& secret : output.secrets) {
      for (size_t i = 0; i < secret.length_bytes; ++i) secret_bytes.insert(fed + secret.offset_bytes + i);
    }
  }
};

RC_GTEST_PROP(AuthSocketServerLaws, CutsDoNotMatter, ()) {
  const std::string bytes = "VERSION\t1\t4\nCPID\t7\n" + AnyDialogue();
  const config::Auth auth = AuthOf(UserTable());
  Heard heard[2];
  for (int run = 0; run < 2; ++run) {
    AuthSocketServer server(auth, {.open_requests_max = 3});
    Entropy entropy = TestEntropy();
    PenaltyTable penalty;
    const AuthSocketServer::Context context{.now = {}, .entropy = entropy, .penalty = penalty};
    heard[run].Add(server.Start(context));
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const size_t piece = run == 0 ? rest.size() : *rc::gen::inRange<size_t>(1, std::min<size_t>(rest.size(), 40) + 1);
      heard[run].Add(server.Feed(rest.substr(0, piece), context));
      heard[run].fed += piece;
      rest.remove_prefix(piece);
    }
  }
  RC_ASSERT(heard[0].sent == heard[1].sent);
  RC_ASSERT(heard[0].logs == heard[1].logs);
  RC_ASSERT(heard[0].close_reason == heard[1].close_reason);
  RC_ASSERT(heard[0].tokens == heard[1].tokens);
  RC_ASSERT(heard[0].secret_bytes == heard[1].secret_bytes);
}

// What the recorder keeps has no password in it, in whatever pieces it came.
RC_GTEST_PROP(AuthSocketServerLaws, NoSecretLeaves, ()) {
  const std::string bytes = AnyDialogue();
  ServerRun run({.open_requests_max = 3}, *rc::gen::inRange<uint32_t>(0, 5), UserTable());
  Heard heard;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const size_t piece = *rc::gen::inRange<size_t>(1, rest.size() + 1);
    const auto output = run.server().Feed(rest.substr(0, piece), run.Context());
    heard.Add(output);
    heard.fed += piece;
    AssertNoSecretIn(run.Answered({.questions = output.questions}));
    AssertNoSecretIn(run.Wait(Seconds(*rc::gen::inRange(0, 20))));
    rest.remove_prefix(piece);
  }
  AssertNoSecretIn(heard.sent);
  AssertNoSecretIn(heard.logs);
  AssertNoSecretIn(heard.close_reason);
  for (const auto& line : run.log()) AssertNoSecretIn(line);
  std::string kept;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (!heard.secret_bytes.contains(i)) kept += bytes[i];
  }
  AssertNoSecretIn(kept);
}

// Any beginning of a dialogue, then time: requests stay bounded, all but those that wait for a verdict end, the next
// instant is never in the past, and each id gets at most one verdict for each AUTH.
RC_GTEST_PROP(AuthSocketServerLaws, EveryBeginningEndsWell, ()) {
  std::string bytes = AnyDialogue();
  bytes.resize(*rc::gen::inRange<size_t>(0, bytes.size() + 1));
  ServerRun run({.open_requests_max = 3}, 0, UserTable());
  std::string sent = run.FeedOnly(bytes);
  const size_t pending = run.questions().size();
  RC_ASSERT(run.server().open_requests() <= 3u);
  RC_ASSERT(pending <= 3u);
  for (int i = 0; i < 10; ++i) {
    const auto next = run.server().NextInstant();
    if (next) RC_ASSERT(*next > run.Context().now.mono);
    if (!next) break;
    // Only what is due happens: nothing a moment before.
    const Duration left = *next - run.Context().now.mono;
    RC_ASSERT(run.Take(run.server().OnTime(run.Context())) == "");
    sent += run.Wait(left);
  }
  sent += run.Wait(Seconds(300));
  sent += run.Wait(Seconds(300));
  RC_ASSERT(run.server().open_requests() == 0u);
  const auto count = [](std::string_view text, std::string_view word) {
    size_t found = 0;
    for (size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) ++found;
    return found;
  };
  for (const char* id : {"1", "2", "3", "4"}) {
    const std::string fail_timed_out = "FAIL\t" + std::string(id) + "\treason=Authentication request timed out\n";
    const size_t verdicts = count(sent, "OK\t" + std::string(id) + "\t") +
                            count(sent, "FAIL\t" + std::string(id) + "\t") +
                            count(sent, "FAIL\t" + std::string(id) + "\n") - count(sent, fail_timed_out);
    RC_ASSERT(verdicts <= count(bytes, "AUTH\t" + std::string(id) + "\t"));
  }
}

RC_GTEST_PROP(AuthSocketServerLaws, OnlyRightPasswordsGetIn, ()) {
  ServerRun run({}, 0, UserTable());
  const int requests = *rc::gen::inRange(1, 8);
  std::string lines, sent;
  std::set<int> right;
  for (int id = 1; id <= requests; ++id) {
    const User user = *rc::gen::elementOf(Users());
    const bool is_right = *rc::gen::arbitrary<bool>();
    if (is_right) right.insert(id);
    lines += ServerRun::PlainLine(static_cast<uint32_t>(id), user.name, is_right ? user.password : "no" + user.password,
                                  "192.0.2." + std::to_string(*rc::gen::inRange(1, 3)));
  }
  sent = run.FeedOnly(lines);
  auto questions = run.questions();
  RC_ASSERT(questions.size() == static_cast<size_t>(requests));
  while (!questions.empty()) {  // the verdicts come in any order
    const size_t at = *rc::gen::inRange<size_t>(0, questions.size());
    const auto matches =
        VerifyStoredPassword(questions[at].stored.Reveal(), questions[at].password.Reveal(), questions[at].user);
    sent += run.Answer(questions[at].token, matches.ok() && *matches);
    questions.erase(questions.begin() + static_cast<std::ptrdiff_t>(at));
  }
  sent += run.Take(run.server().OnTime({.now = {.mono = Instant{} + Seconds(2), .wall = {}},
                                        .entropy = run.Context().entropy,
                                        .penalty = run.penalty()}));
  for (int id = 1; id <= requests; ++id) {
    RC_ASSERT((sent.find("OK\t" + std::to_string(id) + "\t") != std::string::npos) == right.contains(id));
    RC_ASSERT((sent.find("FAIL\t" + std::to_string(id) + "\t") != std::string::npos) == !right.contains(id));
  }
}

RC_GTEST_PROP(AuthSocketServerLaws, GarbageDoesNoHarm, ()) {
  ServerRun run({.open_requests_max = 2}, 0, UserTable());
  for (int i = 0; i < 3; ++i) {
    const std::string sent = run.Feed(*rc::gen::element<std::string>("", "AUTH\t1\t", "CONT\t1\t", "\n") + *Texts());
    RC_ASSERT(sent.find("OK\t") == std::string::npos);
  }
  RC_ASSERT(run.server().open_requests() <= 2u);
}

// ---- the client

constexpr std::string_view kHello = "VERSION\t1\t4\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0\nDONE\n";

RC_GTEST_PROP(AuthSocketClientLaws, CutsDoNotMatter, ()) {
  std::string bytes;
  const int lines = *rc::gen::inRange(0, 8);
  for (int i = 0; i < lines; ++i) {
    bytes +=
        *rc::gen::element<std::string>("CONT\t1\tYQ==\n", "CONT\t2\t\n", "OK\t1\tuser=a\n", "OK\t2\tuser=b\tnologin\n",
                                       "FAIL\t2\treason=x\n", "FAIL\t3\n", "CANCELLED\t1\n", "NEWS\n", "OK\tx\n", "\n");
  }
  std::vector<AuthSocketClient::Event> events[2];
  std::string reasons[2];
  for (int run = 0; run < 2; ++run) {
    AuthSocketClient client({});
    const auto feed = [&](std::string_view all) {
      while (!all.empty()) {
        const size_t piece = run == 0 ? all.size() : *rc::gen::inRange<size_t>(1, all.size() + 1);
        const auto output = client.Feed(all.substr(0, piece));
        events[run].insert(events[run].end(), output.events.begin(), output.events.end());
        reasons[run] += output.close_reason;
        all.remove_prefix(piece);
      }
    };
    feed(kHello);
    for (int i = 0; i < 3; ++i) RC_ASSERT(client.Begin({.mechanism = "PLAIN", .service = "smtp"}, nullptr).ok());
    feed(bytes);
    // Each request is heard of to its end, once.
    const auto lost = client.Lost("over");
    size_t ends = 0;
    for (const std::vector<AuthSocketClient::Event>* part : {&std::as_const(events[run]), &lost.events}) {
      ends += static_cast<size_t>(std::count_if(part->begin(), part->end(), [](const auto& event) {
        return std::holds_alternative<AuthSocketClient::Success>(event) ||
               std::holds_alternative<AuthSocketClient::Failure>(event);
      }));
    }
    RC_ASSERT(ends == 3u);
    RC_ASSERT(client.open_requests() == 0u);
  }
  RC_ASSERT(events[0] == events[1]);
  RC_ASSERT(reasons[0] == reasons[1]);
}

RC_GTEST_PROP(AuthSocketClientLaws, GarbageNeverGetsAnyoneIn, ()) {
  AuthSocketClient client({});
  client.Feed(kHello);
  RC_ASSERT(client.Begin({.mechanism = "PLAIN", .service = "smtp"}, nullptr).ok());
  const auto output = client.Feed(
      *rc::gen::element<std::string>("", "OK\t1", "FAIL\t1\t", "CONT\t1\t", "OK\t2\tuser=a\n") + *Texts() + "\n");
  for (const auto& event : output.events) {
    if (const auto* success = std::get_if<AuthSocketClient::Success>(&event)) {
      RC_ASSERT(!success->user.empty());
      RC_ASSERT(success->user.find_first_of(std::string_view("\0\r\n\t", 4)) == std::string::npos);
    }
    if (const auto* failure = std::get_if<AuthSocketClient::Failure>(&event)) {
      RC_ASSERT(failure->reason.find_first_of(std::string_view("\0\r\n\t", 4)) == std::string::npos);
    }
  }
}

// Our client at our server, through every mechanism, cut anywhere: the two sides mean the same.
RC_GTEST_PROP(AuthSocket, BothSidesUnderstandEachOther, ()) {
  const auto mechanism =
      *rc::gen::element<std::string>("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256");
  const bool is_right = *rc::gen::arbitrary<bool>();
  Entropy entropy = TestEntropy(*rc::gen::arbitrary<uint8_t>());
  ServerRun run({}, *rc::gen::inRange<uint32_t>(0, 5), UserTable());
  AuthSocketClient client({});
  client.Feed(run.hello());
  auto exchange = MakeClientExchange(mechanism, {.user = Users()[0].name,
                                                 .password = Secret(is_right ? Users()[0].password : "no"),
                                                 .service = "smtp",
                                                 .host_name = "mail.example.test"});
  AuthLine facts{.service = "smtp", .remote = AnyAddress()};
  facts.final_response_ok = *rc::gen::arbitrary<bool>();
  const auto event = Converse(client, run, *exchange, entropy, std::move(facts));
  RC_ASSERT(std::holds_alternative<AuthSocketClient::Success>(event) == is_right);
  RC_ASSERT(std::holds_alternative<AuthSocketClient::Failure>(event) == !is_right);
  if (is_right) RC_ASSERT(exchange->complete());
}

}  // namespace
}  // namespace postern::auth
