// What it costs to get into a segment and out of it, and what a fresh one takes.
//
//   ./bazelw run --config=opt //zeroipc/segment:segment_benchmark
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "zeroipc/base/error.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {
namespace {

constexpr size_t kBytes = 64 << 20;

// A segment that is there for the time of a benchmark, with this process attached to it if asked for.
class fixture {
 public:
  explicit fixture(size_t bytes = kBytes) : name_(absl::StrCat("/zeroipc-benchmark-", ::getpid())) {
    memory::unlink(name_).IgnoreError();
    memory created(name_, bytes);
    fresh_ = created.resident_bytes();
  }
  ~fixture() { memory::unlink(name_).IgnoreError(); }
  const std::string& name() const { return name_; }
  size_t fresh() const { return fresh_; }

 private:
  std::string name_;
  size_t fresh_ = 0;
};

// Map, take a slot, start the watcher; then all of it backwards.
void attach_and_detach(benchmark::State& state) {
  const fixture f;
  for (auto _ : state) benchmark::DoNotOptimize(memory(f.name()).size());
}
BENCHMARK(attach_and_detach)->Unit(benchmark::kMicrosecond)->UseRealTime();

// The second memory of a process shares the first one's attachment.
void open_again(benchmark::State& state) {
  const fixture f;
  const memory first(f.name());
  for (auto _ : state) benchmark::DoNotOptimize(memory(f.name()).size());
}
BENCHMARK(open_again)->Unit(benchmark::kMicrosecond)->UseRealTime();

void create_and_unlink(benchmark::State& state) {
  const std::string name = absl::StrCat("/zeroipc-benchmark-", ::getpid(), "-new");
  const auto bytes = static_cast<size_t>(state.range(0));
  size_t fresh = 0;
  for (auto _ : state) {
    const memory m(name, bytes);
    fresh = m.resident_bytes();
    internal::raise_if_error(memory::unlink(name));
  }
  state.counters["resident_KiB"] = static_cast<double>(fresh) / 1024;
}
BENCHMARK(create_and_unlink)
    ->Arg(8 << 20)
    ->Arg(1 << 30)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

// fork() until the child has ended; with the segment, the child becomes a participant on the way.
void fork_and_reap(benchmark::State& state) {
  const fixture f;
  std::optional<memory> attached;
  if (state.range(0) != 0) attached.emplace(f.name());
  for (auto _ : state) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ::waitpid(child, nullptr, 0);
  }
  state.SetLabel(attached ? "attached" : "not attached");
}
BENCHMARK(fork_and_reap)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond)->UseRealTime();

void is_dead(benchmark::State& state) {
  const fixture f;
  const memory m(f.name());
  internal::participant& self = *m.attachment()->self;
  int ready[2], hold[2];
  if (::pipe(ready) != 0 || ::pipe(hold) != 0) state.SkipWithError("pipe");
  const pid_t other = ::fork();
  char byte = 0;
  if (other == 0) {
    ::close(hold[1]);
    const uint32_t tag = self.self().bits();
    if (::write(ready[1], &tag, sizeof tag) < 0 || ::read(hold[0], &byte, 1) < 0) ::_exit(1);
    ::_exit(0);
  }
  uint32_t bits = 0;
  if (::read(ready[0], &bits, sizeof bits) < 0) state.SkipWithError("read");
  for (auto _ : state) benchmark::DoNotOptimize(self.is_dead(owner_tag::from_bits(bits)));
  for (const int fd : {ready[0], ready[1], hold[0], hold[1]}) ::close(fd);
  ::waitpid(other, nullptr, 0);
}
BENCHMARK(is_dead);

void own_record(benchmark::State& state) {
  const fixture f;
  const memory m(f.name());
  for (auto _ : state) benchmark::DoNotOptimize(m.attachment()->self->record());
}
BENCHMARK(own_record);

}  // namespace
}  // namespace zeroipc
