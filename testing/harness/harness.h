// Everything a multi-process test needs, in one include.
//
//   unique_segment.h     a segment name of the test's own, removed whatever becomes of the test
//   process.h            a forked process: its result, its failures, how it ended; kill, stop, continue
//   shared_state.h       memory that the processes of a test share, with gates and tallies to meet at
//   wait_for.h           waiting for what has no event: eventually(), wait_until_asleep()
//   killer.h             workers that are killed at random and replaced
//   small_file_system.h  a file system that a test can fill
//
// None of it uses the library under test.
#ifndef ZEROIPC_TESTING_HARNESS_HARNESS_H_
#define ZEROIPC_TESTING_HARNESS_HARNESS_H_

#include "testing/harness/killer.h"
#include "testing/harness/process.h"
#include "testing/harness/shared_state.h"
#include "testing/harness/small_file_system.h"
#include "testing/harness/unique_segment.h"
#include "testing/harness/wait_for.h"

#endif  // ZEROIPC_TESTING_HARNESS_HARNESS_H_
