// The demo's worker processes: started, killed, replaced, and never left behind.
//
// A worker is this program again, with a hidden subcommand, started without fork(): nothing of the coordinator's state
// is copied. It dies when the coordinator does.
#ifndef ZEROIPC_TOOLS_DEMO_CREW_H_
#define ZEROIPC_TOOLS_DEMO_CREW_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace zeroipc::demo {

class crew {
 public:
  struct seat {
    pid_t pid = -1;  // -1: has ended, and was not replaced
    uint32_t process = 0;
    bool ready = false;  // it has said so
    int processes = 0;   // that sat here, one after the other
    int killed = 0;
    uint64_t files = 0;
    uint64_t words = 0;
    uint64_t bytes = 0;
  };

  // `arguments` come before the process's number.
  crew(size_t seats, std::vector<std::string> arguments)
      : arguments_(std::move(arguments)), seats_(seats) {}
  ~crew() { kill_all(); }
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;

  absl::Status start();
  // SIGKILLs the worker, waits until it is gone, and starts another in its place.
  absl::Status kill_and_replace(size_t seat);
  // Notices workers that ended by themselves, and replaces them unless `finishing`. OK as long as those are few: a worker
  // that cannot work is no reason to start it for ever.
  absl::Status look_after(bool finishing);
  void kill_all();

  // The seat of process number `process`, also if it has ended since; nullptr if there never was one.
  seat* seat_of(uint32_t process);
  // The seat where that process sits now; nothing if none does.
  std::optional<size_t> seat_of_pid(pid_t pid) const;
  std::vector<size_t> ready_seats() const;
  const std::vector<seat>& seats() const { return seats_; }
  int killed() const { return killed_; }
  int died() const { return died_; }  // not by our hand
  int running() const;

 private:
  absl::Status spawn(size_t seat);

  std::vector<std::string> arguments_;
  std::vector<seat> seats_;
  std::vector<size_t> seat_of_process_;
  int killed_ = 0;
  int died_ = 0;
};

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_CREW_H_
