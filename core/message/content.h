// The Content-* fields of a part (RFC 2045, RFC 2183, RFC 3282, RFC 2557) and their parameters (RFC 2231).
#pragma once

#include <vector>

#include "core/message/header.h"
#include "core/message/lexer.h"
#include "core/message/mime.h"

namespace postern::message {

// Takes a field in, if it is one of Content-*. The first of a name counts; of Content-Disposition the first with
// parameters, and of Content-Transfer-Encoding the first that is a single token, as Dovecot has it.
void ParseContentField(const Field& field, Part* part);
// Content-* mean nothing in a message that is not MIME (RFC 2045 section 4).
void ForgetContentFields(Part* part);

// The parameters of a field, from behind its type: `; a=b; c*0=d; c*1=e`. What is broken is skipped. Continuations are
// joined (RFC 2231 section 3); those with a gap are given one by one, named as they were.
void ParseParameters(Lexer* lexer, std::vector<Parameter>* out);

}  // namespace postern::message
