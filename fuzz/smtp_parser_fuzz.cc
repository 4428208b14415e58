// What stands between an SMTP client's bytes and the session: commands and their parameters, paths and addresses, the
// dot reader, the header filter. Cuts don't matter, what is written is read again, and the end of a message is found
// where RFC 5321 has it and nowhere else.
//
// Input: one character chooses what is read, some take one more for the size of pieces; the rest are the client's
// bytes.
#include <string>
#include <string_view>

#include "core/base/ip.h"
#include "core/routing/aliases.h"
#include "core/routing/lookup.h"
#include "core/routing/rewrite.h"
#include "core/smtp/command.h"
#include "core/smtp/dot_reader.h"
#include "core/smtp/header_filter.h"
#include "fuzz/fuzz.h"

namespace postern::smtp {
namespace {

using fuzz::InPieces;
using fuzz::Require;
using fuzz::RequireEqual;

void CheckCommand(std::string_view line) {
  const Command command = ParseCommand(line);
  Require(command.word.size() + command.arguments.size() <= line.size(), "a command is part of its line");
  Require(UpperName(command.verb).size() == LowerName(command.verb).size(), "a verb has two names");
  for (const bool offered : {false, true}) {
    MailParameters mail;
    if (!ParseMailParameters(command.arguments, {.smtputf8 = offered, .dsn = offered}, &mail)) {
      Require(offered || (!mail.smtputf8 && mail.ret == Return::kUnspecified && !mail.envelope_id),
              "only what was offered is taken");
    }
    RcptParameters rcpt;
    if (!ParseRcptParameters(command.arguments, offered, &rcpt)) {
      Require(offered || (rcpt.notify == kNotifyDefault && !rcpt.original_recipient), "only what was offered is taken");
      Require((rcpt.notify & kNotifyNever) == 0 || rcpt.notify == kNotifyNever, "NEVER stands alone");
    }
  }
  if (const auto bdat = ParseBdat(command.arguments)) {
    const auto again = ParseBdat(std::to_string(bdat->chunk_bytes) + (bdat->last ? " LAST" : ""));
    Require(again && again->chunk_bytes == bdat->chunk_bytes && again->last == bdat->last, "BDAT's count comes back",
            line);
  }
  if (const auto decoded = DecodeXtext(line)) {
    RequireEqual(DecodeXtext(EncodeXtext(*decoded)).value_or("(none)"), *decoded, "xtext comes back");
    for (const char c : *decoded)
      Require(static_cast<unsigned char>(c) >= 32 && c != 127, "no control characters come out of xtext");
  }
}

void CheckMailbox(const routing::Mailbox& mailbox, std::string_view from) {
  const std::string quoted = mailbox.Quoted();
  Require(quoted.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos, "an address is one line", from);
  const auto again = routing::ParseMailbox(quoted);
  Require(again.has_value(), "an address is read again", quoted);
  Require(*again == mailbox, "an address is read as it was written", quoted);
  if (!routing::IsUtf8(quoted)) return;  // tables may hold such addresses, clients may not send them
  const std::string bracketed = "<" + quoted + "> X";
  std::string_view path = bracketed;
  const auto taken = routing::TakePath(&path, routing::PathForm::kStrict);
  Require(taken && taken->mailbox == mailbox && !taken->null, "an address is a path in brackets", bracketed);
  RequireEqual(path, " X", "a path ends at its bracket");
}

void CheckAddress(std::string_view text) {
  for (const auto form : {routing::PathForm::kTolerant, routing::PathForm::kStrict}) {
    std::string_view rest = text;
    const auto path = routing::TakePath(&rest, form);
    if (!path) continue;
    Require(text.ends_with(rest), "what follows a path is the rest", text);
    if (path->null) continue;
    CheckMailbox(path->mailbox, text);
    config::Routing routing;
    routing.myorigin = routing.myhostname = "mail.example.test";
    routing.mydomain = "example.test";
    routing.append_dot_mydomain = true;
    routing.recipient_delimiter = "+-";
    const routing::Mailbox complete = routing::Complete(path->mailbox, routing);
    Require(complete.has_domain(), "a completed address has a domain", text);
    Require(routing::Complete(complete, routing) == complete, "a completed address is complete", text);
    const size_t at = routing::ExtensionStart(complete.local, routing.recipient_delimiter);
    Require(at == std::string_view::npos || (at > 0 && at < complete.local.size()), "an extension stands behind a user",
            text);
  }
  if (const auto mailbox = routing::ParseMailbox(text)) CheckMailbox(*mailbox, text);
  for (const std::string_view address : routing::SplitAddresses(text)) {
    Require(!address.empty() && text.find(address) != std::string_view::npos, "addresses are parts of the text", text);
  }
  if (const auto address = IpAddress::Parse(text))
    Require(IpAddress::Parse(address->ToString()) == address, "an IP address comes back", text);
  if (const auto network = Network::Parse(text))
    Require(network->Contains(network->address), "a network holds its address", text);
  (void)routing::IsAddressLiteral(text);
}

struct Read {
  std::string out;
  size_t consumed_bytes = 0;
  bool ended = false, refused = false, too_large = false;
};
Read ReadMessage(std::string_view bytes, DotReader reader, size_t piece_bytes) {
  Read read;
  bool more = true;
  InPieces(bytes, piece_bytes, [&](std::string_view piece) {
    if (!more) return;
    const size_t consumed = reader.Feed(piece, &read.out).consumed_bytes;
    Require(consumed <= piece.size(), "no more is read than there is");
    Require(consumed == piece.size() || reader.ended() || reader.refused(), "reading stops at the end only");
    read.consumed_bytes += consumed;
    more = !reader.ended() && !reader.refused();
  });
  if (more) reader.Finish(&read.out);
  read.ended = reader.ended();
  read.refused = reader.refused();
  read.too_large = reader.too_large();
  Require(read.out.size() <= 2 * bytes.size(), "what comes out is no longer than twice what went in");
  return read;
}

void CheckDotReader(fuzz::Input& input) {
  const size_t kind = input.Choose(8), piece_bytes = 1 + input.Choose(64);
  const std::string_view bytes = input.Rest();
  const auto policy = kind & 1 ? DotReader::BareLineEnd::kRefuse : DotReader::BareLineEnd::kNormalize;
  const auto framing = kind & 2 ? DotReader::Framing::kChunks : DotReader::Framing::kDots;
  const DotReader::Limits limits{.message_bytes_max = kind & 4 ? 100u : 0u};
  const Read whole = ReadMessage(bytes, DotReader(policy, limits, framing), SIZE_MAX / 4);
  const Read pieces = ReadMessage(bytes, DotReader(policy, limits, framing), piece_bytes);
  Require(whole.ended == pieces.ended && whole.refused == pieces.refused && whole.too_large == pieces.too_large,
          "cuts don't matter", bytes);
  if (whole.refused) return;  // a message refused is thrown away, up to wherever it was seen
  RequireEqual(whole.out, pieces.out, "cuts don't matter");
  Require(whole.consumed_bytes == pieces.consumed_bytes, "cuts don't matter", bytes);
  Require(limits.message_bytes_max == 0 || whole.out.size() <= limits.message_bytes_max,
          "no more than the limit comes out");
  if (framing == DotReader::Framing::kChunks) return Require(!whole.ended, "chunks don't end by themselves");
  // RFC 5321 section 4.5.2, as it stands there.
  const size_t end = bytes.starts_with(".\r\n")                          ? 3
                     : bytes.find("\r\n.\r\n") == std::string_view::npos ? 0
                                                                         : bytes.find("\r\n.\r\n") + 5;
  Require(whole.ended == (end != 0), "CRLF . CRLF ends a message, and nothing else", bytes);
  if (!whole.ended || whole.too_large) return;
  Require(whole.consumed_bytes == end, "a message ends at its dot", bytes);
  std::string stuffed;
  for (size_t i = 0; i < whole.out.size(); ++i) {
    if (whole.out[i] == '.' && (i == 0 || (i > 1 && whole.out[i - 1] == '\n' && whole.out[i - 2] == '\r')))
      stuffed += '.';
    stuffed += whole.out[i];
  }
  RequireEqual(ReadMessage(stuffed + ".\r\n", DotReader(policy, limits, framing), SIZE_MAX / 4).out, whole.out,
               "what is stuffed again is read again");
}

std::string Filtered(std::string_view bytes, const HeaderFilter::Options& options, size_t piece_bytes,
                     std::string* facts) {
  HeaderFilter filter(options);
  std::string out;
  InPieces(bytes, piece_bytes, [&](std::string_view piece) { filter.Feed(piece, &out); });
  filter.Finish(&out);
  *facts = std::to_string(filter.received_count()) + " " + filter.message_id();
  return out;
}

void CheckHeaderFilter(fuzz::Input& input) {
  const size_t kind = input.Choose(4), piece_bytes = 1 + input.Choose(64);
  const std::string_view bytes = input.Rest();
  HeaderFilter::Options options{.field_bytes_max = kind & 1 ? 80u : 102400u};
  if (kind & 2) {
    options.message_id = "<id@host>";
    options.date = "Mon, 1 Jan 2024 12:00:00 +0000";
    options.from = "a@b";
  }
  std::string facts, again_facts;
  const std::string whole = Filtered(bytes, options, SIZE_MAX / 4, &facts);
  RequireEqual(Filtered(bytes, options, piece_bytes, &again_facts), whole, "cuts don't matter");
  RequireEqual(again_facts, facts, "cuts don't matter for what is counted");
  Require(whole.size() <= bytes.size() + 200, "little is added");
  // What comes out is a message, so that going through once more changes nothing. Fields that were cut off may end in
  // bytes that read differently alone.
  if (options.field_bytes_max > bytes.size() + 200)
    RequireEqual(Filtered(whole, options, SIZE_MAX / 4, &again_facts), whole, "a filtered message passes");
}

void Run(fuzz::Input input) {
  switch (input.Choose(4)) {
    case 0:
      return CheckCommand(input.Rest());
    case 1:
      return CheckAddress(input.Rest());
    case 2:
      return CheckDotReader(input);
    default:
      return CheckHeaderFilter(input);
  }
}

}  // namespace
}  // namespace postern::smtp

POSTERN_FUZZ_TARGET(postern::smtp::Run)
