// Inside the explorer: one execution after another, and the choices within each. For policy.h and environment.h.
#ifndef ZEROIPC_TESTING_EXPLORER_SEARCH_H_
#define ZEROIPC_TESTING_EXPLORER_SEARCH_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "testing/explorer/explorer.h"
#include "testing/explorer/fiber.h"
#include "testing/explorer/memory.h"

namespace zeroipc::explorer {

const char* name_of(std::memory_order order);

// Open addressing over hashes that are good already.
class state_set {
 public:
  // Whether it was new.
  bool insert(uint64_t hash);
  void clear();
  uint64_t size() const { return size_; }

 private:
  std::vector<uint64_t> slots_ = std::vector<uint64_t>(1 << 16);
  uint64_t size_ = 0;
};

// What a thread is about to do, as far as the choices depend on it.
enum class step : uint8_t {
  quiet,   // only its death matters here: it goes on otherwise
  look,    // changes nothing that others see
  change,  // changes what others see, so that dying before and dying after differ
};

class search {
 public:
  search(program& p, const limits& within) : program_(p), limits_(within) {}

  verdict explore();
  verdict replay(std::string_view schedule);

  // --- called by what the program's threads run ---

  static search* running() { return running_; }
  // The order of an access in the source, or what it has been weakened to (explorer.h).
  static std::memory_order weakened(std::memory_order order, const std::source_location& at) {
    if (!weakening_) [[likely]]
      return order;
    return weakened_there(order, at);
  }
  shared_memory& memory() { return memory_; }
  // Alone: in start() and judge().
  bool alone() const { return current_ < 0; }
  int current() const { return current_; }
  int count() const { return count_; }
  const limits& within() const { return limits_; }

  uint64_t load(const void* address, size_t size, std::memory_order order);
  void store(void* address, size_t size, uint64_t value, std::memory_order order);
  template <typename F>  // F: old value -> new value
  uint64_t change(void* address, size_t size, std::memory_order order, const char* what, F&& f) {
    if (!memory_.observed(address)) return memory_.change_unobserved(address, size, f);
    begin(step::change);
    const uint64_t old = memory_.peek(address, size, 0);
    changed(address, size, old, f(old), order, what);
    return old;
  }
  bool compare_exchange(void* address, size_t size, uint64_t& expected, uint64_t desired,
                        std::memory_order success, std::memory_order failure, bool weak);
  void copy_in(void* to, const void* from, size_t n);
  void copy_out(void* to, const void* from, size_t n);
  void fence(std::memory_order order);
  void light_fence();
  void heavy_fence();

  bool dead(int thread);  // to the one who asks, who then knows what it did
  uint32_t death_epoch();
  // Words that one thread may sleep on at a time.
  static constexpr size_t kMostAwaited = 3;
  struct sleep_word {
    void* word;
    uint32_t key;
    uint32_t epoch;
  };
  // As participant::sleep_any.
  bool sleep(std::span<const sleep_word> words, bool has_deadline, bool at_once);
  int wake(void* word, int n);

  void* allocate(size_t bytes, size_t align, std::string_view name);
  void set_apart(const void* address, size_t n, bool changes);
  void name(const void* address, std::string_view name);
  void fail(std::string_view why);
  void settle(const void* bytes, size_t n);
  ending ending_of(int thread) const;
  void bury_the_rest();

 private:
  enum class status : uint8_t { ready, asleep, done, dead, stopped };
  struct thread {
    status is = status::ready;
    step next = step::look;
    bool late = false;  // its deadline has passed
    bool has_deadline = false;
    std::array<const void*, kMostAwaited> sleeps_on{};
    uint64_t seen = 0;  // hash of all it has read
    uint64_t settled = 0;
  };
  struct choice {
    uint16_t taken, of;
  };
  struct option {
    enum kind : uint8_t { go, die, stop, announce, wake_up, be_late } what;
    int8_t who;
  };
  struct failed {};  // thrown in judge()

  void run_once();
  void begin(step next);
  void decide();
  void options();
  void apply(const option& o);
  void leave();
  int choose(int n);
  uint64_t state() const;
  bool left_stale() const {
    return limits_.stale_reads == kUnlimited || stale_ < limits_.stale_reads;
  }
  void see(uint64_t value) { threads_[current_].seen = mix(threads_[current_].seen, value); }
  void changed(void* address, size_t size, uint64_t old, uint64_t value, std::memory_order order,
               const char* what);
  bool next_schedule();
  void note(const char* what, const void* address, uint64_t value, std::memory_order order,
            const char* extra = "");
  void note_event(int who, std::string_view what);
  std::string schedule() const;
  verdict result(bool exhausted);
  static void body(void* self);

  static std::memory_order weakened_there(std::memory_order order, const std::source_location& at);
  static bool read_weakening();

  static inline search* running_ = nullptr;
  static inline bool weakening_ = read_weakening();

  program& program_;
  limits limits_;
  mutable shared_memory memory_;
  state_set states_;
  std::vector<choice> choices_;
  size_t depth_ = 0;
  std::vector<option> options_;

  fiber main_;
  std::array<fiber, kMaxThreads> fibers_;
  std::array<thread, kMaxThreads> threads_;
  int count_ = 0;
  int current_ = -1;  // whose step it is; -1: alone
  int on_ = -1;       // whose stack this is; -1: the search's own
  int last_ = -1;     // who ran last: to leave it is a preemption while it is ready
  int preemptions_ = 0, deaths_ = 0, stops_ = 0, stale_ = 0, spurious_ = 0, late_ = 0;
  int unannounced_ = 0;
  uint32_t* epoch_ = nullptr;
  uint64_t steps_here_ = 0;
  bool cut_ = false;

  bool tracing_ = false;
  bool failed_ = false;
  std::string why_;
  std::string trace_;
  std::map<const void*, std::string> names_;
  uint64_t executions_ = 0, steps_ = 0;
};

}  // namespace zeroipc::explorer

#endif  // ZEROIPC_TESTING_EXPLORER_SEARCH_H_
