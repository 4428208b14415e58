// The arguments of the larger commands, a file each. Internal to the parser: ParseCommand() has read tag and name, and
// one space; each function here reads up to the end of the command, or fails with Scanner::error() set.
#pragma once

#include "core/imap/command.h"
#include "core/imap/parser_scanner.h"

namespace postern::imap {

// parser.cc
bool TakeSequenceSet(Scanner* in, std::string_view what_else, SequenceSet* set);
bool TakeMailbox(Scanner* in, std::string* mailbox);
// One flag; `\Recent` is dropped.
bool TakeFlag(Scanner* in, FlagList* flags);
// A list in parentheses.
bool TakeFlagList(Scanner* in, FlagList* flags);
// `(MESSAGES UNSEEN)`
bool TakeStatusItems(Scanner* in, StatusItems* items);

// parser_fetch.cc
bool TakeFetchArguments(Scanner* in, FetchCommand* fetch);
bool TakeStoreArguments(Scanner* in, StoreCommand* store);

// parser_search.cc
bool TakeSearchArguments(Scanner* in, SearchCommand* search);
bool TakeSortArguments(Scanner* in, SortCommand* sort);
bool TakeThreadArguments(Scanner* in, ThreadCommand* thread);

// parser_mailbox.cc
bool TakeSelectArguments(Scanner* in, SelectCommand* select);
bool TakeCreateArguments(Scanner* in, CreateCommand* create);
bool TakeListArguments(Scanner* in, ListCommand* list);
// From the mailbox to the announcement of the first message.
bool TakeAppendArguments(Scanner* in, AppendCommand* append);
// Flags, date and announcement of one message.
bool TakeAppendMessage(Scanner* in, AppendMessage* message);

}  // namespace postern::imap
