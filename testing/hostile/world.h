// The world of a structure's fuzz target: memory that holds anything, processes that die, and a peer who writes to it between any
// two instructions. What a target brings is its memory and its operations:
//
//   struct arena {
//     struct memory { latch_header<intruded> header; latch_core<intruded, peer>::arrival_word arrivals[4]; };
//     using core = latch_core<intruded, peer>;
//     void bind(core& c, peer& p, memory& m) { c.bind(p, m.header, m.arrivals, 4); }
//     std::vector<uint64_t> known() const { return {kArrived, kForfeited}; }      // values that mean something there
//     void operate(core& c, input& in, deadline until) { ...one operation... }
//   };
//   extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
//     input in(data, size);
//     return play_hostile<arena>("latch", in);
//   }
//
// The memory starts with a header, whose geometry is left alone: handles have checked it and keep a copy. An operation must stay
// inside the memory, and end; what it answers is of no interest, unless it would lead its caller outside.
#ifndef ZEROIPC_TESTING_HOSTILE_WORLD_H_
#define ZEROIPC_TESTING_HOSTILE_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "testing/hostile/fuzz_target.h"
#include "testing/hostile/input.h"
#include "testing/hostile/intruded.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/event_word.h"

namespace zeroipc::testing {

struct world {
  static constexpr uint32_t kPeers = 3;

  input& in;
  bool dead[kPeers] = {};
  uint32_t epoch = 0;

  void kill(uint32_t who) {
    dead[who] = true;
    ++epoch;
  }
};

// One process of it: the environment of the templates under test.
class peer {
 public:
  void enter(world& w, uint32_t number) {
    world_ = &w;
    self_ = number;
  }
  void begin_operation() { patience_ = kPatience; }

  owner_tag self() const { return owner_tag(self_, 1); }
  owner_tag tag() const { return self(); }
  bool is_dead(owner_tag who) const {
    return who.generation() != 1 || who.slot() >= world::kPeers || world_->dead[who.slot()];
  }
  uint32_t death_epoch() const { return world_->epoch; }
  void light_fence() const {}
  void heavy_fence() const {}
  int spins() const { return 1; }
  // Its deadline has passed after some turns; before that, somebody may have died.
  bool sleep(intruded::atomic<uint32_t>& word, uint32_t key, uint32_t, deadline) {
    // Whoever sleeps does so on a word that says so; only another's hand can have changed it since.
    if ((key & internal::event_word<intruded>::kWaiting) == 0) std::abort();
    if (--patience_ < 0) return false;
    word.load(std::memory_order_relaxed);
    const uint64_t who = world_->in.below(8);
    if (who != 0 && who < world::kPeers && who != self_) {
      world_->kill(static_cast<uint32_t>(who));
    }
    return true;
  }
  static constexpr size_t kMostAwaited = 4;
  struct sleep_word {
    peer* env;
    intruded::atomic<uint32_t>* word;
    uint32_t key;
    uint32_t epoch;
  };
  static bool sleep_any(std::span<const sleep_word> words, deadline until) {
    for (const sleep_word& w : words) {
      if (!w.env->sleep(*w.word, w.key, w.epoch, until)) return false;
    }
    return true;
  }
  int wake(intruded::atomic<uint32_t>&, int) const { return static_cast<int>(world_->in.below(3)); }

 private:
  static constexpr int kPatience = 6;

  world* world_ = nullptr;
  uint32_t self_ = 0;
  int patience_ = 0;
};

// What a caller is told that it may go by.
inline void require(bool holds) {
  if (!holds) std::abort();
}

template <typename Arena>
int play_hostile(std::string_view name, input& in) {
  fuzzed(name);
  const auto memory = std::make_unique<typename Arena::memory>();
  intruder hand;
  hand.share(memory.get(), sizeof *memory);
  world w{in};
  peer peers[world::kPeers];
  typename Arena::core cores[world::kPeers];
  Arena arena;
  for (uint32_t i = 0; i < world::kPeers; ++i) {
    peers[i].enter(w, i);
    hand.begin_operation();
    arena.bind(cores[i], peers[i], *memory);
  }
  std::vector<uint64_t> known = arena.known();
  for (uint32_t i = 0; i < world::kPeers + 1; ++i) {
    const uint64_t tag = owner_tag(i, 1).bits();
    known.insert(known.end(), {tag, tag << 32, tag << 32 | 1});
  }

  const auto operate = [&] {
    auto who = static_cast<uint32_t>(in.below(world::kPeers));
    if (w.dead[who]) who = 0;  // who never dies
    hand.begin_operation();
    peers[who].begin_operation();
    arena.operate(cores[who], in, in.below(4) == 0 ? deadline::never() : deadline::at_once());
  };
  const auto overwrite = [&] {
    constexpr size_t kGeometry = sizeof(internal::structure_geometry);
    auto* words =
        reinterpret_cast<uint64_t*>(reinterpret_cast<std::byte*>(memory.get()) + kGeometry);
    for (uint64_t n = in.below(16); n > 0; --n) {
      uint64_t& word = words[in.below((sizeof *memory - kGeometry) / 8)];
      word = hostile_value(in, word, known);
    }
  };

  // Something that has been used, and then what the input makes of it.
  for (uint64_t n = in.below(8); n > 0; --n) operate();
  overwrite();
  for (uint64_t n = in.below(8); n > 0; --n) {
    const uint64_t when = in.word(2) % 1024;
    hand.strike(when, hostile_value(in, 0, known));
  }
  for (int n = 0; n < 64 && !in.at_end(); ++n) {
    switch (in.below(16)) {
      case 0:
        overwrite();
        break;
      case 1:
        w.kill(1 + static_cast<uint32_t>(in.below(world::kPeers - 1)));
        break;
      default:
        operate();
    }
  }
  return 0;
}

}  // namespace zeroipc::testing

#endif  // ZEROIPC_TESTING_HOSTILE_WORLD_H_
