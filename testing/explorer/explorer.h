// The interleaving explorer: runs a small program of a few threads in every order, and lets them die on the way.
//
// Use it for the templates of this library that take an atomics policy: give them `explorer::policy` (policy.h) and an
// `explorer::environment` (environment.h), describe the threads and what must hold in the end as a `program`, and call
// explore(). What fails is printed as a trace, with a schedule that replay() runs again.
//
// How: each execution starts from the beginning and follows a stack of choices; the next one takes the last choice
// differently. Threads are deterministic, so what a thread will do follows from what it has read; a state (memory, and per
// thread a hash of what it has read) that was met before is not gone into again.
//
// The choices: which thread takes the next step; this thread dies here; this thread stops here for good; a death that
// happened is announced only now; a weak compare-and-swap fails without reason; a sleeper wakes without reason, or is late;
// which sleeper a wake-up finds; and in the weak mode, which of the older stores a load reads. Each kind has a budget in
// `limits`, and a search that ends with `exhausted` has tried everything within them.
//
// To see whether an order is needed: ZEROIPC_EXPLORER_WEAKEN=seq_ring.h:105:release:relaxed runs a test as if the access at
// that place had the other order. ZEROIPC_EXPLORER_SITES=1 prints each place that is reached, once, with its order.
//
// What it does not cover
//  * Weak mode: a load never reads a store that is made later in the execution (load buffering), and a store is never put
//    before one that was made earlier (so not 2+2W); no consume; no out-of-thin-air values. Plain accesses see the newest
//    bytes: a race is reported rather than acted out. Loads look back `older` stores, `stale_reads` times an execution.
//  * Weak mode: a payload copy is one step (but its thread may die in the middle): whatever another thread could do in
//    between with the same bytes is a race, which is found in some order, and reported.
//  * Sequentially consistent mode: no race is looked for; a payload copy takes two steps, so that it tears.
//  * Preemptions: with `preemptions` >= 0, only orders with at most so many switches away from a thread that could go on.
//  * The atomics that the library keeps in private memory (a role's `mine_`, hints of a handle) are std::atomic and are not
//    explored: each thread must have a handle of its own.
//  * The state of a thread is known by a 64-bit hash: two states may be taken for one, with a probability of 1 in 10^7 for
//    a million of them.
//  * The kernel: a futex compares and queues in one step and reads the newest value; a membarrier is one step.
#ifndef ZEROIPC_TESTING_EXPLORER_EXPLORER_H_
#define ZEROIPC_TESTING_EXPLORER_EXPLORER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace zeroipc::explorer {

enum class memory_model : uint8_t { sequentially_consistent, weak };

inline constexpr int kUnlimited = -1;

struct limits {
  memory_model model = memory_model::sequentially_consistent;
  // Publishers' light fences order nothing and waiters' heavy ones are membarriers; otherwise all are seq_cst fences.
  bool asymmetric_fences = true;
  int preemptions = kUnlimited;
  int deaths = 0;
  int stops = 0;
  int stale_reads = kUnlimited;  // weak mode
  int older = 2;                 // how many stores back a stale read looks
  int spurious = 0;              // failures of weak compare-and-swaps, and wake-ups
  int late = 0;                  // sleepers whose deadline passes; those that have one
  uint64_t executions = UINT64_MAX;
  uint64_t steps = 4000;  // of one execution: more, and it does not end
};

// What is explored. It must be deterministic, and its threads must own no heap memory while they touch shared memory: an
// execution may be left in the middle.
class program {
 public:
  virtual ~program() = default;
  virtual int threads() const = 0;
  // Before each execution: allocates (shared()) and sets up what is shared, and forgets the last execution.
  virtual void start() = 0;
  // Thread `i`, which is participant i.
  virtual void run(int i) = 0;
  // When every thread has ended, died, or is stopped: says with check() what must hold. Runs alone, as a survivor that sees
  // everything.
  virtual void judge() = 0;
  virtual bool may_die(int) const { return true; }
  virtual bool may_stop(int) const { return true; }
  // Whether it is right that thread `i` sleeps for ever, given who was stopped.
  virtual bool may_sleep_for_ever(int) const { return false; }
};

struct verdict {
  bool failed = false;
  bool exhausted = false;  // everything within the limits was tried
  uint64_t executions = 0;
  uint64_t states = 0;
  uint64_t steps = 0;
  std::string why;
  std::string trace;     // of the execution that failed
  std::string schedule;  // for replay()

  std::string text() const;
};

verdict explore(program& p, const limits& within);
// The one execution that `schedule` describes, with its trace.
verdict replay(program& p, const limits& within, std::string_view schedule);

// --- for programs, between start() and the end of judge() ---

// Shared memory, all zero; the same for the same sequence of calls. `name` is for the trace.
void* shared(size_t bytes, size_t align, std::string_view name);
template <typename T>
T* shared(std::string_view name) {
  return static_cast<T*>(shared(sizeof(T), alignof(T), name));
}
// Gives a name to an atomic for the trace.
void name(const void* address, std::string_view name);
// Says that no thread changes these bytes: reading them is no step then, and changing them fails.
void constant(const void* address, size_t n);
// Says that what threads do to these bytes matters to nobody: it is no step then, and not part of a state.
void unobserved(const void* address, size_t n);
// Fails the execution unless `holds`.
void check(bool holds, std::string_view what);
// For threads: what the calling thread does from here on depends on nothing but where it is and these bytes. States that
// differ only in how the thread got here are then taken for one.
void settle(const void* bytes, size_t n);
// For judge(): how the thread ended.
enum class ending : uint8_t { returned, died, stopped, asleep };
ending ending_of(int thread);
bool anybody(ending how);
// For judge(): those who are stopped or asleep die now, and it is announced. Ask ending_of() before.
void bury_the_rest();

}  // namespace zeroipc::explorer

#endif  // ZEROIPC_TESTING_EXPLORER_EXPLORER_H_
