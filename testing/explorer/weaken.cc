// Accesses that are run under a weaker order than the source says, to see whether somebody notices.
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "testing/explorer/search.h"

namespace zeroipc::explorer {
namespace {

struct weakening {
  std::string file;
  unsigned line = 0;
  std::memory_order from = std::memory_order_relaxed, to = std::memory_order_relaxed;
  bool print = false;
};

std::memory_order order_of(std::string_view name) {
  if (name == "acquire") return std::memory_order_acquire;
  if (name == "release") return std::memory_order_release;
  if (name == "acq_rel") return std::memory_order_acq_rel;
  if (name == "seq_cst") return std::memory_order_seq_cst;
  return std::memory_order_relaxed;
}

const weakening& asked_for() {
  static const weakening asked = [] {
    weakening w;
    w.print = std::getenv("ZEROIPC_EXPLORER_SITES") != nullptr;
    const char* const given = std::getenv("ZEROIPC_EXPLORER_WEAKEN");
    if (given == nullptr) return w;
    const std::string text = given;
    const size_t a = text.find(':'), b = text.find(':', a + 1), c = text.find(':', b + 1);
    if (c == std::string::npos) {
      std::fprintf(stderr, "ZEROIPC_EXPLORER_WEAKEN is not file:line:order:order: %s\n", given);
      std::abort();
    }
    w.file = text.substr(0, a);
    w.line = static_cast<unsigned>(std::stoul(text.substr(a + 1, b - a - 1)));
    w.from = order_of(text.substr(b + 1, c - b - 1));
    w.to = order_of(text.substr(c + 1));
    return w;
  }();
  return asked;
}

}  // namespace

bool search::read_weakening() { return asked_for().print || asked_for().line != 0; }

std::memory_order search::weakened_there(std::memory_order order, const std::source_location& at) {
  const weakening& w = asked_for();
  const std::string_view path = at.file_name();
  const std::string_view file = path.substr(path.rfind('/') + 1);
  if (w.print) {
    static std::set<std::tuple<std::string, unsigned, std::memory_order>> printed;
    if (printed.emplace(file, at.line(), order).second) {
      std::printf("site %s:%u:%s\n", std::string(file).c_str(), at.line(), name_of(order));
    }
  }
  return at.line() == w.line && order == w.from && file == w.file ? w.to : order;
}

}  // namespace zeroipc::explorer
