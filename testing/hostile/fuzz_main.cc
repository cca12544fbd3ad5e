// A fuzz target as a test: `<test> CORPUS MUTATIONS` runs what is in the corpus, one input a line in hexadecimal digits, and
// then so many inputs made of it, always the same ones. What breaks the target is printed, for `fuzz TARGET --input HEX`.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/hostile/fuzz_target.h"

extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using bytes = std::vector<uint8_t>;

constexpr size_t kLongest = 512;
// One thread does it all, so ThreadSanitizer has little to find, and it is slow.
#if defined(__SANITIZE_THREAD__)
constexpr uint64_t kShare = 8;
#else
constexpr uint64_t kShare = 1;
#endif
// Nothing that ends takes as long, under any sanitizer on any machine.
constexpr unsigned kHangSeconds = 120;

std::vector<bytes> corpus;
uint64_t mutations = 1000;
bytes running;

void print_running() {
  constexpr char kDigits[] = "0123456789abcdef";
  static char text[2 * kLongest + 2];
  size_t n = 0;
  for (const uint8_t b : running) {
    if (n + 2 >= sizeof text) break;
    text[n++] = kDigits[b >> 4];
    text[n++] = kDigits[b & 15];
  }
  text[n++] = '\n';
  constexpr std::string_view kSay = "hostile: the input that did it:\n";
  static_cast<void>(!::write(STDERR_FILENO, kSay.data(), kSay.size()));
  static_cast<void>(!::write(STDERR_FILENO, text, n));
}

void on_signal(int signal) {
  if (signal == SIGALRM) {
    constexpr std::string_view kSay = "hostile: an input does not end\n";
    static_cast<void>(!::write(STDERR_FILENO, kSay.data(), kSay.size()));
  }
  print_running();
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void run(const bytes& input) {
  running = input;
  ::alarm(kHangSeconds);
  // A buffer of its own, so that reading beyond the input is noticed.
  const bytes copy(input);
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
  ::alarm(0);
}

bool read_corpus(const char* path) {
  std::ifstream file(path);
  if (!file) return false;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    bytes input;
    for (size_t i = 0; i + 1 < line.size(); i += 2) {
      input.push_back(static_cast<uint8_t>(std::stoul(line.substr(i, 2), nullptr, 16)));
    }
    corpus.push_back(std::move(input));
  }
  return true;
}

bytes random_bytes(std::mt19937_64& random, size_t n) {
  bytes b(n);
  for (uint8_t& x : b) x = static_cast<uint8_t>(random());
  return b;
}

bytes mutate(std::mt19937_64& random) {
  if (corpus.empty() || random() % 8 == 0) return random_bytes(random, random() % 200);
  bytes b = corpus[random() % corpus.size()];
  const auto at = [&](size_t extra) {
    return static_cast<std::ptrdiff_t>(random() % (b.size() + extra));
  };
  for (uint64_t n = 1 + random() % 6; n > 0; --n) {
    switch (random() % 6) {
      case 0:
        if (!b.empty()) b[at(0)] ^= static_cast<uint8_t>(1u << random() % 8);
        break;
      case 1:
        if (!b.empty()) b[at(0)] = static_cast<uint8_t>(random());
        break;
      case 2:
        b.insert(b.begin() + at(1), static_cast<uint8_t>(random() % 32));
        break;
      case 3:
        if (!b.empty()) b.erase(b.begin() + at(0));
        break;
      case 4: {
        const bytes more = random_bytes(random, random() % 24);
        b.insert(b.begin() + at(1), more.begin(), more.end());
        break;
      }
      default: {
        const bytes& other = corpus[random() % corpus.size()];
        b.resize(static_cast<size_t>(at(1)));
        const size_t from = other.empty() ? 0 : random() % other.size();
        b.insert(b.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
      }
    }
  }
  b.resize(std::min(b.size(), kLongest));
  return b;
}

TEST(Fuzz, NothingInTheCorpusBreaksIt) {
  for (const bytes& input : corpus) run(input);
}

TEST(Fuzz, NothingNearTheCorpusBreaksIt) {
  std::mt19937_64 random(20'240'601);
  const uint64_t n = zeroipc::testing::quick_or_full(mutations / kShare, 100 * mutations);
  for (uint64_t i = 0; i < n; ++i) run(mutate(random));
  for (const auto& [structure, executions] : zeroipc::testing::fuzzed_inputs()) {
    zeroipc::testing::evidence(structure, zeroipc::testing::instrument::fuzzer)
        .figure("executions", executions);
  }
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc > 1 && !read_corpus(argv[1])) {
    std::fprintf(stderr, "hostile: no corpus %s\n", argv[1]);
    return 1;
  }
  if (argc > 2) mutations = std::strtoull(argv[2], nullptr, 10);
  ::signal(SIGALRM, on_signal);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(print_running);
  } else {
    for (const int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) ::signal(s, on_signal);
  }
  ::signal(SIGABRT, on_signal);
  return RUN_ALL_TESTS();
}
