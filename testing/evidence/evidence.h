// What an instrument of the laboratory has shown of a structure: a row of docs/verification.md, which is made from these
// and from nothing else (tools/verify).
//
//   evidence("queue mpmc", instrument::kill_sweep)
//       .figure("operations", 11).figure("instructions", total_steps).figure("crash states", states);
//
// The row is printed, and written to the test's outputs where Bazel gathers them, when the object goes out of scope;
// not if the test that it stands in has failed.
//
// Lab tests do as much in CI as fits there, and all of it when `ZEROIPC_LAB=full` is set (tools/verify sets it).
#ifndef ZEROIPC_TESTING_EVIDENCE_EVIDENCE_H_
#define ZEROIPC_TESTING_EVIDENCE_EVIDENCE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zeroipc::testing {

// In the order of the table's columns.
enum class instrument : uint8_t {
  kill_sweep,       // SIGKILL at every instruction
  double_kill,      // and the recoverer too
  blocked_kill,     // SIGKILL of a process that sleeps in the operation
  explorer,         // every interleaving, sequentially consistent
  weak_memory,      // the same with stale reads
  linearizability,  // recorded histories against a sequential model
  fuzzer,           // arbitrary bytes
  scribbler,        // random words overwritten while others work
  chaos,            // random kills, stops, restarts and shortages
};
std::string_view name_of(instrument which);

class evidence {
 public:
  // `structure` as it is called in the docs: "queue mpmc", "heap", "names", "participants", "segment", "robust lock".
  evidence(std::string_view structure, instrument which);
  ~evidence();
  evidence(const evidence&) = delete;
  evidence& operator=(const evidence&) = delete;

  // Figures of one name from several rows of a structure are added up.
  evidence& figure(std::string_view name, uint64_t value);
  // What this row does not show.
  evidence& unproven(std::string_view what);

 private:
  std::string structure_;
  instrument which_;
  std::vector<std::pair<std::string, uint64_t>> figures_;
  std::vector<std::string> unproven_;
};

// Whether all is to be done that can be done, however long it takes.
bool full_run();
template <typename T>
T quick_or_full(T quick, T full) {
  return full_run() ? full : quick;
}

}  // namespace zeroipc::testing

#endif  // ZEROIPC_TESTING_EVIDENCE_EVIDENCE_H_
