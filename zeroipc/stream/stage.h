// What makes a derived stream exact: how far it has come in its sources, and its operator's state, change together with what was
// emitted.
//
//   stage_header              at the start of the derived stream's last part
//   +------------------------------------------------+ 0
//   | pump           robust lock                     |   held by the one process that pumps
//   | commits        v: records[v & 1] is in force   |
//   | records[2]     emitted, taken[2], part, missed |
//   +------------------------------------------------+ 128
//   | what           "filter", "window of 50"        |   these are written by the creator, and never change
//   | sources[2]     the names it is derived from    |
//   | ancestry[31]   hashes of theirs, and so on     |   how a cycle is found out
//   | nonce          tells it from its namesakes     |
//   +------------------------------------------------+ 640
//   | state[2]       of the operator                 |   state[v & 1] belongs to records[v & 1]
//   +------------------------------------------------+
//
// One step of the pump: it looks at elements of its sources, calls the operator, and commits what came of it.
//
// Commit                                                     killed after it: who pumps next
//   1  the elements are written behind `tail` (log.h)        has them written over; they were not emitted
//   2  records[v + 1 & 1], state[v + 1 & 1]                  has them written over
//   3  commits = v + 1                (release)              finds the step done: the linearisation point
//   4  tail = records[v + 1 & 1].emitted                     does this: resume()
//   5  the sources' cursors move on                          does this: resume() says where to
// Subscribers see the elements with step 4, so those of a pump that died in between with the next one's resume().
//
// The lock of the stream (core.h) is taken for 1 to 4; nobody but the pump emits here. Whoever waits to be the pump sleeps on
// its lock's event word, and is woken when the one who has it lets go of it or dies.
#ifndef ZEROIPC_STREAM_STAGE_H_
#define ZEROIPC_STREAM_STAGE_H_

#include <string.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/word_copy.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/stream/core.h"
#include "zeroipc/wait/robust_lock.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc::internal {

inline constexpr size_t kMostSources = 2;
inline constexpr size_t kMaxWhat = 63;
inline constexpr size_t kMostAncestors = 31;

template <typename P>
struct stage_record {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  atomic<uint64_t> emitted;              // the tail
  atomic<uint64_t> taken[kMostSources];  // the sources' elements before these are done with
  atomic<uint64_t> part;  // of what comes of the next one: how much was emitted already; or kEnded
  atomic<uint64_t> missed;  // the sources' elements that were overwritten before they were taken
};

// How a stage came about. Text is filled up with zeroes.
struct stage_origin {
  char what[kMaxWhat + 1];
  char sources[kMostSources][kMaxNameBytes + 1];
  uint64_t ancestry[kMostAncestors];
  uint64_t nonce;

  std::string_view what_text() const { return text(what, kMaxWhat); }
  std::string_view source(size_t i) const { return text(sources[i], kMaxNameBytes); }
  // "map of 'raw'", "merge of 'a' and 'b'".
  std::string text() const {
    return absl::StrCat(what_text(), " of '", source(0), "'",
                        sources[1][0] != 0 ? absl::StrCat(" and '", source(1), "'") : "");
  }

 private:
  static std::string_view text(const char* from, size_t most) {
    return {from, ::strnlen(from, most)};
  }
};

template <typename P>
struct stage_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  robust_lock<P> pump;
  atomic<uint64_t> commits;
  stage_record<P> records[2];
  alignas(kApart) atomic<uint64_t> origin[sizeof(stage_origin) / 8];
};
static_assert(sizeof(stage_origin) == 512);
static_assert(offsetof(stage_header<hardware>, records) == 16);
static_assert(offsetof(stage_header<hardware>, origin) == 128);
static_assert(sizeof(stage_header<hardware>) == 640);

// stage_progress::part of a stage whose last element was committed: what is left to do is to close it.
inline constexpr uint64_t kEnded = ~uint64_t{0};

// How far a pump has come.
struct stage_progress {
  uint64_t emitted = 0;
  uint64_t taken[kMostSources] = {};
  uint64_t part = 0;
  uint64_t missed = 0;
};

constexpr uint64_t stage_bytes(uint64_t state_bytes) {
  return sizeof(stage_header<hardware>) + 2 * round_up(state_bytes, 8);
}

template <typename P, typename Env>
class stage_core {
 public:
  // `states`: two of `bytes` bytes, rounded up to eight.
  void bind(Env& env, stage_header<P>& header, std::byte* states, size_t bytes) {
    env_ = &env;
    header_ = &header;
    states_ = states;
    bytes_ = bytes;
  }

  // By the creator, before anybody can see it. `from`: where it begins in its sources.
  void create(const stage_origin& origin, const stage_progress& from) {
    write_words<P>(header_->origin, &origin, sizeof origin);
    write(0, from);
  }
  stage_origin origin() const {
    stage_origin o;
    read_words<P>(&o, header_->origin, sizeof o);
    return o;
  }

  // Until this process pumps, or stop() says so: then false. Whoever makes it say so calls wake() after.
  template <typename Stop>
  bool take(deadline until, Stop&& stop) {
    bool ours = false;
    wait_until<P>(*env_, header_->pump.released, until, [&] {
      if (stop()) return true;
      ours = header_->pump.try_lock(*env_) != lock_result::busy;
      return ours;
    });
    // A stop that was woken in place of somebody else needs not pass that on: wake() wakes all, after stop() has begun to say so.
    return ours;
  }
  void let_go() { header_->pump.unlock(*env_); }
  void wake() { header_->pump.released.notify(*env_, INT_MAX); }

  // Who pumps, or did when he died; nobody.
  owner_tag pumped_by() const {
    return owner_tag::from_bits(header_->pump.owner.load(std::memory_order_relaxed));
  }
  // Nobody has committed anything.
  bool is_fresh() const { return header_->commits.load(std::memory_order_acquire) == 0; }
  // The last commit, while others may be at it.
  stage_progress progress() const {
    for (;;) {
      // Acquire: pairs with commit(): the record is there, and is not written again before the number has moved on by two.
      const uint64_t v = header_->commits.load(std::memory_order_acquire);
      const stage_progress p = read(v);
      if (header_->commits.load(std::memory_order_relaxed) == v) return p;
    }
  }

  // --- REQUIRES: this process pumps ---

  // What the last commit says; makes it visible if the one who made it died before he had. `state` gets the operator's.
  template <typename Stream>
  outcome resume(Stream& out, stage_progress& at, void* state) {
    // Relaxed: only pumps change it, and their lock orders them.
    const uint64_t v = header_->commits.load(std::memory_order_relaxed);
    at = read(v);
    read_object<P>(state, state_of(v), bytes_);
    return out.catch_up(at.emitted);
  }

  // All of the step, or nothing: n elements, and where that leaves the pump. `to.emitted` is set. `full`, `closed`, `corrupt`.
  template <typename Stream>
  outcome commit(Stream& out, const void* values, uint64_t n, stage_progress& to,
                 const void* state) {
    return out.emit_whole(values, n, [&](uint64_t tail) {
      to.emitted = tail;
      const uint64_t v = header_->commits.load(std::memory_order_relaxed) + 1;
      write(v, to);
      write_object<P>(state_of(v), state, bytes_);
      // Release: who pumps next sees the record and the state of that number, and the elements.
      header_->commits.store(v, std::memory_order_release);
    });
  }

 private:
  stage_progress read(uint64_t v) const {
    const stage_record<P>& r = header_->records[v & 1];
    stage_progress p;
    // Acquire: who meets what a later commit writes there finds its number after, or the one before it.
    p.emitted = r.emitted.load(std::memory_order_acquire);
    for (size_t i = 0; i < kMostSources; ++i) {
      p.taken[i] = r.taken[i].load(std::memory_order_acquire);
    }
    p.part = r.part.load(std::memory_order_acquire);
    p.missed = r.missed.load(std::memory_order_acquire);
    return p;
  }
  // Release: see read(). Published with the number.
  void write(uint64_t v, const stage_progress& to) {
    stage_record<P>& r = header_->records[v & 1];
    r.emitted.store(to.emitted, std::memory_order_release);
    for (size_t i = 0; i < kMostSources; ++i) {
      r.taken[i].store(to.taken[i], std::memory_order_release);
    }
    r.part.store(to.part, std::memory_order_release);
    r.missed.store(to.missed, std::memory_order_release);
  }
  std::byte* state_of(uint64_t v) const { return states_ + (v & 1) * round_up(bytes_, 8); }

  Env* env_ = nullptr;
  stage_header<P>* header_ = nullptr;
  std::byte* states_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_STREAM_STAGE_H_
