#include "patterns/microservices/registry.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "patterns/base/look.h"
#include "patterns/base/remove_names.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/hash.h"

namespace zeroipc::patterns {
namespace {

std::string instances_name(std::string_view name) { return absl::StrCat(name, "/instances"); }
std::string changes_name(std::string_view name) { return absl::StrCat(name, "/changes"); }
std::string counters_name(std::string_view name) { return absl::StrCat(name, "/counters"); }

}  // namespace

ServiceRegistry::Registration::Registration(const ServiceRegistry& registry, uint64_t number)
    : registry_(std::make_unique<ServiceRegistry>(registry)),
      number_(number),
      owner_(this_process(registry.mem_)) {}

ServiceRegistry::Registration& ServiceRegistry::Registration::operator=(
    Registration&& other) noexcept {
  if (this != &other) {
    unregister();
    registry_ = std::move(other.registry_);
    number_ = std::exchange(other.number_, 0);
    owner_ = other.owner_;
  }
  return *this;
}

outcome ServiceRegistry::Registration::set_health(const Health& h) {
  const outcome r = registry_->instances_.update(number_, [&](Entry& e) {
    e.is_well = h.ok ? 1 : 0;
    e.reason = h.reason;
  });
  if (r) registry_->tell_change();
  return r;
}

outcome ServiceRegistry::Registration::set_info(std::string_view info) {
  const outcome r = registry_->instances_.update(number_, [&](Entry& e) { e.info = info; });
  if (r) registry_->tell_change();
  return r;
}

void ServiceRegistry::Registration::unregister() {
  const uint64_t number = std::exchange(number_, 0);
  if (number == 0 || owner_ != this_process(registry_->mem_)) return;
  if (registry_->instances_.erase(number)) registry_->tell_change();
}

ServiceRegistry::ServiceRegistry(const memory& mem, std::string_view name, size_t capacity)
    : ServiceRegistry(zeroipc::internal::value_or_raise(open_or_create(mem, name, capacity))) {}

absl::StatusOr<ServiceRegistry> ServiceRegistry::open_or_create(const memory& mem,
                                                                std::string_view name,
                                                                size_t capacity) {
  auto changes = cell<uint64_t>::open_or_create(mem, changes_name(name));
  if (!changes.ok()) return changes.status();
  auto counters = Counters<Number>::open_or_create(mem, counters_name(name));
  if (!counters.ok()) return counters.status();
  // The last one: whoever finds that, finds the rest.
  auto instances = map<uint64_t, Entry>::open_or_create(mem, instances_name(name), capacity);
  if (!instances.ok()) return instances.status();
  return ServiceRegistry(mem, name, *std::move(instances), *std::move(changes),
                         *std::move(counters));
}

absl::StatusOr<ServiceRegistry::Registration> ServiceRegistry::register_instance(
    std::string_view service, std::string_view info) {
  const std::string where = absl::StrCat("segment ", mem_.name(), ": registry '", name_, "': ");
  if (service.empty() || service.size() > kMostServiceName) {
    return absl::InvalidArgumentError(absl::StrCat(where, "a service's name has 1 to ",
                                                   kMostServiceName, " bytes, this one ",
                                                   service.size()));
  }
  Entry e;
  e.service = service;
  e.info = info;
  e.who = this_process(mem_);
  e.pid = ::getpid();
  if (!e.who) {
    return absl::FailedPreconditionError(
        absl::StrCat(where, "this forked child could not join the segment"));
  }
  const uint64_t number = counters_.add(Number::kInstances) + 1;
  outcome put = instances_.insert(number, e);
  if (put == outcome::full && drop_the_dead() != 0) put = instances_.insert(number, e);
  if (!put) {
    return absl::ResourceExhaustedError(absl::StrCat(where, "there is no room for instance ",
                                                     instances_.size() + 1, " (", put.name(), ")"));
  }
  tell_change();
  return Registration(*this, number);
}

void ServiceRegistry::tell_change() {
  changes_.update([](uint64_t& n) { ++n; });
}

size_t ServiceRegistry::drop_the_dead() {
  std::vector<uint64_t> found;
  instances_.for_each([&](uint64_t number, const Entry& e) {
    if (is_dead(mem_, e.who)) found.push_back(number);
  });
  for (const uint64_t number : found) instances_.erase(number);
  return found.size();
}

std::vector<ServiceInstance> ServiceRegistry::select(std::string_view service,
                                                     bool also_unwell) const {
  std::vector<ServiceInstance> found;
  instances_.for_each([&](uint64_t number, const Entry& e) {
    if (!service.empty() && e.service != service) return;
    if ((e.is_well == 0 && !also_unwell) || is_dead(mem_, e.who)) return;
    found.push_back(
        {number, e.service.str(), e.info.str(), e.pid, {e.is_well != 0, e.reason.str()}});
  });
  std::ranges::sort(found, {}, &ServiceInstance::number);
  return found;
}

std::vector<ServiceInstance> ServiceRegistry::find(std::string_view service) const {
  if (service.empty()) return {};
  return select(service, false);
}

std::vector<ServiceInstance> ServiceRegistry::all() const { return select({}, true); }

absl::StatusOr<ServiceInstance> ServiceRegistry::wait_until(std::string_view service,
                                                            deadline until) const {
  std::vector<ServiceInstance> found;
  uint64_t seen = 0;
  const auto& told = changes_.waitable();
  const outcome r = wait_for_look(told.env(), told.changed(), until, [&](Look look) {
    if (look == Look::kQuick && version() == seen) return outcome(outcome::empty);
    seen = version();
    found = find(service);
    return outcome(found.empty() ? outcome::empty : outcome::ok);
  });
  if (r) return std::move(found.front());
  return absl::UnavailableError(absl::StrCat(
      "segment ", mem_.name(), ": registry '", name_, "': no instance of '", service, "'; ",
      select(service.empty() ? " " : service, true).size(), " are there and not well"));
}

uint64_t ServiceRegistry::version() const {
  return changes_.version() + changes_.waitable().env().death_epoch();
}

uint64_t ServiceRegistry::wait_for_change_until(uint64_t since, deadline until) const {
  const auto& told = changes_.waitable();
  wait_for_look(told.env(), told.changed(), until,
                [&](Look) { return outcome(version() != since ? outcome::ok : outcome::empty); });
  return version();
}

std::optional<ServiceInstance> ServiceRegistry::pick(std::string_view service) const {
  std::vector<ServiceInstance> found = find(service);
  if (found.empty()) return std::nullopt;
  return std::move(found[counters_.add(Number::kPicks) % found.size()]);
}

std::optional<ServiceInstance> ServiceRegistry::pick(std::string_view service, uint64_t key) const {
  std::vector<ServiceInstance> found = find(service);
  if (found.empty()) return std::nullopt;
  return *std::ranges::max_element(
      found, {}, [&](const ServiceInstance& i) { return hash_words(key, i.number); });
}

Health ServiceRegistry::health() const {
  const std::string registry = absl::StrCat("registry '", name_, "': ");
  const std::vector<ServiceInstance> found = all();
  for (const ServiceInstance& i : found) {
    if (!i.health) {
      return {false, absl::StrCat(registry, "instance ", i.number, " of '", i.service,
                                  "', process ", i.pid, ": ", i.health.reason)};
    }
  }
  if (found.size() >= instances_.capacity()) {
    return {false, absl::StrCat(registry, "full, ", found.size(), " instances")};
  }
  return {};
}

absl::Status ServiceRegistry::remove() const {
  const std::array<std::string, 3> names = {instances_name(name_), changes_name(name_),
                                            counters_name(name_)};
  return remove_names(mem_, names);
}

}  // namespace zeroipc::patterns
