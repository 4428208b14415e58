// Goal: the addresses of an envelope are those Dovecot shows. Method: the examples of RFC 5322 appendix A, then what is
// broken.
#include "core/message/address.h"

#include <gtest/gtest.h>

namespace postern::message {
namespace {

// name|route|mailbox|host, "-" for what is not there, "!" behind what is invalid.
std::string Parsed(std::string_view value, const AddressOptions& options = {}) {
  std::string out;
  const auto text = [&](const std::optional<std::string>& field) { return field.value_or("-"); };
  for (const Address& a : ParseAddressList(value, options)) {
    if (!out.empty()) out += " / ";
    out += text(a.name) + "|" + text(a.route) + "|" + text(a.mailbox) + "|" + text(a.host) + (a.invalid ? "!" : "");
  }
  return out;
}

TEST(Address, ReadsTheExamplesOfRfc5322) {
  EXPECT_EQ(Parsed("John Doe <jdoe@machine.example>"), "John Doe|-|jdoe|machine.example");
  EXPECT_EQ(Parsed("\"Joe Q. Public\" <john.q.public@example.com>"), "Joe Q. Public|-|john.q.public|example.com");
  EXPECT_EQ(Parsed("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"),
            "Mary Smith|-|mary|x.test / -|-|jdoe|example.org / Who?|-|one|y.test");
  EXPECT_EQ(Parsed("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>"),
            "-|-|boss|nil.test / Giant; \"Big\" Box|-|sysservices|example.net");
  EXPECT_EQ(Parsed("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;"),
            "-|-|A Group|- / Ed Jones|-|c|a.test / -|-|joe|where.test / John|-|jdoe|one.test / -|-|-|-");
  EXPECT_EQ(Parsed("Undisclosed recipients:;"), "-|-|Undisclosed recipients|- / -|-|-|-");
  EXPECT_EQ(Parsed("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"), "Pete|-|pete|silly.test");
  // Appendix A.6: obsolete routes, spaces around dots.
  EXPECT_EQ(Parsed("Joe Q. Public <john.q.public@example.com>"), "Joe Q. Public|-|john.q.public|example.com");
  EXPECT_EQ(Parsed("Mary Smith <@node.test,@other.test:mary@example.net>, , jdoe@test . example"),
            "Mary Smith|@node.test,@other.test|mary|example.net / -|-||! / -|-|jdoe|test.example");
}

TEST(Address, ANameMayStandInAComment) {
  EXPECT_EQ(Parsed("jdoe@example.org (John \\(J\\) Doe)"), "John (J) Doe|-|jdoe|example.org");
}

TEST(Address, KeepsDomainLiteralsAndQuotedLocalParts) {
  EXPECT_EQ(Parsed("\"a b\"@[192.0.2.1]"), "-|-|a b|[192.0.2.1]");
  EXPECT_EQ(Parsed("x..y.@z"), "-|-|x..y.|z");
}

TEST(Address, ShowsFragmentsOfWhatIsBroken) {
  EXPECT_EQ(Parsed("just some words"), "just some words|-||!");
  EXPECT_EQ(Parsed("root"), "-|-|root|!");
  EXPECT_EQ(Parsed("root", {.fill_missing = true}), "-|-|root|MISSING_DOMAIN!");
  EXPECT_EQ(Parsed("a <b"), "a|-|b|!");
  EXPECT_EQ(Parsed("a <b@c", {.fill_missing = true}), "a|-|b|SYNTAX_ERROR!");
  EXPECT_EQ(Parsed(""), "");
  EXPECT_EQ(Parsed("(open"), "");
  EXPECT_EQ(Parsed("g: a@b"), "-|-|g|- / -|-|a|b / -|-|-|-!");
}

TEST(Address, CountIsBounded) {
  std::string many;
  for (int i = 0; i < 50; ++i) many += "a@b,";
  EXPECT_EQ(ParseAddressList(many, {.count_max = 10}).size(), 10u);
}

TEST(Address, WritesANormalForm) {
  const auto normal = [](std::string_view text) {
    std::string out;
    AppendAddressList(ParseAddressList(text), &out);
    return out;
  };
  EXPECT_EQ(normal("John   Doe <j.d@x>, (comment) k@y"), "\"John Doe\" <j.d@x>, <k@y>");
  EXPECT_EQ(normal("g:a@b;, h:;"), "g: <a@b>;, h:;");
  EXPECT_EQ(normal("=?utf-8?q?J=2E?= D <a@b>"), "=?utf-8?q?J=2E?= D <a@b>");
  EXPECT_EQ(MailboxOf(ParseAddressList("\"a b\"@c")[0]), "\"a b\"@c");
  EXPECT_EQ(MailboxOf(ParseAddressList("a.b@c")[0]), "a.b@c");
  EXPECT_EQ(MailboxOf(ParseAddressList("g:;")[0]), "");
}

}  // namespace
}  // namespace postern::message
