// What a fuzz target says about itself. The target itself is libFuzzer's entry point:
//
//   extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
//     fuzzed("heap");
//     ...                       // abort(), or a sanitizer's finding, is what a failure looks like
//     return 0;
//   }
//
// zeroipc_fuzz_test (fuzz.bzl) makes two things of it. `<name>` is a test of every configuration: the corpus in the tree, and
// some thousand inputs near it, always the same ones. `<name>_libfuzzer` is the fuzzer: `testing/hostile/fuzz` runs it.
#ifndef ZEROIPC_TESTING_HOSTILE_FUZZ_TARGET_H_
#define ZEROIPC_TESTING_HOSTILE_FUZZ_TARGET_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace zeroipc::testing {

// How many inputs each structure has been given.
inline std::map<std::string, uint64_t, std::less<>>& fuzzed_inputs() {
  static auto& counts = *new std::map<std::string, uint64_t, std::less<>>;
  return counts;
}

// This input is one for `structure`.
inline void fuzzed(std::string_view structure) {
  auto& counts = fuzzed_inputs();
  const auto found = counts.find(structure);
  if (found != counts.end()) {
    ++found->second;
  } else {
    counts.emplace(structure, 1);
  }
}

}  // namespace zeroipc::testing

#endif  // ZEROIPC_TESTING_HOSTILE_FUZZ_TARGET_H_
