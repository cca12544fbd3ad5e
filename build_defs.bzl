"""The rules that ZeroIPC's own packages use: cc_library, cc_test and cc_binary, with the house rules built in."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

# Tests fork, hammer and kill; without any optimisation they take several times as long. A select, and not a flag in
# .bazelrc, so that `-c opt` and `-c dbg` mean what they always mean, and so that other workspaces choose for themselves.
_OWN_COPTS = select({
    "//:fastbuild_here": ["-O1"],
    "//conditions:default": [],
})

_NOT_OPTIMIZED = select({
    "//:fastbuild_here": ["-O0"],
    "//conditions:default": [],
})

# What `--build_tag_filters=-test` leaves out.
_TEST = ["test"]

def _lone_includes_impl(ctx):
    sources = []
    for header in ctx.files.hdrs:
        source = ctx.actions.declare_file("{}/{}.cc".format(ctx.label.name, header.basename))
        ctx.actions.write(source, '#include "{}"\n'.format(header.short_path))
        sources.append(source)
    return [DefaultInfo(files = depset(sources))]

_lone_includes = rule(
    implementation = _lone_includes_impl,
    doc = "For each header, a source file that includes nothing but that header.",
    attrs = {"hdrs": attr.label_list(allow_files = True)},
)

def zeroipc_cc_library(name, hdrs = [], copts = [], testonly = False, **kwargs):
    """A cc_library each of whose headers must also compile alone.

    That is checked by `<name>_headers_compile_alone`, which `build //...` builds and on which nothing depends, so that it
    costs users in other workspaces nothing.

    Args:
      name: As for cc_library.
      hdrs: As for cc_library.
      copts: As for cc_library.
      testonly: As for cc_library.
      **kwargs: Passed on to cc_library.
    """
    cc_library(
        name = name,
        hdrs = hdrs,
        copts = _OWN_COPTS + copts,
        testonly = testonly,
        **kwargs
    )
    if hdrs:
        _lone_includes(
            name = name + "_lone_includes",
            hdrs = hdrs,
            testonly = True,
            visibility = ["//visibility:private"],
        )
        cc_library(
            name = name + "_headers_compile_alone",
            srcs = [name + "_lone_includes"],
            copts = copts,
            # One object file per header is proof enough.
            linkstatic = True,
            testonly = True,
            visibility = ["//visibility:private"],
            deps = [name],
        )

def zeroipc_cc_test(name, deps = [], copts = [], size = "small", cpus = 1, main = True, optimized = True, tags = [], **kwargs):
    """A cc_test with GoogleTest.

    Args:
      name: As for cc_test.
      deps: As for cc_test; GoogleTest is added.
      copts: As for cc_test.
      size: As for cc_test; .bazelrc gives a small test five minutes.
      cpus: How many processors the test keeps busy, so that Bazel does not run others beside it.
      main: Whether to take GoogleTest's main(); False where the test brings one.
      optimized: Whether to compile it with optimisation; False where it would take longer to compile for that than to run.
      tags: As for cc_test.
      **kwargs: Passed on to cc_test.
    """
    cc_test(
        name = name,
        size = size,
        copts = (_OWN_COPTS if optimized else _NOT_OPTIMIZED) + copts,
        tags = tags + _TEST + (["cpu:{}".format(cpus)] if cpus > 1 else []),
        deps = deps + ["@com_google_googletest//:gtest_main" if main else "@com_google_googletest//:gtest"],
        **kwargs
    )

def zeroipc_cc_benchmark(name, deps = [], copts = [], main = True, **kwargs):
    """A benchmark with Google Benchmark. Run it with `bazel run --config=opt`.

    Args:
      name: As for cc_binary.
      deps: As for cc_binary; Google Benchmark is added.
      copts: As for cc_binary.
      main: Whether to take Google Benchmark's main(); False where the benchmark brings one.
      **kwargs: Passed on to cc_binary.
    """
    library = "benchmark_main" if main else "benchmark"
    cc_binary(
        name = name,
        testonly = True,
        copts = _OWN_COPTS + copts,
        deps = deps + ["@com_github_google_benchmark//:" + library],
        **kwargs
    )

def zeroipc_cc_binary(name, copts = [], **kwargs):
    """A cc_binary, compiled as the rest of the repository is.

    Args:
      name: As for cc_binary.
      copts: As for cc_binary.
      **kwargs: Passed on to cc_binary.
    """
    cc_binary(name = name, copts = _OWN_COPTS + copts, **kwargs)
