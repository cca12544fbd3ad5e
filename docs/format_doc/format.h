// docs/format.md, from the structs that the library itself uses.
#ifndef ZEROIPC_DOCS_FORMAT_DOC_FORMAT_H_
#define ZEROIPC_DOCS_FORMAT_DOC_FORMAT_H_

#include <string>

namespace zeroipc::format_doc {

// The whole page. The same for every compiler on a 64-bit little-endian machine.
std::string format_page();

// Its chapters, in the order of the page.
void describe_segment(std::string* out);
void describe_participants(std::string* out);
void describe_waiting(std::string* out);
void describe_control_plane(std::string* out);
void describe_names(std::string* out);
void describe_queue(std::string* out);
void describe_data(std::string* out);
void describe_locks(std::string* out);
void describe_codata(std::string* out);

}  // namespace zeroipc::format_doc

#endif  // ZEROIPC_DOCS_FORMAT_DOC_FORMAT_H_
