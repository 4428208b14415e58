// A command that can't be answered at once: it waits for its account, or makes its answer in pieces. Owned by its
// session, one at a time; it ends by calling ImapSession::Finish (or Bye), after which nothing of it is called any
// more.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/imap/session.h"

namespace postern::imap {

class CommandRun {
 public:
  explicit CommandRun(ImapSession& session) : session_(session) {}
  virtual ~CommandRun() = default;
  CommandRun(const CommandRun&) = delete;
  CommandRun& operator=(const CommandRun&) = delete;

  virtual void Start(Context& context) = 0;
  virtual void OnCompletion(mailbox::Completion&, Context&) {}
  virtual void OnContinue(Context&) {}
  virtual void OnDrained(Context&) {}
  virtual void OnPlanDone(const PlanDone&, Context&) {}
  virtual void OnMailboxChanged(Context&) {}
  virtual void OnTimer(Context&) {}
  // Input while the command is under way (APPEND's messages, IDLE's DONE): whether it takes any now.
  virtual bool TakesInput() const { return false; }
  virtual void OnInput(const Framer::Step&, Context&) {}
  // The session ends. True: something must be tidied up first; the session stays until Finish.
  virtual bool Abandon(Context&) { return false; }
  // RFC 2177: a session that only waits may be told to go at once.
  virtual bool waits_for_client() const { return false; }

 protected:
  ImapSession& session_;
};

// RFC 7162: of `asked`, the UIDs that are not in the mailbox. All of them are below its UIDNEXT.
NumberSet MissingUids(const NumberSet& asked, const mailbox::MailboxState& state);

// One command family a file.
std::unique_ptr<CommandRun> MakeSelect(ImapSession& session, SelectCommand command);        // session_select.cc
std::unique_ptr<CommandRun> MakeClose(ImapSession& session);                                // session_select.cc
std::unique_ptr<CommandRun> MakeRefresh(ImapSession& session, std::string_view done_text);  // session_select.cc
std::unique_ptr<CommandRun> MakeFetch(ImapSession& session, FetchCommand command);          // session_fetch.cc
std::unique_ptr<CommandRun> MakeStore(ImapSession& session, StoreCommand command);          // session_store.cc
std::unique_ptr<CommandRun> MakeCopy(ImapSession& session, CopyCommand command);            // session_copy.cc
std::unique_ptr<CommandRun> MakeExpunge(ImapSession& session, ExpungeCommand command);      // session_copy.cc
std::unique_ptr<CommandRun> MakeSearch(ImapSession& session, SearchCommand command);        // session_search.cc
std::unique_ptr<CommandRun> MakeSort(ImapSession& session, SortCommand command);            // session_sort.cc
std::unique_ptr<CommandRun> MakeThread(ImapSession& session, ThreadCommand command);        // session_thread.cc
std::unique_ptr<CommandRun> MakeList(ImapSession& session, ListCommand command);            // session_list.cc
std::unique_ptr<CommandRun> MakeStatus(ImapSession& session, StatusCommand command);        // session_status.cc
std::unique_ptr<CommandRun> MakeCreate(ImapSession& session, CreateCommand command);        // session_folders.cc
std::unique_ptr<CommandRun> MakeDelete(ImapSession& session, DeleteCommand command);        // session_folders.cc
std::unique_ptr<CommandRun> MakeRename(ImapSession& session, RenameCommand command);        // session_folders.cc
std::unique_ptr<CommandRun> MakeSubscribe(ImapSession& session, std::string mailbox, bool subscribed);
std::unique_ptr<CommandRun> MakeIdle(ImapSession& session);  // session_idle.cc
// The framer stands at the first kAppendLiteral.
std::unique_ptr<CommandRun> MakeAppend(ImapSession& session, AppendCommand command);  // session_append.cc

}  // namespace postern::imap
