// What an actor and those who send to it have that does not depend on their types. How the parts go together: actor.h.
#ifndef ZEROIPC_PATTERNS_ACTOR_MAILBOX_H_
#define ZEROIPC_PATTERNS_ACTOR_MAILBOX_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/counters.h"
#include "patterns/base/failure.h"
#include "patterns/base/health.h"
#include "patterns/base/look.h"
#include "patterns/base/process_id.h"
#include "patterns/base/roll.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/once/once.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

struct ActorOptions {
  // So many incarnations may die at one message. Then it is a dead letter, and passed over.
  uint32_t most_deaths = 3;
};

struct ActorStats {
  // Now.
  uint64_t capacity = 0;   // of the mailbox
  uint64_t waiting = 0;    // messages in it
  uint64_t processes = 0;  // that run the actor or stand by, and live
  // Since it was created.
  uint64_t handled = 0;
  uint64_t failed = 0;        // of those: the handler threw
  uint64_t dead_letters = 0;  // passed over
  uint64_t takeovers = 0;     // after the death of who ran it
  uint64_t asked = 0;
  uint64_t answered = 0;
  uint64_t late = 0;  // answers to asks that were given up: dropped
  bool stopped = false;
};

namespace internal {

enum class AskState : uint32_t { kPending = 1, kAnswered, kFailed };

struct AskRecord {
  AskState state = AskState::kPending;
  ProcessId asker;
  Failure failure;  // kFailed
};

// Where an actor stands; its state lies with it, so that both change in one step.
struct ActorRecord {
  uint64_t position = 0;  // messages before this one are handled
  uint64_t deaths = 0;    // of those who ran it, while it stood at that one
  uint64_t behaviour = 0;
  // What the last message was answered: again, if its process died before that.
  uint64_t asked = 0;  // the number of the ask; 0: it was none
  Failure failure;
};

enum class ActorCounter {
  kNumbers,  // asks that were given a number
  kScanned,  // the last death after which all asks were looked at
  kAgain,    // how often that was not enough
  kHandled,
  kFailed,
  kDeadLetters,
  kTakeovers,
  kAsked,
  kAnswered,
  kLate,
  kCount
};

class MailboxBoard {
 public:
  // Processes that run it or stand by.
  static constexpr size_t kMostProcesses = 64;
  // Asks under way at a time.
  static constexpr size_t kMostAsks = 1024;
  static std::string messages_name(std::string_view name);
  static std::string asks_name(std::string_view name);
  static std::string state_name(std::string_view name);
  static std::string runner_name(std::string_view name);

  static absl::Status check(const memory& mem, std::string_view name, size_t capacity);
  static absl::StatusOr<MailboxBoard> open_or_create(const memory& mem, std::string_view name);

  // Makes the place from which the mailbox is read, so that it holds back who sends too much: set_up() does that, once.
  outcome set_up_once(absl::FunctionRef<void()> set_up) { return ready_.call(set_up); }

  ProcessId self() const { return this_process(mem_); }
  bool is_dead(ProcessId who) const { return who && patterns::is_dead(mem_, who); }
  Roll::Seat join() const { return processes_.join(); }
  uint64_t next_number() const { return counters_.add(ActorCounter::kNumbers) + 1; }
  void count(ActorCounter c) const { counters_.add(c); }
  bool after_deaths(absl::FunctionRef<bool()> look) const {
    return patterns::after_deaths(mem_, counters_, ActorCounter::kScanned, ActorCounter::kAgain,
                                  look);
  }

  ActorStats stats() const;
  Health health(const ActorStats& s) const;
  absl::Status refused(outcome why) const;
  absl::Status not_in_time() const;
  absl::Status dead_letter(uint64_t deaths) const;
  absl::Status no_answer() const;
  absl::Status remove() const;
  const std::string& name() const { return name_; }

 private:
  MailboxBoard(const memory& mem, std::string_view name, Roll processes, once ready,
               Counters<ActorCounter> counters)
      : mem_(mem),
        name_(name),
        processes_(std::move(processes)),
        ready_(std::move(ready)),
        counters_(std::move(counters)) {}
  std::string about() const;

  memory mem_;
  std::string name_;
  Roll processes_;
  once ready_;
  Counters<ActorCounter> counters_;
};

}  // namespace internal
}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_ACTOR_MAILBOX_H_
