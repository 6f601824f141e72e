# SPDX-License-Identifier: MIT
"""Programs without frame pointers: each stack is the one that is known, down to the root."""

import contextlib
import os
import re

import pytest

import pprof
from profd import PROGRAMS, Program
from stacks import Step, Tally, Truth, in_callee, in_library, named, user_frames

UNWIND = PROGRAMS / "unwind"
FREQUENCY = 997


def begins(text):
    """A name that goes on with something else than a letter: arguments, [clone .cold]."""
    return re.compile(re.escape(text) + r"([^\w].*)?", re.DOTALL)


# From main() outwards. What the C library has between it and _start is its own affair.
START = named("__libc_start.*")
ROOT = [Step(lambda frame: in_library(frame) or START(frame), many=True), "_start"]


def rooted(*chains):
    return [[*chain, "main", *ROOT] for chain in chains]


def deep(n, root=ROOT):
    forms = ["light", "saver", "roomy"]
    return ["bottom", *(forms[i % 3] for i in reversed(range(n))), "main", *root]


# musl has no CFI at all: of what is outside main(), at most its own functions can be known.
MUSL = [Step(lambda f: in_library(f) or named("(__libc_|libc_)?start.*|_start.*")(f), True, True)]

LEAF = ["leaf", "caller_of_leaf"]
# What a handler returns to, however it is called; nothing calls it, so its name is often another's.
RETURNS = Step(lambda frame: frame.name not in (*LEAF, "main", "on_signal", "handler_burn"))
HANDLER = ["handler_burn", "on_signal", RETURNS, *LEAF]
SIGNALS = Truth(*rooted(LEAF, HANDLER))
MUSL_SIGNALS = Truth(open=[[*LEAF, "main", *MUSL], [*HANDLER, "main", *MUSL]])

# Linked statically, what a function of the C library or the C++ runtime calls is in no library.
RUNTIME = named(
    r"_*(Unwind_|uw_|cxa_|gxx_|cxxabiv1::|str|mem|search_|operator |malloc|free|dl_|read_|base_|"
    r"execute_|int_|tcache_|unlink_|sys|arena_|calloc|bsearch|abort_message|"
    r"std::|get_|parse_lsda|check_exception|empty_exception|size_of_encoded|adjust_).*"
)

SORTS = Step(lambda frame: in_library(frame) or "sort" in frame.name, many=True)
CALLBACK = Truth(
    *rooted(["compare", SORTS, "sort_all"]), called=lambda f: in_callee(f) or RUNTIME(f)
)

# On the way to another library: in the PLT, there already, or in the loader, which looks for the
# function anew at each call if LD_BIND_NOT is set. The function through which the PLT enters the
# loader keeps its frame address in rbx: whose value in outer frames nobody has to know.
HOT = ["hot_calls", "before_hot"]
STUB = Step(lambda f: re.search(r"/(plt|libticks)[^/]*$", f.mapping) and f.name not in HOT)
LOADER = Step(lambda frame: "/ld-" in frame.mapping)
LOADERS = Step(LOADER.test, many=True)


def plts(**options):
    chains = rooted(HOT, [STUB, *HOT], [LOADERS, *HOT])
    return Truth(*chains, open=[[LOADER, LOADERS]], called=lambda frame: False, **options)


PLT = plts()
# Of its head the last jump, one sample in 280, is not known (unwind/stubs_x86_64.c).
PLT_OF_MOLD = plts(doubtful=0.03)


def thrown(kind):
    raises = begins(f"outer::Thrower<{kind}>::raise")
    attempt = re.compile(rf"(void )?outer::attempt<{kind}>.*")
    # In its last instructions the runtime has put the place that it goes to where its own return
    # address was (__builtin_eh_return), and every debugger takes that for its caller.
    landing = Step(
        lambda f: raises.fullmatch(f.name) or attempt.fullmatch(f.name), optional=True
    )
    return [
        [landing, begins(f"outer::Thrower<{kind}>::raise_here"), *[raises] * 4, attempt],
        *([begins("outer::Guard::~Guard"), *[raises] * n, attempt] for n in (1, 2, 3, 4)),
        [re.compile(rf"(void )?outer::handle<{kind}>.*"), attempt],
    ]


EXCEPTIONS = Truth(
    *rooted(*thrown("int"), *thrown("double")), called=lambda f: in_callee(f) or RUNTIME(f)
)

VARIABLE = Truth(
    *rooted(
        ["variable_bottom", *["with_array", "with_alloca"] * 4],
        ["aligned_bottom", "aligned_variable", "aligned_by_force", "with_vectors"],
    )
)
FRAMELESS = Truth(
    *rooted(["counts_in_rbp", "lies_in_rbp", "above_the_lie"], ["lies_in_rbp", "above_the_lie"])
)
ASSEMBLY = Truth(
    *rooted(
        ["leaf_with_cfi", "every_hand"],
        ["leaf_without_cfi", "every_hand"],
        ["called_back", "saves_rbp", "calls_with_cfi", "every_hand"],
        ["called_back", "calls_without_cfi", "every_hand"],
        ["called_back", "saves_rbp", "calls_without_cfi", "every_hand"],
        ["bare", "into_bare", "every_hand"],
    ),
    # Neither CFI nor the frame pointer say where it was called.
    open=[["bare"]],
)
COROUTINES = Truth(
    *rooted(["visitor_burn", "visitor", "on_stack", "visit"], ["switch_to"]),
    # Their first function has no caller; that of makecontext() returns into the C library.
    open=[
        ["context_burn", "context_body", Step(in_library, optional=True)],
        ["coroutine_burn", "coroutine_body"],
        ["switch_to", "coroutine_body"],
    ],
)
ROOTS = Truth(
    ["thread_burn", "thread_body", Step(in_library), Step(in_library)],
    ["task_burn", "task_body", Step(in_library)],
)
SWAP = Truth(
    *rooted(
        ["first_burn", "first_middle", "enter", "use"],
        ["second_burn", "second_middle", "enter", "use"],
        # What dlopen and dlclose run first of a library: there its page is fetched.
        *[[name, Step(in_library, many=True), "use"] for name in ("_init", "_fini")],
    ),
    # In the moment before profd hears of the other library, and more of them where CPUs are scarce.
    doubtful=0.1,
)
RUST = Truth(
    *rooted(
        [
            re.compile(r".*Burner as rust::Step>::step"),
            "rust::dispatch",
            "rust::generic",
            "rust::main",
            Step(lambda frame: "std::" in frame.name or "core::" in frame.name, many=True),
        ]
    )
)
# Go's runtime interrupts what runs for long by a signal, and has threads of its own. On its own
# stack it works for runtime.Stack, too.
GO = Truth(
    ["main.burn", *["main.descend"] * 10, "main.worker", begins("runtime.goexit")],
    [*["main.trace"] * 5, "main.tracer", begins("runtime.goexit")],
    called=lambda frame: not frame.name.startswith("main."),
    ours=lambda frames: any(f.name.startswith(("main.", "runtime.Stack.")) for f in frames),
)
# C works on the stack of the runtime's thread.
CGO = Truth(
    [
        *["c_burn", "c_middle", Step(named(".*(_Cfunc_|cgocall).*"), many=True)],
        *["main.callC", "main.worker", begins("runtime.goexit")],
    ],
    ours=lambda frames: any(frame.name == "c_burn" for frame in frames),
)
# Each piece is on a stack of its own, to which libgcc has changed.
SPLIT = Truth(
    *rooted(["bottom", *["piece", "__morestack"] * 9]),
    called=lambda frame: in_callee(frame) or named("_.*(morestack|releasestack).*")(frame),
)

# What is tested: a program of tests/programs/unwind with its arguments, and its truth.
CASES = {
    "deep 60 20": Truth(deep(20)),
    "deep 60 100": Truth(deep(100)),
    "deep 60 250": Truth(deep(250)),
    "deep-musl 60 20": Truth(open=[deep(20, MUSL)]),
    "deep-musl-static 60 20": Truth(open=[deep(20, MUSL)]),
    "altstack": SIGNALS,
    "altstack-static": SIGNALS,
    "altstack-musl": MUSL_SIGNALS,
    "altstack-musl-static": MUSL_SIGNALS,
    "exceptions": EXCEPTIONS,
    "exceptions-static": EXCEPTIONS,
    "variable": VARIABLE,
    "tailcalls": Truth(*rooted(["landed", "keeper"])),
    "frameless": FRAMELESS,
    "lastcall": Truth(*rooted(["no_way_back", "calls_last", "ends_in_a_call"])),
    "vforks": Truth(*rooted(["child_burn", "one_turn"], ["parent_burn", "one_turn"])),
    "coroutines": COROUTINES,
    "assembly": ASSEMBLY,
    "roots": ROOTS,
    "jit 60 callback": Truth(*rooted(["called_back", "jitted_caller(int)"])),
    "rust": RUST,
    "gostack": GO,
    "gostack-stripped": GO,
    "gocgo": CGO,
    "splitstack": SPLIT,
    "vdso 60": Truth(*rooted(["ask_the_time"])),
    f"swap 60 {UNWIND}/swap_a.so {UNWIND}/swap_b.so": SWAP,
    # Two processes that share a library.
    "sharer_a": Truth(*rooted(["one_visit", *["walk"] * 5])),
    "sharer_b": Truth(*rooted(["other_visit", *["walk"] * 9])),
    "callback": CALLBACK,
    "callback-static": CALLBACK,
    "callback-static-pie": CALLBACK,
    "callback-no-pie": CALLBACK,
    "callback-cet": CALLBACK,
    "callback-lld": CALLBACK,
    "callback-gold": CALLBACK,
    "callback-mold": CALLBACK,
    "plt": PLT,
    "plt-now": PLT,
    "plt-cet": PLT,
    "plt-lld": PLT,
    "plt-gold": PLT,
    "plt-mold": PLT_OF_MOLD,
    "LD_BIND_NOT=1 plt": PLT,
    "LD_BIND_NOT=1 plt-cet": PLT,
    "LD_BIND_NOT=1 plt-lld": PLT,
    "LD_BIND_NOT=1 plt-gold": PLT,
    "LD_BIND_NOT=1 plt-mold": PLT_OF_MOLD,
}
# What a sample brings along for which something is missing in the kernel's tables is the stack that
# it is on, and no other from which that one was entered. So of these programs as many stacks may be
# unfinished as there were such samples: hardly any, once they have run for a second. They are kept
# apart from the program that always misses something.
TWO_STACKS = {
    case for case in CASES if case.startswith(("altstack", "coroutines", "go", "splitstack"))
}
TOGETHER = 7  # programs in one recording
ORDER = sorted(CASES, key=lambda case: case not in TWO_STACKS)
GROUPS = [ORDER[i : i + TOGETHER] for i in range(0, len(ORDER), TOGETHER)]


def start(case):
    words = case.split()
    environment = dict(os.environ)
    while "=" in words[0]:
        key, value = words.pop(0).split("=")
        environment[key] = value
    return Program(UNWIND / words[0], *words[1:], env=environment)


def misses(daemon):
    return sum(daemon.status()["unwinder"]["misses"].values())


@pytest.mark.parametrize("cases", GROUPS, ids=lambda cases: cases[0].replace(" ", "-"))
def test_stacks(lone_daemon, cases):
    tallies = {case: Tally() for case in cases}
    with contextlib.ExitStack() as stack:
        programs = {case: stack.enter_context(start(case)) for case in cases}
        pids = [word for program in programs.values() for word in ("--pid", program.pid)]
        if TWO_STACKS & set(cases):
            lone_daemon.record(*pids, "--seconds", 1, "--frequency", FREQUENCY)
        missed = misses(lone_daemon)
        # More than once where others want the CPUs.
        for _ in range(8):
            profile = lone_daemon.record(
                *pids, "--children", "--seconds", 2, "--frequency", FREQUENCY
            )
            for case, program in programs.items():
                mine = {"pid": program.pid}
                if case == "vforks":
                    mine = {"exe": str(UNWIND / "vforks")}
                tallies[case].add(CASES[case], profile.select(**mine))
            if min(tally.total for tally in tallies.values()) >= 150:
                break
        missed = misses(lone_daemon) - missed
    found = {
        case: tally.complaint(
            100,
            CASES[case].doubtful,
            excused=min(missed, tally.total // 30) if case in TWO_STACKS else 0,
        )
        for case, tally in tallies.items()
    }
    assert not any(found.values()), "\n".join(f"{c}: {why}" for c, why in found.items() if why)


def burning(name):
    """The chain of a program that is a copy of storm."""
    return rooted([f"{name}_burn", f"{name}_inner", f"{name}_outer"])


STORM = Truth(
    *burning("ping"),
    *burning("pong"),
    ours=lambda frames: any(frame.name.endswith("_burn") for frame in frames),
)


@pytest.mark.parametrize("how", ["fork", "exec"])
def test_storm_of_short_processes(lone_daemon, how):
    """Processes of 25 ms, in which each stack is whole: also the first, before anything is known
    about a process, and those of the loader before main()."""
    command = [UNWIND / "ping", 3, 20, 25, *([UNWIND / "pong"] if how == "exec" else [])]
    process, out = lone_daemon.start_record("--frequency", FREQUENCY, "--", *command)
    process.communicate()
    assert process.returncode == 0
    profile = pprof.read(out)
    tally = Tally()
    tally.add(STORM, profile.samples)
    assert not tally.complaint(400), tally.complaint(400)
    stacks = [(sample, user_frames(sample)) for sample in profile.samples]
    stacks = [(sample, frames) for sample, frames in stacks if frames]
    cut = [(s, frames) for s, frames in stacks if frames[-1].name.startswith("[unfinished: ")]
    first = " < ".join(frame.name for frame in cut[0][1]) if cut else ""
    n_cut, n = (sum(sample.values[0] for sample, _ in some) for some in (cut, stacks))
    assert n_cut <= 0.005 * n, (n_cut, n, first)
    burnt = {s.labels["pid"] for s, frames in stacks if STORM.ours(frames)}
    assert len(burnt) >= 50
    if how == "exec":
        names = profile.cumulative()
        assert min(names["ping_burn"], names["pong_burn"]) > 0.3 * tally.total
