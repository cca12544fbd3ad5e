#include "tools/demo/telemetry/stages.h"

#include <algorithm>
#include <utility>

namespace zeroipc::demo {
namespace {

double per_second(uint64_t from, uint64_t to, int64_t ns) {
  return static_cast<double>(to - from) * 1e9 / static_cast<double>(ns);
}

// What it has seen last, which goes along with what it makes of it.
struct last_reading {
  reading last;
  uint64_t there;  // 0: there was none yet
};

struct validating {
  using state = last_reading;
  void begin(state& s) { s = {}; }
  void next(const reading& r, state& s, sink<reading>& out) {
    if (!is_plausible(r) || (s.there != 0 && !follows(s.last, r))) return;
    s = {r, 1};
    out.put(r);
  }
  void end(state&, sink<reading>&) {}
};

struct comparing {
  using state = last_reading;
  void begin(state& s) { s = {}; }
  void next(const reading& r, state& s, sink<load>& out) {
    if (s.there != 0) out.put(load_between(s.last, r));
    s = {r, 1};
  }
  void end(state&, sink<load>&) {}
};

template <typename T>
std::shared_ptr<const void> kept(stream<T> s) {
  return std::make_shared<stream<T>>(std::move(s));
}

absl::StatusOr<std::shared_ptr<const void>> validate(const memory& mem) {
  auto readings = stream<reading>::open(mem, kReadings);
  if (!readings.ok()) return readings.status();
  auto validated = readings->derive<reading>(mem, kValidated, "plausible readings", validating());
  if (!validated.ok()) return validated.status();
  auto loads = validated->derive<load>(mem, kLoads, "loads between readings", comparing());
  if (!loads.ok()) return loads.status();
  return kept(*std::move(loads));
}

absl::StatusOr<std::shared_ptr<const void>> window(const memory& mem) {
  auto loads = stream<load>::open(mem, kLoads);
  if (!loads.ok()) return loads.status();
  // Room for all of them, as for the loads.
  const derive_options options = {.capacity = loads->capacity() / kWindow + 1};
  return kept(loads->window(mem, "windows", kWindow, 0, options)
                  .map(mem, kSummaries, [](const zeroipc::window<load>& w) {
                    return summary_of({w.begin(), w.end()});
                  }));
}

absl::StatusOr<std::shared_ptr<const void>> alert(const memory& mem, double limit) {
  auto summaries = stream<summary>::open(mem, kSummaries);
  if (!summaries.ok()) return summaries.status();
  return kept(
      summaries->filter(mem, kAlerts, [limit](const summary& s) { return is_alarming(s, limit); }));
}

}  // namespace

bool is_plausible(const reading& r) {
  return r.at_ns > 0 && r.cpu_busy <= r.cpu_total && r.memory_total > 0 &&
         r.memory_available <= r.memory_total;
}

bool follows(const reading& before, const reading& r) {
  return r.number > before.number && r.at_ns > before.at_ns && r.cpu_total >= before.cpu_total &&
         r.cpu_busy >= before.cpu_busy && r.disk_bytes >= before.disk_bytes &&
         r.network_bytes >= before.network_bytes;
}

load load_between(const reading& before, const reading& r) {
  const uint64_t ticks = r.cpu_total - before.cpu_total;
  const int64_t ns = r.at_ns - before.at_ns;
  load l;
  l.number = r.number;
  l.at_ns = r.at_ns;
  // Between two ticks nothing is known, and nothing is said.
  l.cpu = ticks == 0 ? 0
                     : std::min(1.0, static_cast<double>(r.cpu_busy - before.cpu_busy) /
                                         static_cast<double>(ticks));
  l.memory = 1 - static_cast<double>(r.memory_available) / static_cast<double>(r.memory_total);
  l.disk = per_second(before.disk_bytes, r.disk_bytes, ns);
  l.network = per_second(before.network_bytes, r.network_bytes, ns);
  return l;
}

summary summary_of(std::span<const load> loads) {
  summary s;
  s.first = loads.front().number;
  s.last = loads.back().number;
  s.at_ns = loads.back().at_ns;
  for (const load& l : loads) {
    s.cpu += l.cpu;
    s.disk += l.disk;
    s.network += l.network;
    s.cpu_most = std::max(s.cpu_most, l.cpu);
    s.memory_most = std::max(s.memory_most, l.memory);
  }
  const auto n = static_cast<double>(loads.size());
  s.cpu /= n;
  s.disk /= n;
  s.network /= n;
  return s;
}

plain_telemetry process_plainly(std::span<const reading> readings, double limit) {
  plain_telemetry all;
  for (const reading& r : readings) {
    if (!is_plausible(r) || (!all.validated.empty() && !follows(all.validated.back(), r))) continue;
    if (!all.validated.empty()) all.loads.push_back(load_between(all.validated.back(), r));
    all.validated.push_back(r);
  }
  for (size_t i = 0; i < all.loads.size(); i += kWindow) {
    const size_t n = std::min<size_t>(kWindow, all.loads.size() - i);
    all.summaries.push_back(summary_of(std::span<const load>(all.loads).subspan(i, n)));
    if (is_alarming(all.summaries.back(), limit)) all.alerts.push_back(all.summaries.back());
  }
  return all;
}

std::string_view name_of(stage s) {
  switch (s) {
    case stage::validate:
      return "validate";
    case stage::window:
      return "window";
    case stage::alert:
      break;
  }
  return "alert";
}

std::string_view output_of(stage s) {
  switch (s) {
    case stage::validate:
      return kLoads;
    case stage::window:
      return kSummaries;
    case stage::alert:
      break;
  }
  return kAlerts;
}

absl::StatusOr<stage_at_work> stage_at_work::begin(const memory& mem, stage s, double limit) {
  auto streams = s == stage::validate ? validate(mem)
                 : s == stage::window ? window(mem)
                                      : alert(mem, limit);
  if (!streams.ok()) return streams.status();
  stage_at_work at_work;
  at_work.streams_ = *std::move(streams);
  return at_work;
}

}  // namespace zeroipc::demo
