// ServiceRegistry: which services there are, and which processes offer them, of those that live.
//
//   patterns::ServiceRegistry registry(mem);
//   auto mine = registry.register_instance("prices", "v2, EUR");    // until its end, or that of this process
//   mine->set_health({false, "no feed"});                           // is not picked while it is not well
//
//   auto all = registry.find("prices");                             // those that live and are well
//   auto one = registry.wait_for("prices", 5s);                     // sleeps until there is one
//   auto next = registry.pick("prices");                            // one after the other, by all processes together
//   auto same = registry.pick("prices", hash_of(customer));         // the same one for the same key, while it is there
//
// What is promised when a process is killed: its instances are not found any more as soon as its death is noticed, and their places are free.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. Nothing is polled. Complexity: O(instances). Memory: 500
// bytes for each instance that may be there.
#ifndef ZEROIPC_PATTERNS_MICROSERVICES_REGISTRY_H_
#define ZEROIPC_PATTERNS_MICROSERVICES_REGISTRY_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/counters.h"
#include "patterns/base/health.h"
#include "patterns/base/process_id.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/fixed_string.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/map/map.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

struct ServiceInstance {
  uint64_t number = 0;  // used once
  std::string service;
  std::string info;  // what it said of itself
  int32_t pid = 0;   // in its own namespace: for people
  Health health;
};

class ServiceRegistry {
  struct Entry {
    fixed_string<48> service;
    fixed_string<128> info;
    fixed_string<96> reason;  // why it is not well
    ProcessId who;
    int32_t pid = 0;
    uint32_t is_well = 1;
  };

 public:
  static constexpr size_t kDefaultCapacity = 256;
  static constexpr size_t kMostServiceName = 48;

  // An instance, for as long as it is there. Move-only. In a forked child it is the parent's.
  class Registration {
   public:
    Registration(Registration&& other) noexcept
        : registry_(std::move(other.registry_)),
          number_(std::exchange(other.number_, 0)),
          owner_(other.owner_) {}
    Registration& operator=(Registration&& other) noexcept;
    ~Registration() { unregister(); }

    uint64_t number() const { return number_; }
    // `missing`: it has been unregistered.
    outcome set_health(const Health& h);
    outcome set_info(std::string_view info);
    void unregister();

   private:
    friend class ServiceRegistry;
    Registration(const ServiceRegistry& registry, uint64_t number);
    std::unique_ptr<ServiceRegistry> registry_;
    uint64_t number_;
    ProcessId owner_;
  };

  // Opens it, or creates it with room for so many instances. Throws zeroipc::error.
  explicit ServiceRegistry(const memory& mem, std::string_view name = "services",
                           size_t capacity = kDefaultCapacity);
  // Errors: FailedPrecondition (it exists with another capacity), and those of a map.
  static absl::StatusOr<ServiceRegistry> open_or_create(const memory& mem,
                                                        std::string_view name = "services",
                                                        size_t capacity = kDefaultCapacity);

  // InvalidArgument: the name is empty or too long; ResourceExhausted: no room; FailedPrecondition: this is a forked child that could not join the
  // segment. Of `info` the first 128 bytes are kept.
  absl::StatusOr<Registration> register_instance(std::string_view service,
                                                 std::string_view info = {});

  // Those that live and are well, in the order of their registration; or all that live.
  std::vector<ServiceInstance> find(std::string_view service) const;
  std::vector<ServiceInstance> all() const;
  // The first of find(), as soon as there is one. Unavailable: none within that time; says how many there are that are not well.
  template <typename Rep, typename Period>
  absl::StatusOr<ServiceInstance> wait_for(std::string_view service,
                                           std::chrono::duration<Rep, Period> timeout) const {
    return wait_until(service, deadline::after(timeout));
  }
  // Of find(), in turn, whoever asks.
  std::optional<ServiceInstance> pick(std::string_view service) const;
  // The same for the same key; when instances come and go, only the keys move that have to (rendezvous hashing: Thaler and Ravishankar, 1998).
  std::optional<ServiceInstance> pick(std::string_view service, uint64_t key) const;

  // Grows with everything that is said here, and with each death in the segment.
  uint64_t version() const;
  // Waits until it is another than `since`, and returns it; `since` again if the time passes first.
  template <typename Rep, typename Period>
  uint64_t wait_for_change_for(uint64_t since, std::chrono::duration<Rep, Period> timeout) const {
    return wait_for_change_until(since, deadline::after(timeout));
  }

  // Not well: an instance says so, which is named, or there is no room left.
  Health health() const;
  // Takes its names away. Open handles go on as before.
  absl::Status remove() const;
  const std::string& name() const { return name_; }

 private:
  enum class Number { kInstances, kPicks, kCount };

  ServiceRegistry(const memory& mem, std::string_view name, map<uint64_t, Entry> instances,
                  cell<uint64_t> changes, Counters<Number> counters)
      : mem_(mem),
        name_(name),
        instances_(std::move(instances)),
        changes_(std::move(changes)),
        counters_(std::move(counters)) {}

  absl::StatusOr<ServiceInstance> wait_until(std::string_view service, deadline until) const;
  uint64_t wait_for_change_until(uint64_t since, deadline until) const;
  std::vector<ServiceInstance> select(std::string_view service, bool also_unwell) const;
  void tell_change();
  size_t drop_the_dead();

  memory mem_;
  std::string name_;
  map<uint64_t, Entry> instances_;
  cell<uint64_t> changes_;
  Counters<Number> counters_;
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_MICROSERVICES_REGISTRY_H_
