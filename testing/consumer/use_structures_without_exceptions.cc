// One of each structure, by the factories, in a program without exceptions.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "zeroipc/array/array.h"
#include "zeroipc/barrier/barrier.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/event/event.h"
#include "zeroipc/future/future.h"
#include "zeroipc/latch/latch.h"
#include "zeroipc/lazy/lazy.h"
#include "zeroipc/map/map.h"
#include "zeroipc/mutex/mutex.h"
#include "zeroipc/once/once.h"
#include "zeroipc/pool/pool.h"
#include "zeroipc/ring/ring.h"
#include "zeroipc/rwlock/rwlock.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/semaphore/semaphore.h"
#include "zeroipc/set/set.h"
#include "zeroipc/stack/stack.h"

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::printf("failed: %s\n", what);
  ++failures;
}

void use_data(const zeroipc::memory& mem) {
  auto array = zeroipc::array<double>::create(mem, "array", 10);
  expect(array.ok() && array->store(3, 1.5) && array->load(3) == 1.5, "array");
  auto cell = zeroipc::cell<int>::create(mem, "cell");
  expect(cell.ok() && cell->store(7) && cell->load() == 7, "cell");
  auto map = zeroipc::map<uint32_t, int>::create(mem, "map", 10);
  expect(map.ok() && map->insert(1, 2) && map->get(1) == 2, "map");
  auto set = zeroipc::set<uint32_t>::create(mem, "set", 10);
  expect(set.ok() && set->insert(1) && set->contains(1), "set");
  auto pool = zeroipc::pool<int>::create(mem, "pool", 10);
  expect(pool.ok() && pool->deallocate(pool->allocate()), "pool");
  auto ring = zeroipc::ring<int>::create(mem, "ring", 10);
  expect(ring.ok() && ring->push(5) && ring->newest() == 5, "ring");
  auto stack = zeroipc::stack<int>::create(mem, "stack", 10);
  expect(stack.ok() && stack->push(5) && stack->pop() == 5, "stack");
}

void use_locks(const zeroipc::memory& mem) {
  auto mutex = zeroipc::mutex::create(mem, "mutex");
  expect(mutex.ok() && mutex->try_lock() && mutex->unlock(), "mutex");
  auto rwlock = zeroipc::rwlock::create(mem, "rwlock");
  expect(rwlock.ok() && rwlock->try_lock_shared() && rwlock->unlock_shared(), "rwlock");
  auto semaphore = zeroipc::semaphore::create(mem, "semaphore", 1);
  expect(semaphore.ok() && semaphore->acquire() && semaphore->release(), "semaphore");
  auto barrier = zeroipc::barrier::create(mem, "barrier", 1);
  expect(barrier.ok() && barrier->arrive_and_wait(), "barrier");
  auto latch = zeroipc::latch::create(mem, "latch", 1);
  expect(latch.ok() && latch->count_down() && latch->try_wait(), "latch");
  auto once = zeroipc::once::create(mem, "once");
  expect(once.ok() && once->call([] {}) && once->done(), "once");
  auto event = zeroipc::event::create(mem, "event", zeroipc::event_reset::manual);
  if (event.ok()) event->set();
  expect(event.ok() && event->try_wait(), "event");
}

void use_codata(const zeroipc::memory& mem) {
  auto future = zeroipc::future<int>::create(mem, "future");
  expect(future.ok() && future->set_value(6) && future->get() == 6, "future");
  auto lazy = zeroipc::lazy<int>::create(mem, "lazy");
  expect(lazy.ok() && lazy->set_computation([] { return 6; }) && lazy->get() == 6, "lazy");
  auto buffered = zeroipc::channel<int>::create(mem, "buffered", 2);
  expect(buffered.ok() && buffered->send(7) && buffered->receive() == 7, "channel");
  auto direct = zeroipc::channel<int>::create(mem, "direct", 0);
  expect(direct.ok() && direct->try_send(8) == zeroipc::outcome::full && direct->close(),
         "channel without a buffer");
}

}  // namespace

int main() {
  const std::string name = "/zeroipc_consumer_structures_" + std::to_string(getpid());
  auto mem = zeroipc::memory::create(name, 4 << 20);
  if (!mem.ok()) {
    std::printf("%s\n", std::string(mem.status().message()).c_str());
    return 1;
  }
  use_data(*mem);
  use_locks(*mem);
  use_codata(*mem);
  failures += !zeroipc::memory::unlink(name).ok();
  std::puts(failures == 0 ? "structures: all of them work" : "structures: some do not work");
  return failures == 0 ? 0 : 1;
}
