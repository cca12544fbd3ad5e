// A segment name that no other test has, and that nothing is left of when the test is over.
//
// The destructor unlinks it. A test that is killed before is cleaned up after by a shell that waits for the test's end and
// then removes its names; and where that shell was killed along with the test (a sandbox's PID namespace goes as a
// whole), by the next test that uses this class. Whether a test is still there is asked of a file lock, which is right
// across PID namespaces and PID reuse.
#ifndef ZEROIPC_TESTING_HARNESS_UNIQUE_SEGMENT_H_
#define ZEROIPC_TESTING_HARNESS_UNIQUE_SEGMENT_H_

#include <sys/types.h>

#include <string>

namespace zeroipc::harness {

class unique_segment {
 public:
  // A POSIX shared memory name, "/zeroipc-test-<test>-<n>".
  unique_segment();
  // A path in the test's temporary directory, for a segment in a file.
  static unique_segment in_file();
  ~unique_segment();
  unique_segment(unique_segment&& other) noexcept;
  unique_segment(const unique_segment&) = delete;
  unique_segment& operator=(const unique_segment&) = delete;

  const std::string& name() const { return name_; }
  operator const std::string&() const { return name_; }  // NOLINT: it *is* the name
  // The file behind it, for tests that look at it or damage it.
  const std::string& path() const { return path_; }
  bool exists() const;

 private:
  unique_segment(std::string name, std::string path);
  std::string name_;
  std::string path_;
  pid_t creator_;  // a forked child's copy must not unlink it
};

// Removes the segments of tests that are gone; how many. Called by the first unique_segment of a process.
int sweep_segments_of_the_dead();

}  // namespace zeroipc::harness

#endif  // ZEROIPC_TESTING_HARNESS_UNIQUE_SEGMENT_H_
