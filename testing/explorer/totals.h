// The figures of the programs that one test explores: what its row of docs/verification.md says.
//
//   totals t;
//   t.explore(program, limits, "two writers, a reader");
//   t.report("cell", instrument::explorer);
#ifndef ZEROIPC_TESTING_EXPLORER_TOTALS_H_
#define ZEROIPC_TESTING_EXPLORER_TOTALS_H_

#include <cstdint>
#include <cstdio>
#include <string_view>

#include "gtest/gtest.h"
#include "testing/evidence/evidence.h"
#include "testing/explorer/explorer.h"

namespace zeroipc::explorer {

inline limits within(memory_model model, int deaths, int preemptions) {
  limits l;
  l.model = model;
  l.deaths = deaths;
  l.preemptions = preemptions;
  if (model == memory_model::weak) l.stale_reads = 2;
  return l;
}

struct totals {
  uint64_t programs = 0, whole = 0, executions = 0, states = 0;

  // Fails the test if the program does. As many executions as CI has time for, or all.
  void explore(program& p, const limits& within, const char* what) {
    limits l = within;
    if (!testing::full_run()) l.executions = 20'000;
    const verdict v = zeroipc::explorer::explore(p, l);
    std::printf("%s: %s\n", what, v.text().c_str());
    ASSERT_FALSE(v.failed);
    ++programs;
    whole += v.exhausted;
    executions += v.executions;
    states += v.states;
  }
  void report(std::string_view structure, testing::instrument which) const {
    testing::evidence(structure, which)
        .figure("programs", programs)
        .figure("explored whole", whole)
        .figure("executions", executions)
        .figure("states", states);
  }
};

}  // namespace zeroipc::explorer

#endif  // ZEROIPC_TESTING_EXPLORER_TOTALS_H_
