// The stages of the telemetry: what each makes of what comes in, and how it is declared.
//
//   readings -> [validate] -> validated -> loads -> [window] -> windows -> summaries -> [alert] -> alerts
//
// All that a stage does is in plain functions, so that the whole can be done again in one process and compared.
#ifndef ZEROIPC_TOOLS_DEMO_TELEMETRY_STAGES_H_
#define ZEROIPC_TOOLS_DEMO_TELEMETRY_STAGES_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/demo/telemetry/machine.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc::demo {

// Of the time between one reading and the one before.
struct load {
  uint64_t number = 0;  // of the later one
  int64_t at_ns = 0;
  double cpu = 0, memory = 0;    // parts of the whole, 0 to 1
  double disk = 0, network = 0;  // bytes a second

  friend bool operator==(const load&, const load&) = default;
};

struct summary {
  uint64_t first = 0, last = 0;  // numbers of readings
  int64_t at_ns = 0;             // when the last of them was made
  double cpu = 0, cpu_most = 0, memory_most = 0;
  double disk = 0, network = 0;

  friend bool operator==(const summary&, const summary&) = default;
};

// Whether there can be such a reading, and it can come after that one.
bool is_plausible(const reading& r);
bool follows(const reading& before, const reading& r);
load load_between(const reading& before, const reading& r);
// REQUIRES: !loads.empty()
summary summary_of(std::span<const load> loads);
inline bool is_alarming(const summary& s, double limit) {
  return s.cpu >= limit || s.memory_most >= limit;
}

inline constexpr uint32_t kWindow = 10;  // loads
inline constexpr std::string_view kReadings = "readings";
inline constexpr std::string_view kValidated = "validated";
inline constexpr std::string_view kLoads = "loads";
inline constexpr std::string_view kSummaries = "summaries";
inline constexpr std::string_view kAlerts = "alerts";

// What one process makes of all the readings.
struct plain_telemetry {
  std::vector<reading> validated;
  std::vector<load> loads;
  std::vector<summary> summaries, alerts;
};
plain_telemetry process_plainly(std::span<const reading> readings, double limit);

enum class stage { validate, window, alert };
inline constexpr stage kStages[] = {stage::validate, stage::window, stage::alert};
std::string_view name_of(stage s);
// The last of the streams that it makes.
std::string_view output_of(stage s);

// Does that stage's part for as long as it is there, or stands by. Errors: those of opening and deriving streams.
class stage_at_work {
 public:
  static absl::StatusOr<stage_at_work> begin(const memory& mem, stage s, double limit);

 private:
  std::shared_ptr<const void> streams_;
};

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_TELEMETRY_STAGES_H_
