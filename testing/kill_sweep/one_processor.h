// Two processes on one processor, of which one runs first.
#ifndef ZEROIPC_TESTING_KILL_SWEEP_ONE_PROCESSOR_H_
#define ZEROIPC_TESTING_KILL_SWEEP_ONE_PROCESSOR_H_

#include <sched.h>
#include <sys/resource.h>

namespace zeroipc::testing {

// From now on; `behind`: and others first.
inline void share_a_processor(bool behind) {
  cpu_set_t allowed, first;
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  CPU_ZERO(&first);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&first) == 0; ++i) {
    if (CPU_ISSET(i, &allowed)) CPU_SET(i, &first);
  }
  ::sched_setaffinity(0, sizeof first, &first);
  if (behind) ::setpriority(PRIO_PROCESS, 0, 19);
}

// For the time of a scope; not behind.
class one_processor {
 public:
  one_processor() {
    ::sched_getaffinity(0, sizeof before_, &before_);
    share_a_processor(false);
  }
  ~one_processor() { ::sched_setaffinity(0, sizeof before_, &before_); }
  one_processor(const one_processor&) = delete;
  one_processor& operator=(const one_processor&) = delete;

 private:
  cpu_set_t before_;
};

}  // namespace zeroipc::testing

#endif  // ZEROIPC_TESTING_KILL_SWEEP_ONE_PROCESSOR_H_
