// The memory that an explored program shares: what a load may read, and which plain accesses race.
//
// Sequentially consistent: a load reads the newest store.
//
// Weak: an operational release/acquire machine. Each location keeps its stores in the order in which they were made, each
// thread its *view*: for every location, the oldest store that it may still read. A release store carries its thread's
// view, an acquire load that reads it takes that over; a store by a read-modify-write carries on what the store it read
// carried (release sequences). Fences of both kinds, and a view that all sequentially consistent accesses and fences
// share. A thread's view also counts the plain accesses of every thread that happen before its next step, which is how
// races are found; a fence or a membarrier orders, and does not synchronise.
#ifndef ZEROIPC_TESTING_EXPLORER_MEMORY_H_
#define ZEROIPC_TESTING_EXPLORER_MEMORY_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace zeroipc::explorer {

inline constexpr int kMaxThreads = 6;

constexpr uint64_t mix(uint64_t seed, uint64_t value) {
  uint64_t h = (seed ^ value) * 0x9e37'79b9'7f4a'7c15;
  h ^= h >> 29;
  h *= 0xbf58'476d'1ce4'e5b9;
  return h ^ h >> 32;
}

constexpr bool acquires(std::memory_order m) {
  return m != std::memory_order_relaxed && m != std::memory_order_release;
}
constexpr bool releases(std::memory_order m) {
  return m == std::memory_order_release || m == std::memory_order_acq_rel ||
         m == std::memory_order_seq_cst;
}

// For each location the oldest store that may be read, and for each thread its plain accesses that happened before.
struct view {
  static constexpr size_t kLocations = 192;
  std::array<uint16_t, kLocations> at = {};
  std::array<uint16_t, kMaxThreads> plain = {};

  void join_locations(const view& other, size_t locations);
  void join(const view& other, size_t locations);
  uint64_t hash(size_t locations) const;
};

class shared_memory {
 public:
  static constexpr size_t kBytes = 16 << 10;

  shared_memory();
  ~shared_memory();
  shared_memory(const shared_memory&) = delete;

  // Before each execution: all zero, nothing allocated. One thread runs alone.
  void reset();
  // From here on threads share the memory; what is in it now is known to all of them.
  void begin_concurrency(bool weak);
  // The same sequence of calls gives the same addresses in every execution.
  void* allocate(size_t bytes, size_t align);
  size_t offset(const void* address) const {
    return static_cast<size_t>(static_cast<const std::byte*>(address) - bytes_);
  }
  // One thread runs alone again, and sees the newest of everything.
  void end_of_concurrency() { weak_ = false; }

  // Words that are no part of the exploration: those that nobody changes, and those that nobody looks at.
  enum class kind : uint8_t { observed, constant, unobserved };
  void set_kind(const void* address, size_t n, kind k);
  bool observed(const void* address) const { return kind_of(address) != kind::unobserved; }
  kind kind_of(const void* address) const { return kinds_[offset(address) / 4]; }
  template <typename F>
  uint64_t change_unobserved(void* address, size_t size, F&& f) {
    const uint64_t old = peek(address, size, 0);
    const uint64_t value = f(old);
    std::memcpy(address, &value, size);
    return old;
  }

  // How many stores a load of `thread` may read: 1 + the older ones, at most `older` of them.
  int readable(int thread, const void* address, int older);
  // `back`: 0 reads the newest store, 1 the one before it...
  uint64_t load(int thread, const void* address, size_t size, std::memory_order order, int back);
  // The value that load() would give.
  uint64_t peek(const void* address, size_t size, int back);
  void store(int thread, void* address, size_t size, uint64_t value, std::memory_order order);
  // Replaces the newest store, which the caller has peeked at.
  void replace(int thread, void* address, size_t size, uint64_t value, std::memory_order order);

  // Whether the plain access races with one before it.
  bool plain_write(int thread, void* to, const void* from, size_t n);
  bool plain_read(int thread, void* to, const void* from, size_t n);

  void fence(int thread, std::memory_order order);
  // membarrier: a full barrier on every thread.
  void barrier_everywhere();
  // All that `from` did happened before what `to` does next: the kernel said so.
  void synchronise(int from, int to);

  // What the program may still see of the past. `live`: the threads that may still read, as bits.
  uint64_t state(unsigned live);
  // Whether an acquire fence was met: only then does what relaxed loads read matter to the state.
  bool acquire_fences() const { return acquire_fences_; }

 private:
  struct message {
    uint64_t value;
    uint64_t hash;
    view carried;
  };
  struct location {
    void* address;
    size_t size;
    std::vector<message> history;
    size_t length = 0;  // of history in this execution: its elements are reused
  };
  struct word {  // of plain memory
    bool touched = false;
    int8_t writer = -1;
    uint16_t written = 0;
    std::array<uint16_t, kMaxThreads> read = {};
  };
  struct knowledge {
    view now, if_fenced, released;
  };

  location& locate(const void* address, size_t size);
  size_t index(const void* address, size_t size);
  void append(int thread, location& l, size_t i, uint64_t value, std::memory_order order,
              bool replaces);
  void write_raw(void* address, size_t size, uint64_t value);
  void account(const void* address, size_t n, bool added);
  word& touch(size_t i);

  std::byte* bytes_;
  size_t used_ = 0;
  bool weak_ = false;
  bool acquire_fences_ = false;
  uint64_t contents_ =
      0;  // hash of all memory, kept up to date by write_raw() and the plain writes
  std::vector<kind> kinds_;      // by word of four bytes
  std::vector<uint16_t> index_;  // by word of four bytes; 0: not known yet
  std::vector<location> locations_;
  std::vector<word> words_;  // by word of eight bytes
  std::vector<uint16_t> touched_;
  std::array<knowledge, kMaxThreads> threads_;
  view sequential_;
};

}  // namespace zeroipc::explorer

#endif  // ZEROIPC_TESTING_EXPLORER_MEMORY_H_
