#include "tools/demo/telemetry/run.h"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/text.h"
#include "zeroipc/base/deadline.h"

namespace zeroipc::demo {
namespace {

using std::chrono::nanoseconds;

// How often signals and deaths are looked after while nothing comes.
constexpr nanoseconds kTick = std::chrono::milliseconds(20);
// For the stages to be done with what there is.
constexpr nanoseconds kDraining = std::chrono::seconds(60);
constexpr size_t kMostDifferences = 5;

int64_t now_ns() { return deadline::now_ns(); }

absl::Status interrupted_status() {
  return absl::CancelledError(absl::StrCat("ended by signal ", tools::interrupted()));
}

template <typename T>
std::vector<T> all_of(const stream<T>& s) {
  std::vector<T> all;
  for (const T& x : s.history()) all.push_back(x);
  return all;
}

template <typename T>
void compare_all(std::string_view what, const std::vector<T>& found, const std::vector<T>& expected,
                 std::vector<std::string>& differences) {
  if (found.size() != expected.size()) {
    differences.push_back(
        absl::StrCat(what, ": ", found.size(), ", but one process makes ", expected.size()));
  }
  for (size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
    if (differences.size() >= kMostDifferences) return;
    if (!(found[i] == expected[i])) differences.push_back(absl::StrCat(what, " number ", i));
  }
}

}  // namespace

struct telemetry_run::streams {
  streams(const memory& mem, stream<reading> r)
      : readings(std::move(r)),
        validated(mem, kValidated),
        loads(mem, kLoads),
        summaries(mem, kSummaries),
        alerts(mem, kAlerts),
        newest(summaries.subscriber(stream_start::oldest())) {}

  std::optional<pump_info> pump_of(stage s) const {
    return s == stage::validate ? loads.pump()
           : s == stage::window ? summaries.pump()
                                : alerts.pump();
  }

  stream<reading> readings, validated;
  stream<load> loads;
  stream<summary> summaries, alerts;
  subscriber<summary> newest;
};

telemetry_run::telemetry_run(const telemetry_options& options, progress& line)
    : options_(options), progress_(line), random_(options.seed) {
  for (const stage s : kStages) {
    crews_[static_cast<size_t>(s)] = std::make_unique<crew>(
        kStandBys, std::vector<std::string>{
                       "zeroipc", "demo-stage", segment_.name(), std::string(name_of(s)),
                       absl::StrFormat("%.17g", options.limit), absl::StrCat(::getpid())});
  }
}

telemetry_run::~telemetry_run() {
  for (const auto& c : crews_) c->kill_all();
}

int telemetry_run::killed() const {
  int n = 0;
  for (const auto& c : crews_) n += c->killed();
  return n;
}

int telemetry_run::died() const {
  int n = 0;
  for (const auto& c : crews_) n += c->died();
  return n;
}

absl::Status telemetry_run::open() {
  const size_t readings = options_.readings();
  memory_options how;
  how.max_participants = 64;
  how.max_names = 64;
  // Three streams of all readings, and the smaller ones.
  const size_t bytes = (16 << 20) + readings * (3 * (sizeof(reading) + 16) + 2 * sizeof(load));
  if (absl::Status s = segment_.create(bytes, how); !s.ok()) return s;
  const memory& mem = segment_.mem();
  // Nothing is overwritten: at the end, all of it is compared.
  auto source = stream<reading>::create(mem, kReadings, readings);
  if (!source.ok()) return source.status();
  // Declared once, so that the stages' processes may come in any order; who declares here lets go at once.
  for (const stage s : kStages) {
    if (auto made = stage_at_work::begin(mem, s, options_.limit); !made.ok()) return made.status();
  }
  streams_ = std::make_unique<streams>(mem, *std::move(source));
  return absl::OkStatus();
}

absl::Status telemetry_run::run() {
  if (absl::Status s = open(); !s.ok()) return s;
  for (const auto& c : crews_) {
    if (absl::Status s = c->start(); !s.ok()) return s;
  }
  started_ns_ = now_ns();
  std::uniform_int_distribution<int64_t> moment(0, options_.time.count());
  for (int i = 0; i < options_.kills; ++i) kills_due_ns_.push_back(started_ns_ + moment(random_));
  std::ranges::sort(kills_due_ns_, std::greater<>());
  absl::Status status = take_readings();
  if (status.ok()) status = drain();
  progress_.end();
  figures_.seconds = static_cast<double>(now_ns() - started_ns_) / 1e9;
  if (!status.ok()) return status;
  compare();
  for (const auto& c : crews_) c->kill_all();
  streams_.reset();
  return segment_.remove();
}

absl::Status telemetry_run::take_readings() {
  int64_t next = started_ns_;
  while (taken_ < options_.readings() || !kills_due_ns_.empty()) {
    if (tools::interrupted() != 0) return interrupted_status();
    if (taken_ < options_.readings() && now_ns() >= next) {
      absl::StatusOr<reading> r = read_machine(options_.proc);
      if (!r.ok()) return r.status();
      r->number = taken_++;
      r->at_ns = now_ns();
      if (const outcome o = streams_->readings.emit(*r); !o) {
        return absl::InternalError(absl::StrCat("a reading was not taken: ", o.name()));
      }
      next = std::max(next + options_.interval.count(), r->at_ns);
    }
    const bool reads_on = taken_ < options_.readings();
    watch(reads_on ? std::clamp(nanoseconds(next - now_ns()), nanoseconds(0), kTick) : kTick);
    if (absl::Status s = look_after(); !s.ok()) return s;
    if (absl::Status s = kill_if_due(); !s.ok()) return s;
    tell();
  }
  return absl::OkStatus();
}

absl::Status telemetry_run::drain() {
  streams_->readings.close();
  const int64_t until = now_ns() + kDraining.count();
  const uint64_t all = streams_->readings.emitted();
  while (!streams_->alerts.closed() || streams_->newest.lag() != 0) {
    if (tools::interrupted() != 0) return interrupted_status();
    if (now_ns() > until) {
      return absl::DeadlineExceededError(
          absl::StrCat("the stages are not done with ", all, " readings"));
    }
    watch(kTick);
    if (absl::Status s = look_after(); !s.ok()) return s;
    tell();
  }
  return absl::OkStatus();
}

void telemetry_run::watch(nanoseconds most) {
  outcome r = streams_->newest.next_for(newest_, most);
  while (r) {
    ++seen_;
    figures_.latencies_ns.push_back(now_ns() - newest_.at_ns);
    r = streams_->newest.try_next(newest_);
  }
  // At its end it answers at once; the alerts may not be done yet.
  if (r == outcome::closed && !streams_->alerts.closed()) {
    auto end = streams_->alerts.subscriber();
    summary last;
    end.next_for(last, most);
  }
}

absl::Status telemetry_run::look_after() {
  for (const auto& c : crews_) {
    if (absl::Status s = c->look_after(false); !s.ok()) return s;
  }
  return absl::OkStatus();
}

// Whoever works at that moment, and not who stands by.
absl::Status telemetry_run::kill_if_due() {
  if (kills_due_ns_.empty() || now_ns() < kills_due_ns_.back()) return absl::OkStatus();
  const stage s = kStages[random_() % std::size(kStages)];
  const std::optional<pump_info> pump = streams_->pump_of(s);
  if (!pump || !pump->is_alive) return absl::OkStatus();
  for (const auto& p : segment_.mem().participants()) {
    if (p.slot != pump->slot || !p.alive) continue;
    crew& processes = *crews_[static_cast<size_t>(s)];
    const std::optional<size_t> seat = processes.seat_of_pid(p.pid);
    if (!seat) return absl::OkStatus();
    kills_due_ns_.pop_back();
    return processes.kill_and_replace(*seat);
  }
  return absl::OkStatus();
}

void telemetry_run::compare() {
  const std::vector<reading> readings = all_of(streams_->readings);
  const plain_telemetry plain = process_plainly(readings, options_.limit);
  alerts_ = all_of(streams_->alerts);
  const std::vector<summary> summaries = all_of(streams_->summaries);
  verdict_ = {readings.size(), streams_->validated.emitted(), summaries.size(), alerts_.size(), {}};
  std::vector<std::string>& differences = verdict_.differences;
  if (readings.size() != taken_) {
    differences.push_back(
        absl::StrCat("readings: ", taken_, " were taken, ", readings.size(), " are there"));
  }
  compare_all("validated readings", all_of(streams_->validated), plain.validated, differences);
  compare_all("loads", all_of(streams_->loads), plain.loads, differences);
  compare_all("summaries", summaries, plain.summaries, differences);
  compare_all("alerts", alerts_, plain.alerts, differences);
}

void telemetry_run::tell() {
  progress_.tell([&](bool terminal) {
    return absl::StrFormat(
        "%scpu %3.0f %%, memory %3.0f %%, disk %s/s, network %s/s | %d readings, %d summaries, %d "
        "alerts, %d/%d killed",
        terminal ? progress::bar(static_cast<size_t>(newest_.cpu * 100), 100) : "",
        newest_.cpu * 100, newest_.memory_most * 100,
        tools::human_bytes(static_cast<uint64_t>(newest_.disk)),
        tools::human_bytes(static_cast<uint64_t>(newest_.network)), taken_, seen_,
        streams_->alerts.emitted(), killed(), options_.kills);
  });
}

}  // namespace zeroipc::demo
