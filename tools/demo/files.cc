#include "tools/demo/files.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tools/demo/job.h"

namespace zeroipc::demo {
namespace fs = std::filesystem;
namespace {

// Depth first, by hand: a directory that cannot be read is noted and its siblings are still visited.
void visit(const fs::path& directory, const std::string& prefix, file_list& out) {
  std::error_code error;
  fs::directory_iterator it(directory, error);
  if (error) {
    out.unlisted.push_back(absl::StrCat(prefix.empty() ? "." : prefix, ": ", error.message()));
    return;
  }
  for (; it != fs::directory_iterator(); it.increment(error)) {
    const std::string name = it->path().filename().string();
    const fs::file_status status = it->symlink_status(error);
    if (error) continue;  // it vanished
    const std::string relative = prefix.empty() ? name : absl::StrCat(prefix, "/", name);
    if (fs::is_directory(status)) {
      if (name != ".git") visit(it->path(), relative, out);
    } else if (fs::is_regular_file(status)) {
      if (relative.size() > kMaxPathBytes) {
        out.unlisted.push_back(absl::StrCat(relative.substr(0, 60), "...: path longer than ",
                                            kMaxPathBytes, " bytes"));
        continue;
      }
      const uintmax_t bytes = fs::file_size(it->path(), error);
      if (!error) out.bytes += bytes;
      out.paths.push_back(relative);
    }
  }
}

}  // namespace

absl::StatusOr<file_list> list_files(const std::string& path) {
  std::error_code error;
  const fs::path root = fs::canonical(path, error);
  if (error) return absl::ErrnoToStatus(error.value(), path);
  file_list files;
  const fs::file_status status = fs::status(root, error);
  if (fs::is_regular_file(status)) {
    files.root = root.parent_path().string();
    files.paths.push_back(root.filename().string());
    files.bytes = fs::file_size(root, error);
    return files;
  }
  if (!fs::is_directory(status)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": neither a directory nor a regular file"));
  }
  files.root = root.string();
  visit(root, "", files);
  std::ranges::sort(files.paths);
  return files;
}

std::string default_path() {
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  return workspace != nullptr && *workspace != '\0' ? workspace : ".";
}

std::string resolve(const std::string& path) {
  const char* base = std::getenv("BUILD_WORKING_DIRECTORY");
  if (base == nullptr || *base == '\0' || path.empty() || path[0] == '/') return path;
  return absl::StrCat(base, "/", path);
}

}  // namespace zeroipc::demo
