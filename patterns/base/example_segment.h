// The segment of one run of an example: under a name that no other run has, whoever runs beside it, and gone at its end.
#ifndef ZEROIPC_PATTERNS_BASE_EXAMPLE_SEGMENT_H_
#define ZEROIPC_PATTERNS_BASE_EXAMPLE_SEGMENT_H_

#include <unistd.h>

#include <random>
#include <string>
#include <string_view>

#include "absl/strings/str_format.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

class ExampleSegment {
 public:
  // Two runs may have one PID, in two namespaces.
  explicit ExampleSegment(std::string_view example)
      : name_(absl::StrFormat("/%s-%08x%08x", example, random_(), random_())) {}
  ~ExampleSegment() {
    if (::getpid() == creator_) memory::unlink(name_).IgnoreError();
  }
  ExampleSegment(const ExampleSegment&) = delete;
  ExampleSegment& operator=(const ExampleSegment&) = delete;

  const std::string& name() const { return name_; }

 private:
  std::random_device random_;
  std::string name_;
  pid_t creator_ = ::getpid();
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_BASE_EXAMPLE_SEGMENT_H_
