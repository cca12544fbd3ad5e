#include "docs/format_doc/table.h"

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace zeroipc::format_doc {

table::table(std::string* out, size_t bytes) : out_(out), bytes_(bytes) {
  absl::StrAppend(
      out_, "| offset | bytes | type | field | meaning |\n| ---: | ---: | --- | --- | --- |\n");
}

void table::row(size_t offset, size_t bytes, std::string_view type, std::string_view name,
                std::string_view meaning) {
  unused_up_to(offset);
  absl::StrAppend(out_, "| ", offset, " | ", bytes, " | ", type, " | `", name, "` | ", meaning,
                  " |\n");
  next_ = offset + bytes;
}

void table::unused_up_to(size_t offset) {
  if (offset < next_) {
    std::fprintf(stderr, "a field at offset %zu comes after one that ends at %zu\n", offset, next_);
    std::abort();
  }
  if (offset > next_) {
    absl::StrAppend(out_, "| ", next_, " | ", offset - next_, " | | | unused, zero |\n");
  }
}

table::~table() {
  unused_up_to(bytes_);
  absl::StrAppend(out_, "\n", bytes_, " bytes.\n");
}

}  // namespace zeroipc::format_doc
