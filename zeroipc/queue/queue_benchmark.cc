// How fast a queue is, beside what one would use instead, in one run.
//
//   bazel run --config=opt //zeroipc/queue:queue_benchmark -- [--items=2000000] [--rounds=7] [--filter=text]
//
// Two processes, pinned to two cores where there are two, move items through each contender; the contenders take turns, and
// each figure is the median of the rounds with the least and the greatest beside it. Before each the machine's own limit is
// measured: how long one cache line takes there and back between the two cores (probe). Virtual machines change modes, so
// figures are to be compared where their probes agree. All spin with a pause when they find nothing; none sleeps, except
// in the last table.
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "zeroipc/queue/queue.h"

#ifdef ZEROIPC_PEER_BOOST
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#endif
#ifdef ZEROIPC_PEER_CONCURRENTQUEUE
#include <concurrentqueue/concurrentqueue.h>
#endif
#ifdef ZEROIPC_PEER_CK
#include <ck_ring.h>
#endif

namespace zeroipc {
namespace {

constexpr size_t kSlots = 1024;
constexpr size_t kBatch = 32;

uint64_t items = 2'000'000;
int rounds = 7;
std::string filter;

double now_ns() { return static_cast<double>(deadline::now_ns()); }
void pause() { hardware::pause(); }
void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core % static_cast<int>(std::max(1l, ::sysconf(_SC_NPROCESSORS_ONLN))), &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

// An object in memory that forked processes share.
template <typename T, typename... Args>
T* share(Args&&... args) {
  void* place =
      ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) std::abort();
  return new (place) T(std::forward<Args>(args)...);
}

struct stage {
  alignas(128) std::atomic<uint32_t> ready{0};
  alignas(128) std::atomic<uint32_t> go{0};
  alignas(128) std::atomic<uint32_t> done{0};
  alignas(128) std::atomic<uint32_t> ball{0};
};

// Runs `other` in a second process (or thread) on core 1 beside `here` on core 0; ns until both are done.
template <typename Here, typename Other>
double side_by_side(bool thread, Here&& here, Other&& other) {
  static stage* s = share<stage>();
  new (s) stage;
  const auto body = [&] {
    pin(1);
    s->ready = 1;
    while (s->go == 0) pause();
    other();
    s->done = 1;
  };
  std::thread t;
  pid_t child = -1;
  if (thread) {
    t = std::thread(body);
  } else if ((child = ::fork()) == 0) {
    body();
    ::_exit(0);
  }
  pin(0);
  while (s->ready == 0) pause();
  const double start = now_ns();
  s->go = 1;
  here();
  while (s->done == 0) pause();
  const double ns = now_ns() - start;
  if (thread) {
    t.join();
  } else {
    ::waitpid(child, nullptr, 0);
  }
  return ns;
}

double probe_ns() {
  static stage* s = share<stage>();
  s->ball = 0;
  constexpr uint32_t kTurns = 20'000;
  return side_by_side(
             false,
             [&] {
               for (uint32_t i = 0; i < kTurns; ++i) {
                 s->ball.store(2 * i + 1, std::memory_order_release);
                 while (s->ball.load(std::memory_order_acquire) != 2 * i + 2) {
                 }
               }
             },
             [&] {
               for (uint32_t i = 0; i < kTurns; ++i) {
                 while (s->ball.load(std::memory_order_acquire) != 2 * i + 1) {
                 }
                 s->ball.store(2 * i + 2, std::memory_order_release);
               }
             }) /
         kTurns;
}

// --- contenders: try_push, try_pop; some also in batches ---

template <typename T>
struct vyukov {
  struct cell {
    std::atomic<uint64_t> seq;
    T value;
  };
  alignas(128) std::atomic<uint64_t> tail{0};
  alignas(128) std::atomic<uint64_t> head{0};
  alignas(128) cell cells[kSlots];
  vyukov() {
    for (size_t i = 0; i < kSlots; ++i) cells[i].seq = i;
  }
  bool try_push(const T& v) {
    uint64_t p = tail.load(std::memory_order_relaxed);
    for (;;) {
      cell& c = cells[p % kSlots];
      const auto d = static_cast<int64_t>(c.seq.load(std::memory_order_acquire) - p);
      if (d == 0) {
        if (tail.compare_exchange_weak(p, p + 1, std::memory_order_relaxed)) {
          c.value = v;
          c.seq.store(p + 1, std::memory_order_release);
          return true;
        }
      } else if (d < 0) {
        return false;
      } else {
        p = tail.load(std::memory_order_relaxed);
      }
    }
  }
  bool try_pop(T& v) {
    uint64_t p = head.load(std::memory_order_relaxed);
    for (;;) {
      cell& c = cells[p % kSlots];
      const auto d = static_cast<int64_t>(c.seq.load(std::memory_order_acquire) - (p + 1));
      if (d == 0) {
        if (head.compare_exchange_weak(p, p + 1, std::memory_order_relaxed)) {
          v = c.value;
          c.seq.store(p + kSlots, std::memory_order_release);
          return true;
        }
      } else if (d < 0) {
        return false;
      } else {
        p = head.load(std::memory_order_relaxed);
      }
    }
  }
};

// The limit: a ring with both indices cached, no waiting, no roles, nothing.
template <typename T>
struct bare_ring {
  alignas(128) std::atomic<uint64_t> tail{0};
  uint64_t head_seen = 0;
  alignas(128) std::atomic<uint64_t> head{0};
  uint64_t tail_seen = 0;
  alignas(128) T cells[kSlots];
  bool try_push(const T& v) { return push_n(&v, 1) == 1; }
  bool try_pop(T& v) { return pop_n(&v, 1) == 1; }
  size_t push_n(const T* v, size_t n) {
    const uint64_t t = tail.load(std::memory_order_relaxed);
    if (kSlots - (t - head_seen) < n) head_seen = head.load(std::memory_order_acquire);
    n = std::min<size_t>(n, kSlots - (t - head_seen));
    for (size_t i = 0; i < n; ++i) cells[(t + i) % kSlots] = v[i];
    if (n != 0) tail.store(t + n, std::memory_order_release);
    return n;
  }
  size_t pop_n(T* v, size_t n) {
    const uint64_t h = head.load(std::memory_order_relaxed);
    if (tail_seen - h < n) tail_seen = tail.load(std::memory_order_acquire);
    n = std::min<size_t>(n, tail_seen - h);
    for (size_t i = 0; i < n; ++i) v[i] = cells[(h + i) % kSlots];
    if (n != 0) head.store(h + n, std::memory_order_release);
    return n;
  }
};

template <typename T, typename Policy>
struct ours {
  ours() {
    static int count = 0;
    const std::string name =
        "/zeroipc-bench-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
    memory mem(name, 4 << 20);
    (void)memory::unlink(name);
    q = std::make_unique<queue<T, Policy>>(mem, "q", kSlots);
    self = mem.attachment();
  }
  bool try_push(const T& v) { return static_cast<bool>(q->try_push(v)); }
  bool try_pop(T& v) { return static_cast<bool>(q->try_pop(v)); }
  size_t push_n(const T* v, size_t n) { return q->try_push_n({v, n}).count; }
  size_t pop_n(T* v, size_t n) { return q->try_pop_n({v, n}).count; }
  std::unique_ptr<queue<T, Policy>> q;
  std::shared_ptr<internal::attachment> self;
};

#ifdef ZEROIPC_PEER_BOOST
template <typename T>
struct boost_queue {
  boost::lockfree::queue<T, boost::lockfree::capacity<kSlots>> q;
  bool try_push(const T& v) { return q.push(v); }
  bool try_pop(T& v) { return q.pop(v); }
};
template <typename T>
struct boost_spsc {
  boost::lockfree::spsc_queue<T, boost::lockfree::capacity<kSlots>> q;
  bool try_push(const T& v) { return q.push(v); }
  bool try_pop(T& v) { return q.pop(v); }
  size_t push_n(const T* v, size_t n) { return q.push(v, n); }
  size_t pop_n(T* v, size_t n) { return q.pop(v, n); }
};
template <typename T>
struct boost_message_queue {
  boost_message_queue() {
    const std::string name = "zeroipc-bench-" + std::to_string(::getpid());
    namespace bi = boost::interprocess;
    bi::message_queue::remove(name.c_str());
    q = std::make_unique<bi::message_queue>(bi::create_only, name.c_str(), kSlots, sizeof(T));
    bi::message_queue::remove(name.c_str());
  }
  bool try_push(const T& v) { return q->try_send(&v, sizeof v, 0); }
  bool try_pop(T& v) {
    boost::interprocess::message_queue::size_type n;
    unsigned priority;
    return q->try_receive(&v, sizeof v, n, priority);
  }
  std::unique_ptr<boost::interprocess::message_queue> q;
};
#endif
#ifdef ZEROIPC_PEER_CONCURRENTQUEUE
template <typename T>
struct moody {
  moodycamel::ConcurrentQueue<T> q{kSlots};
  bool try_push(const T& v) { return q.try_enqueue(v); }
  bool try_pop(T& v) { return q.try_dequeue(v); }
};
#endif
#ifdef ZEROIPC_PEER_CK
template <typename T, bool kMany>
struct ck {
  static_assert(sizeof(T) == sizeof(void*), "ck_ring carries pointers");
  ck_ring_t ring;
  ck_ring_buffer_t buffer[kSlots];
  ck() { ck_ring_init(&ring, kSlots); }
  bool try_push(const T& v) {
    void* p;
    std::memcpy(&p, &v, sizeof p);
    return kMany ? ck_ring_enqueue_mpmc(&ring, buffer, p) : ck_ring_enqueue_spsc(&ring, buffer, p);
  }
  bool try_pop(T& v) {
    void* p;
    const bool got =
        kMany ? ck_ring_dequeue_mpmc(&ring, buffer, &p) : ck_ring_dequeue_spsc(&ring, buffer, &p);
    if (got) std::memcpy(&v, &p, sizeof p);
    return got;
  }
};
#endif

template <size_t Bytes>
struct payload {
  uint64_t words[Bytes / 8];
};

// --- what is measured: ns per item ---

template <typename T, typename Q>
double one_thread(Q& q) {
  pin(0);
  T v{};
  uint64_t sum = 0;
  const double start = now_ns();
  for (uint64_t i = 0; i < items; ++i) {
    v.words[0] = i;
    q.try_push(v);
    q.try_pop(v);
    sum += v.words[0];
  }
  const double ns = now_ns() - start;
  if (sum != items * (items - 1) / 2) std::abort();
  return ns / static_cast<double>(items);
}

template <typename T, typename Q>
double transfer(Q& q, bool thread) {
  return side_by_side(
             thread,
             [&] {
               T v{};
               for (uint64_t i = 0; i < items; ++i) {
                 v.words[0] = i;
                 while (!q.try_push(v)) pause();
               }
             },
             [&] {
               T v{};
               uint64_t sum = 0;
               for (uint64_t i = 0; i < items; ++i) {
                 while (!q.try_pop(v)) pause();
                 sum += v.words[0];
               }
               if (sum != items * (items - 1) / 2) std::abort();
             }) /
         static_cast<double>(items);
}

template <typename T, typename Q>
double batches(Q& q) {
  return side_by_side(
             false,
             [&] {
               std::array<T, kBatch> v{};
               for (uint64_t i = 0; i < items;) {
                 const size_t want = std::min<uint64_t>(kBatch, items - i);
                 const size_t n = q.push_n(v.data(), want);
                 if (n == 0) pause();
                 i += n;
               }
             },
             [&] {
               std::array<T, kBatch> v{};
               for (uint64_t i = 0; i < items;) {
                 const size_t n = q.pop_n(v.data(), std::min<uint64_t>(kBatch, items - i));
                 if (n == 0) pause();
                 i += n;
               }
             }) /
         static_cast<double>(items);
}

template <typename T, typename Q>
double round_trip(Q& there, Q& back) {
  const uint64_t n = items / 10;
  return side_by_side(
             false,
             [&] {
               T v{};
               for (uint64_t i = 0; i < n; ++i) {
                 while (!there.try_push(v)) {
                 }
                 while (!back.try_pop(v)) {
                 }
               }
             },
             [&] {
               T v{};
               for (uint64_t i = 0; i < n; ++i) {
                 while (!there.try_pop(v)) {
                 }
                 while (!back.try_push(v)) {
                 }
               }
             }) /
         static_cast<double>(n);
}

constexpr uint64_t kWakes = 2000;

template <typename Policy>
double wake(ours<payload<8>, Policy>& there, ours<payload<8>, Policy>& back) {
  for (auto* q : {&there, &back}) q->self->self->set_spins(0);
  return side_by_side(
             false,
             [&] {
               for (uint64_t i = 0; i < kWakes; ++i) {
                 there.q->push({});
                 back.q->pop();
               }
             },
             [&] {
               for (auto* q : {&there, &back}) q->self->self->set_spins(0);
               for (uint64_t i = 0; i < kWakes; ++i) {
                 there.q->pop();
                 back.q->push({});
               }
             }) /
         kWakes / 2;
}

double raw_wake() {
  static std::atomic<uint32_t>* word = share<std::array<std::atomic<uint32_t>, 64>>()->data();
  word[0] = word[32] = 0;
  const auto post = [](std::atomic<uint32_t>& w) {
    w.store(1, std::memory_order_release);
    ::syscall(SYS_futex, &w, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  };
  const auto take = [](std::atomic<uint32_t>& w) {
    while (w.load(std::memory_order_acquire) == 0) {
      ::syscall(SYS_futex, &w, FUTEX_WAIT, 0, nullptr, nullptr, 0);
    }
    w.store(0, std::memory_order_relaxed);
  };
  return side_by_side(
             false,
             [&] {
               for (uint64_t i = 0; i < kWakes; ++i) {
                 post(word[0]);
                 take(word[32]);
               }
             },
             [&] {
               for (uint64_t i = 0; i < kWakes; ++i) {
                 take(word[0]);
                 post(word[32]);
               }
             }) /
         kWakes / 2;
}

// --- tables ---

struct contender {
  std::string name;
  std::function<double()> run;
  std::vector<double> ns, probe;
};

void table(const std::string& title, bool rate, std::vector<contender> all) {
  if (title.find(filter) == std::string::npos) return;
  for (int r = 0; r < rounds; ++r) {
    for (contender& c : all) {
      c.probe.push_back(probe_ns());
      c.ns.push_back(c.run());
    }
  }
  std::printf("\n%s\n  %-34s %10s %10s %21s %9s\n", title.c_str(), "", "ns/item", rate ? "M/s" : "",
              "least - greatest ns", "probe ns");
  for (contender& c : all) {
    std::sort(c.ns.begin(), c.ns.end());
    std::sort(c.probe.begin(), c.probe.end());
    const double median = c.ns[c.ns.size() / 2];
    std::printf("  %-34s %10.1f ", c.name.c_str(), median);
    rate ? std::printf("%10.1f ", 1e3 / median) : std::printf("%10s ", "");
    std::printf("%10.1f - %8.1f %9.0f\n", c.ns.front(), c.ns.back(), c.probe[c.probe.size() / 2]);
  }
  std::fflush(stdout);
}

template <typename T, typename Q>
std::function<double()> transferring(bool thread = false) {
  // Peers lie in shared memory as they are; ours brings its segment.
  return [thread, q = share<Q>()] { return transfer<T>(*q, thread); };
}
template <typename T, typename Q>
std::function<double()> batching() {
  return [q = share<Q>()] { return batches<T>(*q); };
}

template <size_t Bytes>
void tables() {
  using T = payload<Bytes>;
  const std::string size = std::to_string(Bytes) + " B";
  table("one thread, push + pop, " + size, false,
        {{"zeroipc mpmc", [q = share<ours<T, mpmc>>()] { return one_thread<T>(*q); }, {}, {}},
         {"zeroipc spsc", [q = share<ours<T, spsc>>()] { return one_thread<T>(*q); }, {}, {}},
         {"plain Vyukov", [q = share<vyukov<T>>()] { return one_thread<T>(*q); }, {}, {}},
         {"bare ring", [q = share<bare_ring<T>>()] { return one_thread<T>(*q); }, {}, {}}});

  std::vector<contender> one_to_one{{"zeroipc spsc", transferring<T, ours<T, spsc>>(), {}, {}},
                                    {"bare ring (limit)", transferring<T, bare_ring<T>>(), {}, {}}};
  std::vector<contender> many{{"zeroipc mpmc", transferring<T, ours<T, mpmc>>(), {}, {}},
                              {"zeroipc mpsc", transferring<T, ours<T, mpsc>>(), {}, {}},
                              {"zeroipc spmc", transferring<T, ours<T, spmc>>(), {}, {}},
                              {"plain Vyukov", transferring<T, vyukov<T>>(), {}, {}}};
#ifdef ZEROIPC_PEER_BOOST
  one_to_one.push_back({"boost lockfree spsc_queue", transferring<T, boost_spsc<T>>(), {}, {}});
  many.push_back({"boost lockfree queue", transferring<T, boost_queue<T>>(), {}, {}});
  many.push_back(
      {"boost interprocess message_queue", transferring<T, boost_message_queue<T>>(), {}, {}});
#endif
#ifdef ZEROIPC_PEER_CONCURRENTQUEUE
  many.push_back({"moodycamel (threads, unbounded)", transferring<T, moody<T>>(true), {}, {}});
#endif
#ifdef ZEROIPC_PEER_CK
  if constexpr (Bytes == 8) {
    one_to_one.push_back({"ck_ring spsc", transferring<T, ck<T, false>>(), {}, {}});
    many.push_back({"ck_ring mpmc", transferring<T, ck<T, true>>(), {}, {}});
  }
#endif
  table("SPSC, two processes, one by one, " + size, true, one_to_one);
  table("MPMC, one producer and one consumer process, one by one, " + size, true, many);

  std::vector<contender> batched{{"zeroipc spsc", batching<T, ours<T, spsc>>(), {}, {}},
                                 {"zeroipc mpmc", batching<T, ours<T, mpmc>>(), {}, {}},
                                 {"bare ring (limit)", batching<T, bare_ring<T>>(), {}, {}}};
#ifdef ZEROIPC_PEER_BOOST
  batched.push_back({"boost lockfree spsc_queue", batching<T, boost_spsc<T>>(), {}, {}});
#endif
  table("two processes, batches of 32, " + size, true, batched);
}

template <typename T, typename Q>
std::function<double()> tripping() {
  return [a = share<Q>(), b = share<Q>()] { return round_trip<T>(*a, *b); };
}

int run() {
  std::printf(
      "bytes a slot beyond the element: 8 (mpmc, mpsc, spmc), 0 (spsc); here for 8 B: %llu, 64 B: "
      "%llu\n",
      static_cast<unsigned long long>(internal::slot_shape(8, 8, false).stride - 8),
      static_cast<unsigned long long>(internal::slot_shape(64, 8, false).stride - 64));
  tables<8>();
  tables<64>();
  using T = payload<8>;
  table("round trip, two processes, 8 B", false,
        {{"zeroipc spsc", tripping<T, ours<T, spsc>>(), {}, {}},
         {"zeroipc mpmc", tripping<T, ours<T, mpmc>>(), {}, {}},
         {"bare ring", tripping<T, bare_ring<T>>(), {}, {}},
         {"plain Vyukov", tripping<T, vyukov<T>>(), {}, {}}});
  table("blocking wake, one way, two processes, no spinning", false,
        {{"zeroipc spsc",
          [a = share<ours<T, spsc>>(), b = share<ours<T, spsc>>()] { return wake(*a, *b); },
          {},
          {}},
         {"zeroipc mpmc",
          [a = share<ours<T, mpmc>>(), b = share<ours<T, mpmc>>()] { return wake(*a, *b); },
          {},
          {}},
         {"raw futex", raw_wake, {}, {}}});
  return 0;
}

}  // namespace
}  // namespace zeroipc

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--items=", 8) == 0)
      zeroipc::items = std::strtoull(argv[i] + 8, nullptr, 10);
    if (std::strncmp(argv[i], "--rounds=", 9) == 0) zeroipc::rounds = std::atoi(argv[i] + 9);
    if (std::strncmp(argv[i], "--filter=", 9) == 0) zeroipc::filter = argv[i] + 9;
  }
  return zeroipc::run();
}
