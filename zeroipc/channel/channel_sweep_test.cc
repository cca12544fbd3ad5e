// Property: a process killed at any instruction of an operation on a rendezvous leaves nothing half-way: what it sent is there
// or not, what it received is gone or there, and everything goes on; and so does the next one, killed at any instruction of
// its own. (A buffered channel is a queue, and is proved as one: zeroipc/queue.)
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/channel/channel.h"

namespace zeroipc {
namespace {

using testing::moment;

struct rig {
  memory mem = testing::small_memory();
  channel<uint64_t> c{mem, "c", 0};

  // Of the algorithm, for one process that is both sides.
  auto& core() { return *internal::channel_events<uint64_t>(c).rendezvous(); }
};
using core_type = internal::channel_state<uint64_t>::rendezvous_type;

// With somebody on the other side, who is stopped and dies with the victim.
struct rig_with_another : rig {
  std::unique_ptr<harness::process> other;

  template <typename F, typename G>
  void wait_for_it(F&& does, G&& has_come) {
    other = std::make_unique<harness::process>(does);
    EXPECT_TRUE(harness::eventually(has_come));
    EXPECT_TRUE(harness::wait_until_asleep(other->pid()));
    other->stop();
  }
};
struct rig_with_receiver : rig_with_another {
  rig_with_receiver() {
    wait_for_it([this] { c.receive(); }, [this] { return c.stats().waiting_receivers == 1; });
  }
};
struct rig_with_sender : rig_with_another {
  rig_with_sender() {
    wait_for_it([this] { c.send(1); }, [this] { return c.size() == 1; });
  }
};

// Without deadlines: a look at the clock is a thousand instructions.
template <typename Sweep>
void add_recoverers(Sweep& sweep) {
  sweep.recoverer([](const memory& copy) {
    return [c = channel<uint64_t>(copy, "c")]() mutable { c.try_lease().nack(); };
  });
  sweep.recoverer([](const memory& copy) {
    return [c = channel<uint64_t>(copy, "c")]() mutable {
      c.try_send(2);
      c.try_receive();
    };
  });
}

// `most`: of the value 1, where the second recoverer may have received it.
void expect_whole(const memory& copy, const moment& at, uint64_t least, uint64_t most,
                  bool closes = false) {
  channel<uint64_t> c(copy, "c");
  std::vector<uint64_t> there;
  for (uint64_t x = 0; c.try_receive(x);) there.push_back(x);
  EXPECT_LE(there.size(), most) << "it is there twice, or was not sent";
  EXPECT_GE(there.size(), at.second < 0 ? least : 0) << "it was sent, and is lost";
  for (const uint64_t x : there) EXPECT_EQ(x, 1u);
  const channel_stats s = c.stats();
  EXPECT_EQ(s.leased, 0u);
  EXPECT_EQ(s.waiting_receivers, 0u);
  EXPECT_EQ(c.try_send(3), c.closed() ? outcome::closed : outcome::full);
  if (!closes || at.returned) {
    EXPECT_EQ(c.closed(), closes);
  }
  if (c.closed() || at.second > 0) return;
  // Nothing is lost of the room.
  auto& core = *internal::channel_events<uint64_t>(c).rendezvous();
  constexpr uint64_t kOffers = internal::shape_of_offers(8, 8).count;
  for (uint64_t i = 0; i < kOffers; ++i) {
    core_type::standing standing;
    ASSERT_EQ(core.stand(i, standing, true), outcome::empty) << "an offer is lost";
  }
  for (uint64_t i = 0; i < kOffers; ++i) EXPECT_EQ(c.try_receive(), i);
}

TEST(ChannelSweep, AnyInstructionMayBeTheLast) {
  testing::structure_sweep<rig> sweep("channel");
  sweep.operation("send, withdrawn", [](rig& r) {
    core_type::standing s;
    r.core().stand(1, s, true);
    r.core().withdraw(s);
  });
  sweep.operation("send, refused", [](rig& r) {
    core_type::standing s;
    r.core().stand(1, s, true);
    r.c.close();
    r.c.try_receive();
    EXPECT_EQ(r.core().look_after(s), outcome::closed);
  });
  sweep.operation("send, leased, given back", [](rig& r) {
    core_type::standing s;
    r.core().stand(1, s, true);
    EXPECT_TRUE(r.c.try_lease().nack());
  });
  sweep.operation("try_send", [](rig& r) { EXPECT_EQ(r.c.try_send(1), outcome::full); });
  sweep.operation("send_for", [](rig& r) { r.c.send_for(1, std::chrono::microseconds(1)); });
  sweep.operation("receive_for", [](rig& r) { r.c.receive_for(std::chrono::microseconds(1)); });
  sweep.operation("close", [](rig& r) { r.c.close(); });
  add_recoverers(sweep);
  sweep.run([](const memory& copy, const std::string& operation, const moment& at) {
    const bool kept = operation == "send, leased, given back";
    expect_whole(copy, at, kept && at.returned ? 1 : 0, kept ? 1 : 0,
                 operation == "close" || operation == "send, refused");
  });
}

TEST(ChannelSweep, AnyInstructionOfASendToOneThatWaits) {
  testing::structure_sweep<rig_with_receiver> sweep("channel");
  sweep.operation("send", [](rig& r) { EXPECT_TRUE(r.c.send(1)); });
  sweep.operation("try_send", [](rig& r) { EXPECT_TRUE(r.c.try_send(1)); });
  sweep.operation("send_for", [](rig& r) { EXPECT_TRUE(r.c.send_for(1, std::chrono::hours(1))); });
  sweep.operation("close", [](rig& r) { r.c.close(); });
  add_recoverers(sweep);
  // The receiver has died without it, so it comes to another one.
  sweep.run([](const memory& copy, const std::string& operation, const moment& at) {
    const bool closes = operation == "close";
    expect_whole(copy, at, at.returned && !closes ? 1 : 0, closes ? 0 : 1, closes);
  });
}

TEST(ChannelSweep, AnyInstructionOfAReceiveFromOneThatStands) {
  testing::structure_sweep<rig_with_sender> sweep("channel");
  sweep.operation("receive", [](rig& r) { EXPECT_EQ(r.c.receive(), 1u); });
  sweep.operation("try_receive", [](rig& r) { EXPECT_EQ(r.c.try_receive(), 1u); });
  sweep.operation("receive_for",
                  [](rig& r) { EXPECT_EQ(r.c.receive_for(std::chrono::hours(1)), 1u); });
  sweep.operation("lease, ack", [](rig& r) { EXPECT_TRUE(r.c.lease().ack()); });
  sweep.operation("try_lease, nack", [](rig& r) { EXPECT_TRUE(r.c.try_lease().nack()); });
  sweep.operation("lease_for, kept", [](rig& r) {
    new channel<uint64_t>::leased(r.c.lease_for(std::chrono::hours(1)));  // NOLINT: dies with it
  });
  sweep.operation("close", [](rig& r) { r.c.close(); });
  sweep.operation("close, try_receive", [](rig& r) {
    r.c.close();
    EXPECT_EQ(r.c.try_receive(), std::nullopt);
  });
  add_recoverers(sweep);
  sweep.run([](const memory& copy, const std::string& operation, const moment& at) {
    const bool closes = operation == "close" || operation == "close, try_receive";
    const bool back = operation == "try_lease, nack" || operation == "lease_for, kept";
    const bool leases = back || operation == "lease, ack";
    // Of a sender that has died nothing is received, unless it was before; under a lease it comes back.
    expect_whole(copy, at, back && at.returned ? 1 : 0, leases ? 1 : 0, closes);
  });
}

TEST(ChannelSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  using operation = testing::blocking_operation<rig>;
  testing::blocked_kill<rig> kills("channel");
  const auto send = [](rig& r) {
    // One that is standing, or that was handed something and died, may have been served or not.
    EXPECT_TRUE(r.c.send(1));
  };
  const auto waiting = [](rig& r, uint64_t n) { return r.c.stats().waiting_receivers >= n; };
  const auto standing = [](rig& r, uint64_t n) { return r.c.size() >= n; };
  const auto used_up_receiver = [](rig& r) { return r.c.stats().waiting_receivers != 0; };
  const auto used_up_sender = [](rig& r) { return r.c.size() != 0; };
  const auto serve_sender = [](rig& r) { r.c.try_receive(); };
  const auto serve_receiver = [](rig& r) { r.c.try_send(2); };
  kills.operation("send", operation{.wait = send,
                                    .serve = serve_sender,
                                    .have_come = standing,
                                    .is_used_up = used_up_sender});
  kills.operation("send_for",
                  operation{.wait = [=](rig& r) { EXPECT_TRUE(r.c.send_for(1, kLong)); },
                            .serve = serve_sender,
                            .have_come = standing,
                            .is_used_up = used_up_sender});
  kills.operation("receive", operation{.wait = [](rig& r) { EXPECT_TRUE(r.c.receive()); },
                                       .serve = serve_receiver,
                                       .have_come = waiting,
                                       .is_used_up = used_up_receiver});
  kills.operation("receive_for",
                  operation{.wait = [=](rig& r) { EXPECT_TRUE(r.c.receive_for(kLong)); },
                            .serve = serve_receiver,
                            .have_come = waiting,
                            .is_used_up = used_up_receiver});
  kills.operation("lease", operation{.wait = [](rig& r) { EXPECT_TRUE(r.c.lease().ack()); },
                                     .serve = serve_receiver,
                                     .have_come = waiting,
                                     .is_used_up = used_up_receiver});
  kills.operation("receive, closed", operation{.wait = [](rig& r) { EXPECT_FALSE(r.c.receive()); },
                                               .serve = [](rig& r) { r.c.close(); },
                                               .have_come = waiting});
  kills.operation("send, closed",
                  operation{.wait = [](rig& r) { EXPECT_EQ(r.c.send(1), outcome::closed); },
                            .serve = [](rig& r) { r.c.close(); },
                            .have_come = standing});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
