#include "docs/format_doc/format.h"

namespace zeroipc::format_doc {

std::string format_page() {
  std::string out = R"(# The byte layout of a segment

<!-- Written by //docs/format_doc from the structs themselves; do not edit. To write it anew:
     ./bazelw run //docs/format_doc > docs/format.md -->

For those who write a tool, read a dump, or judge whether a change needs a new format version. What the states mean, and
who repairs them, is in [crash-model.md](crash-model.md). "atomic" is a word that processes read and write at the same
time.

)";
  describe_segment(&out);
  describe_participants(&out);
  describe_waiting(&out);
  describe_control_plane(&out);
  describe_names(&out);
  describe_queue(&out);
  describe_data(&out);
  describe_locks(&out);
  describe_codata(&out);
  while (out.size() > 1 && out[out.size() - 1] == '\n' && out[out.size() - 2] == '\n')
    out.pop_back();
  return out;
}

}  // namespace zeroipc::format_doc
