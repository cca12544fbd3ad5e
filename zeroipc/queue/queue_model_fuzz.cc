// Property: whatever is done with a queue in whatever order, and whoever is killed at whichever access to shared memory while
// others hold reservations, views and leases, each item is delivered to one taker.
//
// The input says who does what, and who dies, in an operation or between two. Nobody else writes to the memory. A model keeps
// book: items that must still come, that may still come (their pusher, or their taker, was killed on the way), and that are in
// somebody's hands. At the end all hands are emptied, and peer 0, who never dies, takes all there is.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <vector>

#include "testing/hostile/fuzz_target.h"
#include "testing/hostile/input.h"
#include "zeroipc/queue/crash_world.h"

namespace zeroipc::internal {
namespace {

using testing::input;

struct item {
  uint64_t id = 0;
  uint64_t check = 0;
};
item make(uint64_t id) { return {id, ~id}; }
constexpr deadline kNow = deadline::at_once();
constexpr uint32_t kPeers = world::kActors;

[[noreturn]] void wrong(const char* what, uint64_t id = 0) {
  std::fprintf(stderr, "hostile: item %llu %s\n", static_cast<unsigned long long>(id), what);
  std::abort();
}

template <typename Policy>
class game {
 public:
  using queue = crash_queue<item, Policy>;
  using core_type = typename queue::core_type;

  game(uint64_t capacity, uint64_t leases) : q_(capacity, leases) {}

  void play(input& in) {
    for (int n = 0; n < 80 && !in.at_end(); ++n) {
      const uint32_t who = somebody_alive(in);
      const uint8_t what = in.byte();
      // Peer 0 never dies; of the others every fourth operation is the last.
      const bool last = who != 0 && what >= 192;
      const int64_t life = last ? static_cast<int64_t>(in.below(64)) : -1;
      const bool returned = q_.live_for(life, [&] { operate(in, who, what % 12); });
      if (last) die(who, returned);
    }
    settle();
  }

 private:
  enum class fate : uint8_t { must_come, may_come, held, gone };
  struct hand {
    uint32_t who = 0;
    uint64_t id = 0;
    typename core_type::ticket reservation;
    typename core_type::view_ticket view;
    typename core_type::held_lease lease;
  };
  using hands = std::vector<hand>;

  uint32_t somebody_alive(input& in) {
    auto who = static_cast<uint32_t>(in.below(kPeers));
    while (q_.all().dead[who]) who = (who + 1) % kPeers;
    return who;
  }

  // An item has come to somebody.
  void arrived(const item& x, fate now) {
    if (x.check != ~x.id) wrong("is torn", x.id);
    const auto found = fates_.find(x.id);
    if (found == fates_.end()) wrong("was never pushed", x.id);
    if (found->second == fate::held) wrong("is in somebody's hands", x.id);
    if (found->second == fate::gone) wrong("came twice", x.id);
    found->second = now;
  }

  void operate(input& in, uint32_t who, uint64_t what) {
    core_type& core = q_.as(who);
    switch (what) {
      case 0:
      case 1: {
        const uint64_t id = ++last_id_;
        fates_[id] = fate::may_come;
        fates_[id] = core.push(make(id), kNow) ? fate::must_come : fate::gone;
        break;
      }
      case 2: {
        item some[3];
        const uint64_t want = 1 + in.below(3);
        uint64_t done = 0;
        for (uint64_t i = 0; i < want; ++i) {
          some[i] = make(++last_id_);
          fates_[some[i].id] = fate::may_come;
        }
        core.push_n(some, want, done, kNow);
        for (uint64_t i = 0; i < want; ++i) {
          fates_[some[i].id] = i < done ? fate::must_come : fate::gone;
        }
        break;
      }
      case 3:
      case 4: {
        item some[3];
        uint64_t done = 0;
        taking_ = true;  // killed in there, one may have gone with its taker
        if (what == 3) {
          done = static_cast<bool>(core.pop(some[0], kNow));
        } else {
          core.pop_n(some, 1 + in.below(3), done, kNow);
        }
        taking_ = false;
        for (uint64_t i = 0; i < done; ++i) arrived(some[i], fate::gone);
        break;
      }
      case 5: {
        hand h{who, 0, {}, {}, {}};
        if (reservations_.size() < 4 && core.reserve(h.reservation, kNow)) {
          h.id = ++last_id_;
          *reinterpret_cast<item*>(h.reservation.payload) = make(h.id);
          reservations_.push_back(h);
        }
        break;
      }
      case 6:
        end_one(in, who, reservations_, [&](hand& h) {
          if (in.below(2) == 0) return core.abort(h.reservation);
          fates_[h.id] = fate::may_come;
          core.commit(h.reservation);
          fates_[h.id] = fate::must_come;
        });
        break;
      case 7: {
        hand h{who, 0, {}, {}, {}};
        if (views_.size() < 4 && core.peek(h.view, kNow)) {
          const item x = *core.value(h.view);
          arrived(x, fate::held);
          h.id = x.id;
          views_.push_back(h);
        }
        break;
      }
      case 8:
        end_one(in, who, views_, [&](hand& h) {
          end_hand(
              h, in.below(2) == 0, [&] { core.release(h.view); }, [&] { core.put_back(h.view); });
        });
        break;
      case 9: {
        hand h{who, 0, {}, {}, {}};
        if (leases_.size() < 4 && core.lease(h.lease, kNow)) {
          const item x = core.value(h.lease);
          arrived(x, fate::held);
          h.id = x.id;
          leases_.push_back(h);
        }
        break;
      }
      case 10:
        end_one(in, who, leases_, [&](hand& h) {
          const auto give_up = [](outcome r) {
            if (!r) wrong("was taken from the living");
          };
          end_hand(
              h, in.below(2) == 0, [&] { give_up(core.ack(h.lease)); },
              [&] { give_up(core.nack(h.lease)); });
        });
        break;
      default:
        core.give_up_producer();
        core.give_up_consumer();
    }
  }

  // Of those that `who` has.
  template <typename End>
  void end_one(input& in, uint32_t who, hands& all, End&& end) {
    std::vector<size_t> his;
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].who == who) his.push_back(i);
    }
    if (his.empty()) return;
    const size_t i = his[in.below(his.size())];
    hand h = all[i];
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
    end(h);
  }

  template <typename Take, typename PutBack>
  void end_hand(hand& h, bool take, Take&& do_take, PutBack&& do_put_back) {
    if (take) {
      fates_[h.id] = fate::may_come;
      do_take();
      fates_[h.id] = fate::gone;
    } else {
      fates_[h.id] = fate::must_come;
      do_put_back();
    }
  }

  // What he held comes back.
  void die(uint32_t who, bool returned) {
    q_.all().bury(who);
    if (taking_ && !returned) {
      // Any of those in the ring may have been his.
      for (auto& [id, f] : fates_) {
        if (f == fate::must_come) f = fate::may_come;
      }
    }
    taking_ = false;
    for (hands* all : {&views_, &leases_}) {
      for (const hand& h : *all) {
        if (h.who == who) fates_[h.id] = fate::must_come;
      }
    }
    for (hands* all : {&reservations_, &views_, &leases_}) {
      std::erase_if(*all, [&](const hand& h) { return h.who == who; });
    }
  }

  void settle() {
    for (hand& h : reservations_) q_.as(h.who).abort(h.reservation);
    for (hand& h : views_) {
      fates_[h.id] = fate::must_come;
      q_.as(h.who).put_back(h.view);
    }
    for (hand& h : leases_) {
      fates_[h.id] = fate::must_come;
      if (!q_.as(h.who).nack(h.lease)) wrong("was taken from the living", h.id);
    }
    for (uint32_t i = 0; i < kPeers; ++i) {
      if (q_.all().dead[i]) continue;
      q_.as(i).give_up_producer();
      q_.as(i).give_up_consumer();
    }
    core_type& core = q_.as(0);
    item x;
    for (int n = 0; n < 1000 && core.pop(x, kNow); ++n) arrived(x, fate::gone);
    for (const auto& [id, f] : fates_) {
      if (f == fate::must_come) wrong("is lost", id);
    }
    // All the room there is, and all the leases.
    if (core.depth() != 0) wrong("is there and cannot be popped");
    for (uint64_t i = 0; i < core.capacity(); ++i) {
      if (!core.push(make(1), kNow)) wrong("found no room");
    }
    for (uint64_t i = 0; i < core.max_leases() && i < core.capacity(); ++i) {
      typename core_type::held_lease h;
      if (!core.lease(h, kNow)) wrong("found no lease entry");
    }
  }

  queue q_;
  uint64_t last_id_ = 1;
  bool taking_ = false;
  std::map<uint64_t, fate> fates_;
  hands reservations_, views_, leases_;
};

template <typename Policy>
void play(input& in) {
  testing::fuzzed("queue " + std::string(Policy::name));
  const uint64_t capacity = 1 + in.below(6);
  game<Policy>(capacity, 1 + in.below(4)).play(in);
}

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace zeroipc;
  testing::input in(data, size);
  switch (in.below(4)) {
    case 0:
      internal::play<mpmc>(in);
      break;
    case 1:
      internal::play<mpsc>(in);
      break;
    case 2:
      internal::play<spmc>(in);
      break;
    default:
      internal::play<spsc>(in);
  }
  return 0;
}
