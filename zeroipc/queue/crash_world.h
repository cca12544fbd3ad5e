// A segment in private memory whose processes die exactly where a test says: at the k-th access to shared memory.
//
// `mortal` is an atomics policy whose every access (and both halves of every copy) counts down and, at zero, throws
// `killed`. Nothing in the core has a destructor that touches shared memory, so the exception leaves it as SIGKILL would.
// `world` is the segment with its participants; `actor` is one process' environment.
#ifndef ZEROIPC_QUEUE_CRASH_WORLD_H_
#define ZEROIPC_QUEUE_CRASH_WORLD_H_

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "zeroipc/queue/core.h"

namespace zeroipc::internal {

struct killed {};

struct mortal {
  // Accesses left to the running process; negative: it is immortal.
  static inline thread_local int64_t life = -1;
  static void step() {
    if (life == 0) throw killed{};
    if (life > 0) --life;
  }

  template <typename T>
  class atomic {
   public:
    T load(std::memory_order m) const { return step(), value_.load(m); }
    void store(T v, std::memory_order m) { step(), value_.store(v, m); }
    T exchange(T v, std::memory_order m) { return step(), value_.exchange(v, m); }
    T fetch_add(T v, std::memory_order m) { return step(), value_.fetch_add(v, m); }
    T fetch_or(T v, std::memory_order m) { return step(), value_.fetch_or(v, m); }
    T fetch_and(T v, std::memory_order m) { return step(), value_.fetch_and(v, m); }
    bool compare_exchange_strong(T& e, T d, std::memory_order s, std::memory_order f) {
      return step(), value_.compare_exchange_strong(e, d, s, f);
    }
    bool compare_exchange_weak(T& e, T d, std::memory_order s, std::memory_order f) {
      return step(), value_.compare_exchange_strong(e, d, s, f);
    }

   private:
    std::atomic<T> value_;
  };

  static void copy_in(void* to, const void* from, size_t n) { copy(to, from, n); }
  static void copy_out(void* to, const void* from, size_t n) { copy(to, from, n); }
  static void pause() {}

 private:
  static void copy(void* to, const void* from, size_t n) {
    step();
    std::memcpy(to, from, n / 2);
    step();
    std::memcpy(static_cast<char*>(to) + n / 2, static_cast<const char*>(from) + n / 2, n - n / 2);
  }
};

struct world {
  static constexpr uint32_t kActors = 4;
  thread_record<mortal> records[kActors] = {};
  bool dead[kActors] = {};
  std::atomic<uint32_t> epoch{0};

  void bury(uint32_t i) {
    dead[i] = true;
    epoch.fetch_add(1, std::memory_order_acq_rel);
  }
};

class actor {
 public:
  actor(world& w, uint32_t i) : world_(w), i_(i) {}

  thread_record<mortal>* record() { return &world_.records[i_]; }
  template <typename F>
  void for_each_record(F&& f) const {
    for (uint32_t i = 0; i < world::kActors; ++i) f(world_.records[i], owner_tag(i, 1));
  }
  owner_tag self() { return owner_tag(i_, 1); }
  owner_tag tag() const { return owner_tag(i_, 1); }
  bool is_dead(owner_tag who) const {
    return who.generation() != 1 || who.slot() >= world::kActors || world_.dead[who.slot()];
  }
  uint32_t death_epoch() const { return world_.epoch.load(std::memory_order_acquire); }
  void light_fence() const { std::atomic_thread_fence(std::memory_order_seq_cst); }
  void heavy_fence() const { std::atomic_thread_fence(std::memory_order_seq_cst); }
  int spins() const { return 0; }
  bool sleep(mortal::atomic<uint32_t>&, uint32_t, uint32_t, deadline) { std::abort(); }
  int wake(mortal::atomic<uint32_t>&, int) { return 0; }

 private:
  world& world_;
  uint32_t i_;
};

// Zeroed memory with a queue in it, and a core per actor.
template <typename T, typename Policy>
class crash_queue {
 public:
  using core_type = queue_core<mortal, actor, T, Policy>;
  static constexpr bool kBare = !Policy::multi_producer && !Policy::multi_consumer;

  explicit crash_queue(uint64_t capacity, uint64_t leases = 2)
      : geometry_(*make_queue_geometry(capacity, leases,
                                       {sizeof(T), alignof(T), Policy::variant, kBare},
                                       uint64_t{1} << 30, "test")) {
    bytes_ = static_cast<std::byte*>(std::aligned_alloc(4096, round_up(geometry_.bytes, 4096)));
    std::memset(bytes_, 0, geometry_.bytes);
    reinterpret_cast<queue_header<mortal>*>(bytes_)->geometry = geometry_;
    for (uint32_t i = 0; i < world::kActors; ++i) {
      actors_.push_back(std::make_unique<actor>(world_, i));
      cores_.push_back(std::make_unique<core_type>());
      cores_.back()->bind(*actors_.back(), bytes_, geometry_, kId);
    }
  }
  ~crash_queue() { std::free(bytes_); }
  crash_queue(const crash_queue&) = delete;

  core_type& as(uint32_t i) { return *cores_[i]; }
  world& all() { return world_; }
  std::byte* bytes() { return bytes_; }
  const queue_geometry& geometry() const { return geometry_; }
  queue_header<mortal>& header() { return *reinterpret_cast<queue_header<mortal>*>(bytes_); }

  // Runs `f` as an actor that dies at its k-th access; whether it got to the end.
  template <typename F>
  bool live_for(int64_t k, F&& f) {
    mortal::life = k;
    bool returned = true;
    try {
      f();
    } catch (const killed&) {
      returned = false;
    }
    mortal::life = -1;
    return returned;
  }

 private:
  static constexpr uint32_t kId = 7;
  queue_geometry geometry_;
  world world_;
  std::byte* bytes_;
  std::vector<std::unique_ptr<actor>> actors_;
  std::vector<std::unique_ptr<core_type>> cores_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_QUEUE_CRASH_WORLD_H_
