#include "patterns/microservices/service.h"

#include <algorithm>

#include "zeroipc/base/error.h"

namespace zeroipc::patterns {

Service::Service(const memory& mem, std::string_view name, const ServiceOptions& options)
    : mem_(mem), name_(name), options_(options), registry_(mem, options.registry) {}

Service::Method& Service::add_method(std::string_view name) {
  const auto same = [&](const auto& m) { return m->name == name; };
  if (methods_.size() == kMostMethods || std::ranges::any_of(methods_, same)) {
    zeroipc::internal::raise(absl::InvalidArgumentError(
        absl::StrCat("segment ", mem_.name(), ": service '", name_, "': method '", name,
                     "': it has it already, or ", kMostMethods, " others")));
  }
  methods_.push_back(std::make_unique<Method>());
  methods_.back()->name = std::string(name);
  return *methods_.back();
}

outcome Service::run_until(deadline until) {
  auto instance = registry_.register_instance(name_, options_.info);
  if (!instance.ok() || methods_.empty()) return outcome::missing;
  struct entered {
    entered(Service& s, ServiceRegistry::Registration& r) : service(s), mine(&r) {
      const std::lock_guard lock(service.instances_lock_);
      service.instances_.push_back(mine);
    }
    ~entered() {
      const std::lock_guard lock(service.instances_lock_);
      std::erase(service.instances_, mine);
    }
    Service& service;
    ServiceRegistry::Registration* mine;
  };
  const entered here(*this, *instance);
  std::vector<Roll::Seat> seats;
  std::vector<zeroipc::internal::awaited<hardware, zeroipc::internal::participant>> events;
  for (const auto& m : methods_) {
    seats.push_back(m->attend());
    if (!seats.back()) return outcome::exhausted;
    events.push_back(m->events);
  }
  // Each time from another one on, so that none goes short.
  for (size_t first = 0; !until.passed(); ++first) {
    outcome r = outcome::empty;
    const bool settled =
        zeroipc::internal::wait_until_any<hardware, zeroipc::internal::participant>(
            events, until, [&] {
              size_t closed = 0;
              for (size_t i = 0; i < methods_.size(); ++i) {
                r = methods_[(first + i) % methods_.size()]->try_one();
                if (r) return true;
                closed += r == outcome::closed;
              }
              return closed == methods_.size();
            });
    if (!settled) break;
    if (!r) return r;
  }
  // Whoever was called, and goes, passes the call on.
  for (const auto& e : events) e.event->notify(*e.env, 1);
  return outcome::empty;
}

void Service::stop() {
  for (const auto& m : methods_) m->stop();
}

void Service::set_health(const Health& h) {
  const std::lock_guard lock(instances_lock_);
  for (ServiceRegistry::Registration* i : instances_) i->set_health(h);
}

Health Service::health() const {
  for (const auto& [method, s] : stats()) {
    const std::string where = absl::StrCat("service '", name_, "': method '", method, "': ");
    if (s.closed) return {false, absl::StrCat(where, "stopped, ", s.waiting, " calls left")};
    if (s.servers == 0) return {false, absl::StrCat(where, "no instance runs")};
    if (s.waiting >= s.capacity) return {false, absl::StrCat(where, "full, ", s.waiting, " calls")};
  }
  return {};
}

std::vector<std::pair<std::string, ServiceStats>> Service::stats() const {
  std::vector<std::pair<std::string, ServiceStats>> all;
  for (const auto& m : methods_) all.emplace_back(m->name, m->stats());
  return all;
}

absl::Status Service::remove() const {
  absl::Status first;
  for (const auto& m : methods_) {
    if (absl::Status s = m->remove(); first.ok()) first = s;
  }
  return first;
}

}  // namespace zeroipc::patterns
