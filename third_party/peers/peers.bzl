"""@peers: the libraries that benchmarks compare ZeroIPC with, where this machine has them.

Each peer is a target that always exists. One that is installed (third_party/peers/install does so) brings its headers and
defines ZEROIPC_PEER_<NAME>; one that is not is an empty library, so that every benchmark builds everywhere and leaves
out what is absent. Neither the library nor a test ever depends on a peer.
"""

# Of Boost's 14,000 headers, those that Interprocess, Lockfree and Unordered are made of: the sandbox links each one.
_BOOST_PARTS = (
    "algorithm align array assert atomic bind chrono circular_buffer concept config container container_hash core " +
    "date_time describe detail exception functional fusion heap integer interprocess intrusive io iterator " +
    "lexical_cast lockfree move mp11 mpl numeric/conversion optional parameter predef preprocessor range ratio " +
    "smart_ptr system tuple type_index type_traits typeof unordered utility variant2 winapi"
).split(" ")

# Per peer: the file that tells that it is there, the entries of /usr/include to link (a trailing * matches any end), which
# of the headers to use, what to link with, and what has to change in which header.
_PEERS = {
    "boost": struct(
        found = "boost/version.hpp",
        entries = ["boost"],
        headers = ["boost/*.hpp"] + ["boost/{}/**".format(part) for part in _BOOST_PARTS],
        linkopts = [],
        edits = {},
    ),
    "ck": struct(
        found = "ck_ring.h",
        entries = ["ck_*", "gcc"],
        headers = ["**"],
        linkopts = ["-lck"],
        # As C it returns false for a null pointer, which C++ refuses.
        edits = {"ck_ring.h": ("return false;", "return 0;")},
    ),
    "concurrentqueue": struct(
        found = "concurrentqueue/concurrentqueue.h",
        entries = ["concurrentqueue"],
        headers = ["concurrentqueue/*.h"],
        linkopts = [],
        edits = {},
    ),
    "lmdb": struct(
        found = "lmdb.h",
        entries = ["lmdb.h"],
        headers = ["lmdb.h"],
        linkopts = ["-llmdb"],
        edits = {},
    ),
    "tbb": struct(
        found = "tbb/concurrent_hash_map.h",
        entries = ["tbb", "oneapi"],
        headers = ["tbb/*.h", "oneapi/**"],
        linkopts = ["-ltbb"],
        edits = {},
    ),
}

_PRESENT = """
cc_library(
    name = "{name}",
    hdrs = glob({headers}),
    defines = ["ZEROIPC_PEER_{macro}=1"],
    includes = ["{name}"],
    linkopts = {linkopts},
)
"""

_ABSENT = """
cc_library(name = "{name}")
"""

def _matches(file, entry):
    return file == entry or (entry.endswith("*") and file.startswith(entry[:-1]))

def _peers_impl(ctx):
    include = ctx.path("/usr/include")
    build = 'load("@rules_cc//cc:defs.bzl", "cc_library")\n\npackage(default_visibility = ["//visibility:public"])\n'
    for name, peer in _PEERS.items():
        if not ctx.path("/usr/include/" + peer.found).exists:
            build += _ABSENT.format(name = name)
            continue

        # Just this peer: with all of /usr/include on the search path, system headers would be found out of order.
        for file in include.readdir():
            if [entry for entry in peer.entries if _matches(file.basename, entry)]:
                target = "{}/{}".format(name, file.basename)
                if file.basename in peer.edits:
                    old, new = peer.edits[file.basename]
                    ctx.file(target, ctx.read(file).replace(old, new))
                else:
                    ctx.symlink(file, target)
        build += _PRESENT.format(
            name = name,
            macro = name.upper(),
            headers = repr(["{}/{}".format(name, header) for header in peer.headers]),
            linkopts = repr(peer.linkopts),
        )
    ctx.file("BUILD.bazel", build)
    ctx.file("WORKSPACE", 'workspace(name = "peers")\n')

peers = repository_rule(
    implementation = _peers_impl,
    # Packages come and go: looked at anew with every start of Bazel's server, and with `bazel sync --configure`.
    configure = True,
    local = True,
)
