#include "patterns/actor/mailbox.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "patterns/base/remove_names.h"

namespace zeroipc::patterns::internal {
namespace {

std::string processes_name(std::string_view name) { return absl::StrCat(name, "/processes"); }
std::string ready_name(std::string_view name) { return absl::StrCat(name, "/ready"); }
std::string counters_name(std::string_view name) { return absl::StrCat(name, "/counters"); }

}  // namespace

std::string MailboxBoard::messages_name(std::string_view name) {
  return absl::StrCat(name, "/mailbox");
}
std::string MailboxBoard::asks_name(std::string_view name) { return absl::StrCat(name, "/asks"); }
std::string MailboxBoard::state_name(std::string_view name) { return absl::StrCat(name, "/state"); }
std::string MailboxBoard::runner_name(std::string_view name) {
  return absl::StrCat(name, "/runner");
}

absl::Status MailboxBoard::check(const memory& mem, std::string_view name, size_t capacity) {
  if (capacity != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("segment ", mem.name(), ": actor '", name,
                                                 "': a mailbox for 0 messages; at least 1"));
}

absl::StatusOr<MailboxBoard> MailboxBoard::open_or_create(const memory& mem,
                                                          std::string_view name) {
  auto processes = Roll::open_or_create(mem, processes_name(name), kMostProcesses);
  if (!processes.ok()) return processes.status();
  auto ready = once::open_or_create(mem, ready_name(name));
  if (!ready.ok()) return ready.status();
  auto counters = Counters<ActorCounter>::open_or_create(mem, counters_name(name));
  if (!counters.ok()) return counters.status();
  // All may have died before anybody could notice.
  counters->add(ActorCounter::kAgain);
  return MailboxBoard(mem, name, *std::move(processes), *std::move(ready), *std::move(counters));
}

ActorStats MailboxBoard::stats() const {
  ActorStats s;
  s.processes = processes_.living();
  s.handled = counters_.get(ActorCounter::kHandled);
  s.failed = counters_.get(ActorCounter::kFailed);
  s.dead_letters = counters_.get(ActorCounter::kDeadLetters);
  s.takeovers = counters_.get(ActorCounter::kTakeovers);
  s.asked = counters_.get(ActorCounter::kAsked);
  s.answered = counters_.get(ActorCounter::kAnswered);
  s.late = counters_.get(ActorCounter::kLate);
  return s;
}

Health MailboxBoard::health(const ActorStats& s) const {
  const std::string actor = absl::StrCat("actor '", name_, "': ");
  if (s.stopped) return {false, absl::StrCat(actor, "stopped, ", s.waiting, " messages left")};
  if (s.processes == 0) {
    return {false, absl::StrCat(actor, "no process runs it, ", s.waiting, " messages wait")};
  }
  if (s.waiting >= s.capacity) {
    return {false, absl::StrCat(actor, "mailbox full, ", s.waiting, " messages")};
  }
  if (s.dead_letters != 0) {
    return {false, absl::StrCat(actor, s.dead_letters,
                                " messages have killed each process that handled them")};
  }
  return {};
}

std::string MailboxBoard::about() const {
  return absl::StrCat("segment ", mem_.name(), ": actor '", name_, "': ");
}

absl::Status MailboxBoard::refused(outcome why) const {
  if (why == outcome::closed) return absl::UnavailableError(absl::StrCat(about(), "it is stopped"));
  if (why == outcome::full || why == outcome::timed_out || why == outcome::taken) {
    return absl::ResourceExhaustedError(absl::StrCat(about(), "its mailbox is full, and ",
                                                     processes_.living(), " processes run it"));
  }
  return absl::InternalError(absl::StrCat(about(), "could not be asked: ", why.name()));
}

absl::Status MailboxBoard::not_in_time() const {
  return absl::DeadlineExceededError(
      absl::StrCat(about(), "no answer in time; ", processes_.living(), " processes run it"));
}

absl::Status MailboxBoard::dead_letter(uint64_t deaths) const {
  return absl::AbortedError(absl::StrCat(deaths, " processes have died at it"));
}

absl::Status MailboxBoard::no_answer() const {
  return absl::UnimplementedError("it was handled without an answer");
}

absl::Status MailboxBoard::remove() const {
  const std::array<std::string, 7> names = {
      messages_name(name_),  asks_name(name_),   counters_name(name_), ready_name(name_),
      processes_name(name_), runner_name(name_), state_name(name_)};
  return remove_names(mem_, names);
}

}  // namespace zeroipc::patterns::internal
