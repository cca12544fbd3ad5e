// Kill sweeps of operations on a segment, judged on copies of the whole segment.
//
//   segment_sweep sweep(mem);
//   sweep.every_instruction([&] { q.push(x); },
//                           [&](const memory& copy, const moment& at) { ...open the queue in `copy`, judge it... });
//
// A copy is a segment of its own in which no liveness token is held: everybody in it died at that moment, and their deaths
// have been announced. After each verdict of the judge the copy is audited, and every byte and name of it must be accounted for.
//
// The operation runs in a forked child, which is a participant of its own. What it needs is made before: handles are
// inherited. Its first steps as a participant are part of the sweep, but for ThreadSanitizer, where they are a hundred times
// the rest; participant_sweep_test sweeps them alone.
#ifndef ZEROIPC_TESTING_KILL_SWEEP_SEGMENT_SWEEP_H_
#define ZEROIPC_TESTING_KILL_SWEEP_SEGMENT_SWEEP_H_

#include <functional>
#include <string>
#include <vector>

#include "testing/kill_sweep/kill_sweep.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::testing {

// Where the victims were killed, for judges and their messages.
struct moment {
  long first = 0;         // instruction of the victim
  bool returned = false;  // the victim's operation had returned: its effect counts
  long second = -1;       // instruction of its recoverer; -1: that one was not killed
  std::string text() const;
};

class segment_sweep {
 public:
  explicit segment_sweep(const memory& mem) : mem_(mem) {}

  using operation = std::function<void()>;
  using judge = std::function<void(const memory& copy, const moment& at)>;

  // Kills at each instruction that is a state of its own. With a `stride`, judges only each so-many-th of them, and the
  // last: where a sanitizer makes judging slow.
  void every_instruction(const operation& victim, const judge& verdict, long stride = 1);

  // In each such state a recoverer goes to work on a copy and is killed in the same way. `make_recoverer` prepares it in
  // this process: opens handles in the copy. The victim has taken its first steps as a participant; deaths in those, and of
  // who recovers from them, are participant_sweep_test's. Where there is no time for all pairs, `which` says which are tried.
  using make_recoverer = std::function<operation(const memory& copy)>;
  struct sample {
    long first = 0;          // the first state of the victim to try
    long stride = 1;         // from there on, each so-many-th
    long second_stride = 1;  // and of the recoverer's
  };
  void recoverer_too(const operation& victim, const make_recoverer& recoverer, const judge& verdict,
                     const sample& which);

  // The numbers of instructions after which a kill makes a difference to others: see find_turning_points().
  std::vector<long> turning_points(const operation& victim) const;
  // Really kills a victim after `k` instructions, counted as above.
  kill_result kill_after(long k, const operation& victim) const;

  // Sums over all calls. A failed trace fails the test.
  long instructions() const { return instructions_; }
  long states() const { return states_; }

 private:
  void step(const memory& mem, const operation& victim, const operation& prepare,
            const moment& start, bool second, const std::function<void(const moment&)>& at);

  const memory& mem_;
  long instructions_ = 0;
  long states_ = 0;
};

// The segment as it stands, in an unnamed file of its own.
memory copy_of(const memory& mem);

// All is accounted for: fails the test otherwise.
void expect_clean_audit(const memory& mem, const moment& at);

}  // namespace zeroipc::testing

#endif  // ZEROIPC_TESTING_KILL_SWEEP_SEGMENT_SWEEP_H_
