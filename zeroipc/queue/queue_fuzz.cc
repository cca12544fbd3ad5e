// Property: whatever stands in a queue's memory and in the records of its threads, and whatever a peer writes there between
// any two instructions, no operation leaves the memory, crashes, or fails to end.
//
// The input says which words hold what, at which accesses which words change, who does what, and who dies. Operations do not
// wait; the one that may (a view given back with its turns used up, behind a recovery lock that names somebody alive: see
// docs/crash-model.md, scribbling) is let off.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "testing/hostile/fuzz_target.h"
#include "testing/hostile/input.h"
#include "testing/hostile/intruded.h"
#include "zeroipc/queue/core.h"

namespace zeroipc::internal {
namespace {

using testing::hostile_value;
using testing::input;
using testing::intruded;
using testing::intruder;

struct item {
  uint64_t words[3];
};
constexpr deadline kNow = deadline::at_once();
constexpr uint32_t kPeers = 3;
constexpr uint32_t kQueueId = 7;

struct would_sleep {};

struct people {
  thread_record<intruded> records[kPeers] = {};
  bool dead[kPeers] = {};
  bool no_record[kPeers] = {};
  uint32_t epoch = 0;
};

class peer {
 public:
  peer(people& all, uint32_t i) : all_(all), i_(i) {}
  thread_record<intruded>* record() { return all_.no_record[i_] ? nullptr : &all_.records[i_]; }
  template <typename F>
  void for_each_record(F&& f) const {
    for (uint32_t i = 0; i < kPeers; ++i) f(all_.records[i], owner_tag(i, 1));
  }
  owner_tag self() { return tag(); }
  owner_tag tag() const { return owner_tag(i_, 1); }
  bool is_dead(owner_tag who) const {
    return who.generation() != 1 || who.slot() >= kPeers || all_.dead[who.slot()];
  }
  uint32_t death_epoch() const { return all_.epoch; }
  void light_fence() const {}
  void heavy_fence() const {}
  int spins() const { return 0; }
  bool sleep(intruded::atomic<uint32_t>&, uint32_t, uint32_t, deadline) { throw would_sleep{}; }
  int wake(intruded::atomic<uint32_t>&, int n) { return n > 1; }

 private:
  people& all_;
  uint32_t i_;
};

template <typename Policy>
class arena {
 public:
  using core_type = queue_core<intruded, peer, item, Policy>;
  static constexpr bool kBare = !Policy::multi_producer && !Policy::multi_consumer;

  arena(uint64_t capacity, uint64_t leases)
      : geometry_(*make_queue_geometry(capacity, leases,
                                       {sizeof(item), alignof(item), Policy::variant, kBare},
                                       uint64_t{1} << 30, "fuzzed")),
        bytes_(static_cast<std::byte*>(
            std::aligned_alloc(kApart, round_up(geometry_.bytes, kApart)))) {
    std::memset(bytes_, 0, geometry_.bytes);
    reinterpret_cast<queue_header<intruded>*>(bytes_)->geometry = geometry_;
    intruder_.share(bytes_, geometry_.bytes);
    intruder_.share(all_.records, sizeof all_.records);
    for (uint32_t i = 0; i < kPeers; ++i) {
      peers_[i].emplace(all_, i);
      cores_[i].bind(*peers_[i], bytes_, geometry_, kQueueId);
    }
  }
  ~arena() { std::free(bytes_); }
  arena(const arena&) = delete;

  void play(input& in) {
    // A queue that has been used, then what the input makes of it.
    for (uint64_t n = in.below(8); n > 0; --n) operate(in, in.below(8));
    overwrite(in);
    for (uint64_t n = in.below(8); n > 0; --n) {
      const uint64_t when = in.word(2);
      intruder_.strike(when % 2048, hostile_value(in, 0, known()));
    }
    for (int n = 0; n < 64 && !in.at_end(); ++n) {
      const uint8_t what = in.byte();
      if (what >= 240) {
        overwrite(in);
      } else {
        operate(in, what);
      }
    }
    // Whatever is left, it comes to an end.
    for (uint32_t i = 0; i < kPeers; ++i) {
      if (!all_.dead[i]) finish_all(i);
    }
  }

 private:
  struct reservation {
    uint32_t who;
    typename core_type::ticket ticket;
  };
  struct view {
    uint32_t who;
    typename core_type::view_ticket ticket;
  };
  struct lease {
    uint32_t who;
    typename core_type::held_lease held;
  };

  queue_header<intruded>& header() { return *reinterpret_cast<queue_header<intruded>*>(bytes_); }

  std::vector<uint64_t> known() const {
    const ring_shape shape(geometry_.capacity);
    std::vector<uint64_t> values = {
        kClosedBit,
        shape.at(1, 0),
        shape.at(1, geometry_.capacity - 1),
        geometry_.capacity,
        geometry_.capacity - 1,
        seq::make(0, slot_phase::full),
        seq::make(1, slot_phase::empty),
        seq::make(0, slot_phase::tomb),
        seq::make(0, slot_phase::orphan, 1),
        seq::make(1, slot_phase::full, seq::kLastTurn),
        kOrphans,
        kUnresolved,
        kClosing,
        kOrphans | kUnresolved | kAgain,
        owner_tag(0, 1).bits(),
        owner_tag(1, 1).bits(),
        owner_tag(2, 1).bits(),
        owner_tag(1, 2).bits(),
        owner_tag(9, 1).bits(),
    };
    for (uint64_t state = 0; state < 4; ++state) {
      values.push_back(state << 56 | owner_tag(1, 1).bits());
      values.push_back(state << 56 | owner_tag(9, 1).bits());
    }
    values.push_back(claim_word<intruded>::pack(claim_kind::push, 1, kQueueId));
    values.push_back(claim_word<intruded>::pack(claim_kind::pop, 0xff'ffff, kQueueId));
    return values;
  }

  void overwrite(input& in) {
    for (uint64_t n = in.below(16); n > 0; --n) {
      uint64_t* words = reinterpret_cast<uint64_t*>(bytes_);
      uint64_t count = geometry_.bytes / 8;
      const uint64_t where = in.below(6);
      if (where == 5) {
        words = reinterpret_cast<uint64_t*>(all_.records);
        count = sizeof all_.records / 8;
      } else if (where == 4) {
        words += geometry_.leases_offset / 8;
        count -= geometry_.leases_offset / 8;
      } else if (where >= 2) {
        words += geometry_.slots_offset / 8;
        count -= geometry_.slots_offset / 8;
      } else {
        // Behind the geometry, which handles do not look at again.
        words += 16;
        count = geometry_.slots_offset / 8 - 16;
      }
      uint64_t& word = words[in.below(count)];
      word = hostile_value(in, word, known());
    }
  }

  uint32_t somebody_alive(input& in) {
    uint32_t who = static_cast<uint32_t>(in.below(kPeers));
    while (all_.dead[who]) who = (who + 1) % kPeers;  // peer 0 never dies
    return who;
  }

  void operate(input& in, uint64_t what) {
    const uint32_t who = somebody_alive(in);
    core_type& core = cores_[who];
    item x{};
    item some[5] = {};
    uint64_t done = 0;
    intruder_.begin_operation();
    switch (what % 20) {
      case 0:
        core.push(x, kNow);
        break;
      case 1:
        core.pop(x, kNow);
        break;
      case 2:
        core.push_n(some, 1 + in.below(5), done, kNow);
        if (done > 5) std::abort();
        break;
      case 3:
        core.pop_n(some, 1 + in.below(5), done, kNow);
        if (done > 5) std::abort();
        break;
      case 4: {
        reservation r{who, {}};
        if (reservations_.size() < 8 && core.reserve(r.ticket, kNow)) {
          intruder_.check(r.ticket.payload, sizeof(item));
          std::memset(r.ticket.payload, 1, sizeof(item));
          reservations_.push_back(r);
        }
        break;
      }
      case 5:
        end_one(in, reservations_, [&](reservation& r) { cores_[r.who].commit(r.ticket); });
        break;
      case 6:
        end_one(in, reservations_, [&](reservation& r) { cores_[r.who].abort(r.ticket); });
        break;
      case 7: {
        view v{who, {}};
        if (views_.size() < 8 && core.peek(v.ticket, kNow)) {
          intruder_.check(core.value(v.ticket), sizeof(item));
          x = *core.value(v.ticket);
          views_.push_back(v);
        }
        break;
      }
      case 8:
        end_one(in, views_, [&](view& v) { cores_[v.who].release(v.ticket); });
        break;
      case 9:
        end_one(in, views_, [&](view& v) { put_back(v); });
        break;
      case 10: {
        lease l{who, {}};
        if (leases_.size() < 8 && core.lease(l.held, kNow)) {
          intruder_.check(&core.value(l.held), sizeof(item));
          x = core.value(l.held);
          core.deliveries(l.held);
          leases_.push_back(l);
        }
        break;
      }
      case 11:
        end_one(in, leases_, [&](lease& l) { cores_[l.who].ack(l.held); });
        break;
      case 12:
        end_one(in, leases_, [&](lease& l) { cores_[l.who].nack(l.held); });
        break;
      case 13:
        core.recover();
        break;
      case 14:
        core.stats();
        core.depth();
        core.closed();
        break;
      case 15:
        core.give_up_producer();
        core.give_up_consumer();
        break;
      case 16:
        core.take_producer();
        core.take_consumer();
        break;
      case 17:
        if (in.below(4) == 0) core.close();
        break;
      case 18:
        if (who != 0) die(who);
        break;
      default:
        all_.no_record[who] = !all_.no_record[who];
    }
  }

  template <typename Guards, typename End>
  void end_one(input& in, Guards& guards, End&& end) {
    if (guards.empty()) return;
    const auto i = static_cast<std::ptrdiff_t>(in.below(guards.size()));
    auto guard = guards[static_cast<size_t>(i)];
    guards.erase(guards.begin() + i);
    end(guard);
  }

  void put_back(view& v) {
    try {
      cores_[v.who].put_back(v.ticket);
    } catch (const would_sleep&) {
      const owner_tag holder =
          owner_tag::from_bits(header().recovery.owner.load(std::memory_order_relaxed));
      if (peers_[v.who]->is_dead(holder)) throw;
    }
  }

  void die(uint32_t who) {
    all_.dead[who] = true;
    ++all_.epoch;
    const auto is_his = [who](const auto& guard) { return guard.who == who; };
    std::erase_if(reservations_, is_his);
    std::erase_if(views_, is_his);
    std::erase_if(leases_, is_his);
  }

  void finish_all(uint32_t who) {
    for (reservation& r : reservations_) {
      if (r.who == who) cores_[who].abort(r.ticket);
    }
    for (view& v : views_) {
      if (v.who == who) put_back(v);
    }
    for (lease& l : leases_) {
      if (l.who == who) cores_[who].nack(l.held);
    }
    item x{};
    intruder_.begin_operation();
    cores_[who].pop(x, kNow);
    cores_[who].push(x, kNow);
  }

  queue_geometry geometry_;
  std::byte* bytes_;
  people all_;
  intruder intruder_;
  std::optional<peer> peers_[kPeers];
  core_type cores_[kPeers];
  std::vector<reservation> reservations_;
  std::vector<view> views_;
  std::vector<lease> leases_;
};

template <typename Policy>
void play(input& in, const char* structure) {
  testing::fuzzed(structure);
  const uint64_t capacity = 1 + in.below(9);
  const uint64_t leases = 1 + in.below(4);
  arena<Policy>(capacity, leases).play(in);
}

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace zeroipc;
  testing::input in(data, size);
  switch (in.below(4)) {
    case 0:
      internal::play<mpmc>(in, "queue mpmc");
      break;
    case 1:
      internal::play<mpsc>(in, "queue mpsc");
      break;
    case 2:
      internal::play<spmc>(in, "queue spmc");
      break;
    default:
      internal::play<spsc>(in, "queue spsc");
  }
  return 0;
}
