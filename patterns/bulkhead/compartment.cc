#include "patterns/bulkhead/compartment.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "patterns/base/remove_names.h"

namespace zeroipc::patterns::internal {
namespace {

// Looking at how much is in use looks at each cell: the first few entries do, and then one of so many.
constexpr uint64_t kFirst = 64, kSampleEvery = 16;

std::string counters_name(std::string_view compartment) {
  return absl::StrCat(compartment, "/counters");
}
std::string stopped_name(std::string_view bulkhead) { return absl::StrCat(bulkhead, "/stopped"); }

}  // namespace

Compartment::Compartment(const memory& mem, std::string_view bulkhead, size_t number,
                         array<uint8_t> stopped, Counters<CompartmentEvent> counters)
    : mem_(mem),
      bulkhead_(bulkhead),
      number_(number),
      name_(absl::StrCat(bulkhead, "/", number)),
      stopped_(std::move(stopped)),
      counters_(std::move(counters)) {}

absl::StatusOr<Compartment> Compartment::open_or_create(const memory& mem,
                                                        std::string_view bulkhead, size_t number) {
  auto stopped = array<uint8_t>::open_or_create(mem, stopped_name(bulkhead), 1);
  if (!stopped.ok()) return stopped.status();
  auto counters = Counters<CompartmentEvent>::open_or_create(
      mem, counters_name(absl::StrCat(bulkhead, "/", number)));
  if (!counters.ok()) return counters.status();
  return Compartment(mem, bulkhead, number, *std::move(stopped), *std::move(counters));
}

void Compartment::entered(absl::FunctionRef<pool_stats()> look) const {
  counters_.add(CompartmentEvent::kEntered);
  const uint64_t entered = counters_.get(CompartmentEvent::kEntered);
  if (entered > kFirst && entered % kSampleEvery != 0) return;
  counters_.raise_to(CompartmentEvent::kMostInUse, look().in_use);
}

CompartmentStats Compartment::stats(const pool_stats& pool) const {
  CompartmentStats s;
  s.resources = pool.capacity;
  s.in_use = pool.in_use;
  s.most_in_use = counters_.get(CompartmentEvent::kMostInUse);
  s.entered = counters_.get(CompartmentEvent::kEntered);
  s.refused = counters_.get(CompartmentEvent::kRefused);
  s.waited = counters_.get(CompartmentEvent::kWaited);
  s.waiting = std::chrono::nanoseconds(counters_.get(CompartmentEvent::kWaitedNs));
  s.recovered = pool.recovered;
  s.stopped = stopped();
  return s;
}

std::string Compartment::where() const {
  return absl::StrCat("segment ", mem_.name(), ": bulkhead '", bulkhead_, "': compartment ",
                      number_);
}

Health Compartment::health(const pool_stats& pool) const {
  if (stopped()) return {false, absl::StrCat(where(), ": stopped")};
  if (pool.in_use < pool.capacity) return {};
  return {false, absl::StrCat(where(), ": all its ", pool.capacity, " resources are in use")};
}

absl::Status Compartment::refusal(outcome why, size_t resources) const {
  if (why == outcome::closed) return absl::UnavailableError(absl::StrCat(where(), " is stopped"));
  const std::string text =
      absl::StrCat(where(), " exhausted: all its ", resources, " resources are in use");
  if (why == outcome::timed_out) {
    return absl::DeadlineExceededError(absl::StrCat(text, ", and none came free in time"));
  }
  return absl::ResourceExhaustedError(text);
}

absl::Status Compartment::remove() const {
  return remove_names(mem_, std::array{name_, counters_name(name_), stopped_name(bulkhead_)});
}

absl::Status check_compartments(const memory& mem, std::string_view name,
                                const std::vector<size_t>& resources) {
  const auto wrong = [&](auto... text) {
    return absl::InvalidArgumentError(
        absl::StrCat("segment ", mem.name(), ": bulkhead '", name, "': ", text...));
  };
  if (resources.empty()) return wrong("it has one compartment at least");
  for (size_t i = 0; i < resources.size(); ++i) {
    if (resources[i] == 0) return wrong("compartment ", i, " has no resource");
  }
  return absl::OkStatus();
}

absl::Status no_such_compartment(size_t i, size_t compartments) {
  return absl::OutOfRangeError(
      absl::StrCat("compartment ", i, " of a bulkhead with ", compartments));
}

}  // namespace zeroipc::patterns::internal
