// Entering and leaving a compartment, alone and with another process in it, beside a POSIX semaphore in shared memory, which keeps what its dead
// hold for ever.
#include <benchmark/benchmark.h>
#include <semaphore.h>
#include <sys/mman.h>

#include "patterns/bulkhead/bulkhead.h"
#include "testing/harness/beside.h"
#include "testing/harness/harness.h"

namespace zeroipc::patterns {
namespace {

void BM_Bulkhead(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 1 << 20);
  const Bulkhead bulkhead(mem, 3, 10);
  for (auto _ : state) benchmark::DoNotOptimize(static_cast<bool>(bulkhead.try_enter(0)));
}
BENCHMARK(BM_Bulkhead);

void BM_BulkheadBesideAnother(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 1 << 20);
  const Bulkhead bulkhead(mem, 3, 10);
  const harness::beside other([&] { bulkhead.try_enter(0); });
  for (auto _ : state) benchmark::DoNotOptimize(static_cast<bool>(bulkhead.try_enter(0)));
}
BENCHMARK(BM_BulkheadBesideAnother)->UseRealTime();

class posix_semaphore {
 public:
  posix_semaphore() {
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sem_ = static_cast<sem_t*>(page);
    ::sem_init(sem_, 1, 10);
  }
  ~posix_semaphore() { ::munmap(sem_, 4096); }
  posix_semaphore(const posix_semaphore&) = delete;
  posix_semaphore& operator=(const posix_semaphore&) = delete;
  void enter_and_leave() {
    if (::sem_trywait(sem_) == 0) ::sem_post(sem_);
  }

 private:
  sem_t* sem_;
};

void BM_PosixSemaphore(benchmark::State& state) {
  posix_semaphore s;
  for (auto _ : state) s.enter_and_leave();
}
BENCHMARK(BM_PosixSemaphore);

void BM_PosixSemaphoreBesideAnother(benchmark::State& state) {
  posix_semaphore s;
  const harness::beside other([&] { s.enter_and_leave(); });
  for (auto _ : state) s.enter_and_leave();
}
BENCHMARK(BM_PosixSemaphoreBesideAnother)->UseRealTime();

}  // namespace
}  // namespace zeroipc::patterns
