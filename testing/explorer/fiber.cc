#include "testing/explorer/fiber.h"

#include <cstdint>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace zeroipc::explorer {
namespace {

// Who is being left, for the one who arrives to tell AddressSanitizer.
fiber* leaving = nullptr;

}  // namespace

void fiber::start(void (*entry)(void*), void* argument) {
  if (stack_ == nullptr) stack_.reset(new std::byte[kStack]);
  bottom_ = stack_.get();
  size_ = kStack;
#if defined(__SANITIZE_ADDRESS__)
  // Left behind by the frames that were never returned from.
  __asan_unpoison_memory_region(stack_.get(), kStack);
#endif
  entry_ = entry;
  argument_ = argument;
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_.get();
  context_.uc_stack.ss_size = kStack;
  context_.uc_link = nullptr;
  const auto bits = reinterpret_cast<uintptr_t>(this);
  makecontext(&context_, reinterpret_cast<void (*)()>(&fiber::enter), 2,
              static_cast<unsigned>(bits >> 32), static_cast<unsigned>(bits));
}

void fiber::enter(unsigned high, unsigned low) {
  auto* self = reinterpret_cast<fiber*>(uintptr_t{high} << 32 | low);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &leaving->bottom_, &leaving->size_);
#endif
  self->entry_(self->argument_);
  std::abort();  // REQUIRES of start()
}

void fiber::switch_to(fiber& to) {
  leaving = this;
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, to.bottom_, to.size_);
#endif
  swapcontext(&context_, &to.context_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, &leaving->bottom_, &leaving->size_);
#endif
}

}  // namespace zeroipc::explorer
