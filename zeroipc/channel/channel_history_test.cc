// Property: whatever a few processes do to a rendezvous at once, some of them killed on the way, there is an order of it in
// which each value is received in the very step in which it is sent.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "testing/linearizability/bursts.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {
namespace {

using linearizability::bursts;
using linearizability::recorded;

struct rig {
  memory mem = *memory::create_anonymous(256 << 10, {.max_names = 4});
  channel<uint64_t> c{mem, "c", 0};
};

struct operation {
  enum class kind : uint8_t { send, receive };
  kind what;
  uint64_t number = 0;   // what was to be sent, or was received; 0: nothing was
  bool refused = false;  // a sender was told that it was not received
};
std::string text_of(const operation& o) {
  return (o.what == operation::kind::send ? "send " : "receive ") + std::to_string(o.number) +
         (o.refused ? ", refused" : "");
}

struct model {
  uint64_t in_flight = 0;         // sent: the next step receives it
  std::vector<uint64_t> orphans;  // handed to one that died before it had it

  std::vector<model> after(const recorded<operation>& r) const {
    if (r.what.what == operation::kind::send) {
      if (in_flight != 0) return {};
      if (r.what.refused) return {*this};
      model m = *this;
      m.in_flight = r.what.number;
      return {m};
    }
    if (in_flight != 0) {
      if (!r.pending() && r.what.number != in_flight) return {};
      model received = *this;
      received.in_flight = 0;
      if (!r.pending()) return {received};
      model died = received;
      died.orphans.push_back(in_flight);
      return {received, died};
    }
    // Nothing, though there may be an orphan: that its receiver is dead has to become known first.
    if (r.pending() || r.what.number == 0) return {*this};
    const auto at = std::find(orphans.begin(), orphans.end(), r.what.number);
    if (at == orphans.end()) return {};
    model m = *this;
    m.orphans.erase(m.orphans.begin() + (at - orphans.begin()));
    return {m};
  }
  bool operator==(const model&) const = default;
  uint64_t hash() const {
    uint64_t h = in_flight;
    for (const uint64_t n : orphans) h = (h ^ n) * 0x9e37'79b9'7f4a'7c15;
    return h;
  }
  std::string text() const {
    std::string t = "in flight " + std::to_string(in_flight) + ", orphans ";
    for (const uint64_t n : orphans) t += std::to_string(n) + " ";
    return t;
  }
};

TEST(ChannelHistory, SomeOrderExplainsIt) {
  bursts<rig, operation, model> b("channel");
  uint64_t next = 0;  // each process counts for itself
  b.run(
      [&next](rig& r, auto& h, size_t me, std::mt19937_64& random) {
        const std::chrono::microseconds patience(random() % 4 == 0 ? 0 : random() % 400);
        operation o = {.what = static_cast<operation::kind>(random() % 2)};
        if (o.what == operation::kind::send) {
          o.number = 1'000 * (me + 1) + ++next % 1'000;
          const auto at = h.begin(me, o);
          o.refused = !r.c.send_for(o.number, patience);
          h.end(at, o);
          return;
        }
        const bool leases = random() % 3 == 0;
        const auto at = h.begin(me, o);
        if (leases) {
          auto held = r.c.lease_for(patience);
          if (held) {
            o.number = *held;
            EXPECT_TRUE(held.ack());
          }
        } else if (!r.c.receive_for(o.number, patience)) {
          o.number = 0;
        }
        h.end(at, o);
      },
      [](const auto&) { return model(); }, text_of);
}

}  // namespace
}  // namespace zeroipc
