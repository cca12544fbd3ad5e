"""What ZeroIPC depends on, for the WORKSPACE file of this repository and of those that use it (Bazel 4 to 6).

MODULE.bazel says the same for later Bazels, under the same repository names.
"""

load("@bazel_tools//tools/build_defs/repo:utils.bzl", "maybe")
load("//third_party:repositories.bzl", "bazel_rules", "empty_tool", "source_archive")
load("//third_party/peers:peers.bzl", "peers")

def zeroipc_dependencies():
    """Everything that the library and its command need. A repository that is already defined is left as it is."""
    maybe(
        source_archive,
        name = "com_google_absl",
        sha256 = "91ac87d30cc6d79f9ab974c51874a704de9c2647c40f6932597329a282217ba8",
        strip_prefix = "abseil-cpp-20220623.1",
        urls = ["https://github.com/abseil/abseil-cpp/archive/refs/tags/20220623.1.tar.gz"],
    )
    maybe(
        source_archive,
        name = "cli11",
        build_file = Label("//third_party:cli11.BUILD"),
        sha256 = "26291377e892ba0e5b4972cdfd4a2ab3bf53af8dac1f4ea8fe0d1376b625c8cb",
        strip_prefix = "CLI11-2.1.2",
        urls = ["https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.1.2.tar.gz"],
    )
    maybe(
        source_archive,
        name = "nlohmann_json",
        build_file = Label("//third_party:nlohmann_json.BUILD"),
        sha256 = "d69f9deb6a75e2580465c6c4c5111b89c4dc2fa94e3a85fcd2ffcd9a143d9273",
        strip_prefix = "json-3.11.2",
        urls = ["https://github.com/nlohmann/json/archive/refs/tags/v3.11.2.tar.gz"],
    )
    maybe(
        bazel_rules,
        name = "bazel_skylib",
        installed = "/usr/share/bazel/tools/skylib",
        package = "bazel-skylib",
        sha256 = "f7be3474d42aae265405a592bb7da8e171919d74c16f082a5457840f06054728",
        urls = ["https://github.com/bazelbuild/bazel-skylib/releases/download/1.2.1/bazel-skylib-1.2.1.tar.gz"],
    )
    maybe(
        bazel_rules,
        name = "rules_cc",
        # use_cpp_toolchain came with Bazel 5; what it returns has been there for longer.
        edit_files = [
            "cc/private/rules_impl/cc_flags_supplier.bzl",
            "cc/private/rules_impl/compiler_flag.bzl",
        ],
        edits = {
            ', "use_cpp_toolchain")': ")",
            "= use_cpp_toolchain()": '= ["@bazel_tools//tools/cpp:toolchain_type"]',
        },
        installed = "/usr/share/bazel/rules/cc",
        package = "bazel-rules-cc",
        sha256 = "af6cc82d87db94585bceeda2561cb8a9d55ad435318ccb4ddfee18a43580fb5d",
        strip_prefix = "rules_cc-0.0.4",
        urls = ["https://github.com/bazelbuild/rules_cc/releases/download/0.0.4/rules_cc-0.0.4.tar.gz"],
    )

    # Debian's Bazel is 4.2.3 and does not say so. Releases from 5 on bring what follows with them.
    if not native.bazel_version or native.bazel_version.startswith("4."):
        _bazel_4_dependencies()

def zeroipc_dev_dependencies():
    """What this repository's own tests and benchmarks need besides."""
    maybe(
        source_archive,
        name = "com_google_googletest",
        sha256 = "81964fe578e9bd7c94dfdb09c8e4d6e6759e19967e397dbea48d1c10e45d0df2",
        strip_prefix = "googletest-release-1.12.1",
        urls = ["https://github.com/google/googletest/archive/refs/tags/release-1.12.1.tar.gz"],
    )
    maybe(
        source_archive,
        name = "com_github_google_benchmark",
        sha256 = "6430e4092653380d9dc4ccb45a1e2dc9259d581f4866dc0759713126056bc1d7",
        strip_prefix = "benchmark-1.7.1",
        urls = ["https://github.com/google/benchmark/archive/refs/tags/v1.7.1.tar.gz"],
    )
    maybe(peers, name = "peers")

def _bazel_4_dependencies():
    """Repositories that Bazel 4 would fetch on its own, or brings in a version too old for Abseil."""
    maybe(
        bazel_rules,
        # Bazel's own copy knows neither cpu:wasm32 nor cpu:wasm64, which Abseil names.
        name = "platforms",
        installed = "/usr/share/bazel/tools/platforms",
        package = "bazel-platforms",
        sha256 = "5308fc1d8865406a49427ba24a9ab53087f17f5266a7aabbfc28823f3916e1ca",
        urls = ["https://github.com/bazelbuild/platforms/releases/download/0.0.6/platforms-0.0.6.tar.gz"],
    )
    maybe(
        bazel_rules,
        name = "rules_java",
        installed = "/usr/share/bazel/rules/java",
        package = "bazel-rules-java",
        sha256 = "34b41ec683e67253043ab1a3d1e8b7c61e4e8edefbcad485381328c934d072fe",
        urls = ["https://github.com/bazelbuild/rules_java/releases/download/4.0.0/rules_java-4.0.0.tar.gz"],
    )
    maybe(
        bazel_rules,
        name = "rules_proto",
        installed = "/usr/share/bazel/rules/proto",
        package = "bazel-rules-proto",
        sha256 = "66bfdf8782796239d3875d37e7de19b1d94301e8972b3cbd2446b332429b4df1",
        strip_prefix = "rules_proto-4.0.0",
        urls = ["https://github.com/bazelbuild/rules_proto/archive/refs/tags/4.0.0.tar.gz"],
    )

    # Every test depends on it, `bazel coverage` alone runs it.
    maybe(
        empty_tool,
        name = "remote_coverage_tools",
        build_file = Label("//third_party:remote_coverage_tools.BUILD"),
    )
