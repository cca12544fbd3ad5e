// Prints docs/format.md.
#include <cstdio>

#include "docs/format_doc/format.h"

int main() {
  const std::string page = zeroipc::format_doc::format_page();
  return std::fwrite(page.data(), 1, page.size(), stdout) == page.size() && std::fflush(stdout) == 0
             ? 0
             : 1;
}
