/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * abi.h - what the BPF programs and the collector share: the records that travel through the
 * rings, the configuration of sessions, and the counters of the ledger.
 *
 * Both sides are built from the same tree, so nothing here is versioned. All times are
 * CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns). All pids and tids are those of the collector's
 * own pid namespace; 0 means that the task is not visible in it.
 */
#ifndef PROFD_ABI_H
#define PROFD_ABI_H

#ifndef __bpf__
#include <linux/types.h>
#endif

/* Sessions that can run at once: the continuous profile and recordings (DESIGN: at most 8). */
#define PROFD_MAX_SESSIONS 8
/* A session's slot travels in the low bits of its perf event's period: a BPF program of type
 * perf_event sees the period of the event that fired on every kernel since 4.9, while attach
 * cookies exist only since 5.15 (82e6b1eee6a8). It costs at most 7 ns of a period of 1 ms. */
#define PROFD_SLOT_MASK (PROFD_MAX_SESSIONS - 1)

#define PROFD_COMM_LEN		16
#define PROFD_MAX_KERNEL_FRAMES 127 /* sysctl kernel.perf_event_max_stack by default */
#define PROFD_MAX_USER_FRAMES	256
#define PROFD_SCRATCHES		2 /* samples that can be built at once on a CPU */
#define PROFD_PROBE_SCRATCHES	2 /* and stacks of uprobes: for each CPU, but not on it alone */

/* ---- records ---------------------------------------------------------------------------- */

enum profd_record_kind {
	PROFD_RECORD_SAMPLE = 1,
	PROFD_RECORD_FORK, /* a new process (not a thread) */
	PROFD_RECORD_EXEC, /* at the end of a successful execve */
	PROFD_RECORD_EXIT, /* the last thread of a process is gone */
	PROFD_RECORD_ALLOC,
	PROFD_RECORD_FREE,
	PROFD_RECORD_CGROUP, /* a process was moved to another cgroup */
};

struct profd_record_head {
	__u64 time;
	__u32 size; /* of the whole record, bytes */
	__u16 kind; /* enum profd_record_kind */
	__u16 cpu;
};

/* Identity of a process image: pid reuse and exec cannot mix two of them up. start_boottime and
 * exec_id are the thread group leader's (task_struct.start_boottime, .self_exec_id). */
struct profd_identity {
	__u64 start_boottime;
	__u32 pid;
	__u32 exec_id;
};

/* Why the walk of a user stack ended. */
enum profd_unwind_end {
	PROFD_END_COMPLETE = 0,	 /* the root was reached */
	PROFD_END_NO_USER,	 /* kernel thread, or an address space that is gone */
	PROFD_END_UNREADABLE,	 /* a stack page that is not in memory */
	PROFD_END_FRAME_POINTER, /* no unwind information, and the frame pointer led nowhere */
	PROFD_END_LIMIT,	 /* more frames than PROFD_MAX_USER_FRAMES */
	PROFD_END_UNMAPPED,	 /* no code is mapped where the stack leads */
	PROFD_END_RULE,		 /* unwind information that tables cannot express */
	PROFD_END_IMPLAUSIBLE,	 /* by its rule the stack does not fall: a coroutine, or broken */
	PROFD_END_NOT_LOADED,	 /* the tables were not there, nor came in time */
	PROFD_END_CHANGED,	 /* other code was mapped there meanwhile */
	PROFD_END_COUNT,
};

/* How user stacks are to be walked. */
enum profd_unwind_mode {
	PROFD_UNWIND_TABLE = 0, /* by tables; by frame pointer where there are none */
	PROFD_UNWIND_FRAME_POINTER,
};

/* How a user stack was walked. */
enum profd_unwind_way {
	PROFD_WAY_FRAME_POINTER = 0,
	PROFD_WAY_TABLE,
	PROFD_WAY_FINISHED, /* by tables, begun in the kernel and finished in user space */
	PROFD_WAY_COUNT,
};

/* frames[]: first n_kernel kernel addresses, then n_user user addresses, innermost first. The
 * first of each part is where the program counter was (exact); of all others bit 63 says so
 * (PROFD_FRAME_EXACT): they were interrupted by a signal; the rest are return addresses.
 * The record is exactly as long as its frames, and a struct profd_miss with its stack where
 * miss_size is not 0. */
enum profd_sample_flags {
	PROFD_SAMPLE_MISSED = 1 << 0, /* the walk is to be finished in user space, from the miss */
	/* The miss is where the walk began, not where it stopped. */
	PROFD_SAMPLE_CAPTURED = 1 << 1,
	/* Taken when a function returned: the first user frame is a return address, too. */
	PROFD_SAMPLE_RETURNED = 1 << 2,
};

struct profd_sample {
	struct profd_record_head head;
	struct profd_identity process;
	__u32 tid;
	__u32 session; /* struct profd_session.id */
	__u16 n_kernel;
	__u16 n_user;
	__u8 user_end; /* enum profd_unwind_end */
	__u8 way;      /* enum profd_unwind_way */
	__u8 flags;    /* enum profd_sample_flags */
	__u8 pad;
	__u32 mappings;	  /* version of the mapping array that was used (profd/tables.h), 0: none */
	__u32 miss_size;  /* bytes behind frames[] */
	__u64 allocation; /* 0: a tick; otherwise which one, for the collector's own use */
	__u64 frames[];
};

/* No user address has it (ARCH_USER_END). */
#define PROFD_FRAME_EXACT (1ULL << 63)

/* Integer registers of x86-64 and their DWARF numbers, without the program counter. */
#define PROFD_REGISTERS 16
/* Of a stack, this much at most travels with a miss: pages that are in memory, out of a window. A
 * large frame can have many in its middle that were never touched. */
#define PROFD_MISS_STACK      65536
#define PROFD_MISS_PAGE_SHIFT 12
#define PROFD_MISS_WINDOW     64 /* pages; the first has the word at sp - PROFD_RED_ZONE */
/* Below the stack pointer are still used: rbp's slot, for one, when it was just taken off the
 * stack, and by the CFI still is there. */
#define PROFD_RED_ZONE 128

/* What a walk misses. */
enum profd_missing {
	PROFD_MISSING_NOTHING = 0,
	PROFD_MISSING_PROCESS,
	PROFD_MISSING_MAPPING,	/* what is mapped at the frame's address */
	PROFD_MISSING_MODULE,	/* whether the module there has tables */
	PROFD_MISSING_PAGE,	/* the page's block */
	PROFD_MISSING_REGISTER, /* a register of the innermost frame */
	PROFD_MISSING_TRUST,	/* the stack broke off: by mappings that are true no more? */
	PROFD_MISSING_COUNT,
};

/* Where the walk stopped: frames[] ends with that frame's address. */
struct profd_miss {
	__u64 ip, sp, fp;
	__u64 leaf_ip, leaf_sp; /* innermost frame: its caller, if it has no frame itself; else 0 */
	__u64 registers[PROFD_REGISTERS]; /* of the innermost frame */
	__u8 innermost, exact, fp_lost;
	__u8 missing;	  /* enum profd_missing */
	__u32 stack_size; /* bytes of stack that follow: pages, the first and last one in part */
	__u32 pad2;
	__u64 present; /* bit i: the window's page i is among them */
};

/* FORK, EXEC, EXIT. cgroup ids are kernfs node ids (the inode number of the cgroup's folder):
 * of the unified hierarchy, and of v1's memory controller (0 where there is none). */
struct profd_process_record {
	struct profd_record_head head;
	struct profd_identity process;
	__u32 parent; /* FORK: pid of the parent */
	__u32 uid;    /* effective, initial user namespace */
	__u64 cgroup;
	__u64 cgroup_v1;
	char comm[PROFD_COMM_LEN];
};

/* Bytes of a sample with its frames, and what lies behind them. */
static inline __u32 profd_sample_bytes(const struct profd_sample *s)
{
	return (__u32)(sizeof(*s) + ((__u32)s->n_kernel + s->n_user) * sizeof(s->frames[0]));
}

static inline const struct profd_miss *profd_sample_miss(const struct profd_sample *s)
{
	return (const struct profd_miss *)((const char *)s + profd_sample_bytes(s));
}

/* ---- heap ------------------------------------------------------------------------------- */

/* Fractions of a byte in weights: bits behind the point. */
#define PROFD_WEIGHT_SHIFT 16
/* No more than that is allocated at once, nor does a sample stand for more. */
#define PROFD_MAX_ALLOCATION (1ULL << 47)

enum profd_alloc_flags {
	PROFD_ALLOC_UNTRACKED = 1 << 0, /* its free will not be seen */
	/* It has just begun: its address is not known (0), and its free will not be, either. */
	PROFD_ALLOC_BEGUN = 1 << 1,
	PROFD_ALLOC_TRACED = 1 << 2, /* it is in profd_lives */
};

/* An allocation that was sampled. The stack is its caller's; if it has just begun, the function's
 * own. */
struct profd_alloc {
	struct profd_record_head head;
	__u64 address, size; /* bytes */
	__u64 weight;	     /* bytes that it stands for, << PROFD_WEIGHT_SHIFT */
	__u32 kept;  /* of so many like it, in 2^-32, this one was kept: struct profd_heap.keep */
	__u32 flags; /* enum profd_alloc_flags */
	struct profd_sample sample;
};

enum profd_free_flags {
	PROFD_FREE_HELD = 1 << 0, /* a realloc begins: if it fails, it is not free after all... */
	PROFD_FREE_RESTORED = 1 << 1, /* ...as this record says; the address is then the same */
	PROFD_FREE_MOVED = 1 << 2,    /* by a realloc; so is what is HELD */
};

/* Of any allocation, sampled or not; before the memory can be given to somebody else. */
struct profd_free {
	struct profd_record_head head;
	struct profd_identity process;
	__u64 address;
	__u32 session;
	__u32 flags; /* enum profd_free_flags */
	__u32 tid;   /* of the thread that frees */
	__u32 pad;
};

/* otel_memory:free has one argument, and :alloc three. The preload library has this where the next
 * one would be when it tells of a realloc, so that who knows it can tell that from a free, and what
 * is put back where it fails from an allocation. */
#define PROFD_USDT_REALLOC 0x636f6c6c61657270ULL

/* Where a USDT probe has an argument (.note.stapsdt). */
enum profd_argument_kind {
	PROFD_ARGUMENT_CONSTANT = 0, /* offset */
	PROFD_ARGUMENT_REGISTER,     /* base, by DWARF number */
	PROFD_ARGUMENT_MEMORY,	     /* at base + (index << scale) + offset */
};

struct profd_argument {
	__u8 kind; /* enum profd_argument_kind */
	__u8 bits; /* 8, 16, 32, 64 */
	__u8 is_signed;
	__u8 base, index; /* registers; PROFD_REGISTERS: the probe's address, more: none */
	__u8 scale;	  /* log2 */
	__u8 pad[2];
	__s64 offset;
};

#define PROFD_PROBE_ARGUMENTS 3

/* What a function of an allocator does with which of its arguments. All but the last return the
 * memory, or NULL, if not said otherwise. */
enum profd_function {
	PROFD_FUNCTION_NONE = 0,
	PROFD_FUNCTION_MALLOC,	       /* size */
	PROFD_FUNCTION_CALLOC,	       /* count, size */
	PROFD_FUNCTION_REALLOC,	       /* old, size */
	PROFD_FUNCTION_REALLOCARRAY,   /* old, count, size */
	PROFD_FUNCTION_POSIX_MEMALIGN, /* where to, alignment, size; returns 0 or an error */
	PROFD_FUNCTION_ALIGNED,	       /* alignment, size */
	PROFD_FUNCTION_FREE,	       /* memory */
};

/* What a probe that is attached belongs to. Programs know theirs by the attach cookie, which is the
 * index; before 5.15 (82e6b1eee6a8), where there are none, by PROFD_PROBE_ALLOC and _FREE. */
struct profd_probe {
	__u32 slot;
	__u32 session;	 /* struct profd_session.id: a slot may have got another one meanwhile */
	__u32 function;	 /* enum profd_function; NONE: a USDT probe */
	__u16 nests;	 /* it may call other functions that are probed: those do not count */
	__u16 untracked; /* nobody sees what is freed */
	struct profd_argument arguments[PROFD_PROBE_ARGUMENTS];
};
#define PROFD_PROBES 256
/* A cookie is the index, and above it the meter that counts the calls: of one process; and above
 * that the number that counts the hits: of one place. 0 of those that have none. */
#define PROFD_METER_SHIFT 8
#define PROFD_METERS	  256
#define PROFD_PLACE_SHIFT 16
#define PROFD_PLACES	  512
_Static_assert(PROFD_PROBES == 1 << PROFD_METER_SHIFT, "an index fits below a meter");
_Static_assert(PROFD_METERS << PROFD_METER_SHIFT == 1 << PROFD_PLACE_SHIFT, "so does a meter");
#define PROFD_PROBE_ALLOC 0
#define PROFD_PROBE_FREE  1

#define PROFD_SHARES 32

/* Of one heap session. */
struct profd_heap {
	__u64 mean; /* bytes between samples that are taken here (profd/heap_sample.h) */
	__u32 keep; /* announced samples are kept with this probability, in 2^-32; ~0: all are */
	__u32 pad;
	/* Processes with another: pid << 32 | probability; 0 is the end. */
	__u64 shares[PROFD_SHARES];
	__u64 most; /* bytes: who asks for more at once does not get them */
	/* Written by the programs. */
	__u64 thinned;	  /* allocations that were not kept: they count as filtered, too */
	__u64 nonsense;	  /* announced with an impossible size or weight, likewise */
	__u64 frees;	  /* that were handed on */
	__u64 lost_frees; /* in-use is too high by what they freed */
};

/* What is in use, of what is sampled here: key of the maps in profd_lives. The value is the lower
 * half of the allocation's time, by which it is told from another of the same address. */
struct profd_live {
	__u64 address;
	__u64 tgid; /* in the initial pid namespace */
};

/* How many of those there are, by the pages that they lie in: never less, so that nearly all that
 * is freed without being a sample is known by one look. Counted before an address goes into the
 * table, and after it was taken out. */
#define PROFD_LIVE_BUCKETS 16384
struct profd_live_filter {
	__u32 counts[PROFD_LIVE_BUCKETS];
};

static inline __u32 profd_live_bucket(__u64 address)
{
	return (__u32)(address >> 12) & (PROFD_LIVE_BUCKETS - 1);
}

/* ---- sessions --------------------------------------------------------------------------- */

enum profd_session_flags {
	PROFD_SESSION_ACTIVE = 1 << 0,
	PROFD_SESSION_BY_PID = 1 << 1,	  /* pids in the map `targets` */
	PROFD_SESSION_BY_TID = 1 << 2,	  /* tids in the map `targets` */
	PROFD_SESSION_BY_COMM = 1 << 3,	  /* of the thread or of its group leader */
	PROFD_SESSION_BY_CGROUP = 1 << 4, /* that cgroup or one below it */
	PROFD_SESSION_BY_UID = 1 << 5,
	PROFD_SESSION_CHILDREN = 1 << 6,  /* forks of a target become targets */
	PROFD_SESSION_NO_KERNEL = 1 << 7, /* no kernel frames (sessions of unprivileged users) */
	PROFD_SESSION_CGROUP_V1 = 1 << 8, /* cgroup is one of v1's memory controller */
	PROFD_SESSION_NOT_SELF = 1 << 9,  /* neither the collector nor its helpers */
};

/* Several BY_ flags are a conjunction, except that PID and TID are alternatives. Written by the
 * collector (mmap) before the session's events are enabled. */
struct profd_session {
	__u32 id;    /* unique over the daemon's life; 0: slot is free */
	__u32 flags; /* enum profd_session_flags */
	__u32 uid;
	__u32 pad;
	__u64 cgroup;
	char comm[PROFD_COMM_LEN];
};

#define PROFD_MAX_TARGETS 8192

enum profd_target_kind { PROFD_TARGET_PID = 0, PROFD_TARGET_TID = 1 };

/* Key of the map `targets`; the value is a __u32 that is not used. */
struct profd_target {
	__u16 slot;
	__u16 kind; /* enum profd_target_kind */
	__u32 id;
};

/* ---- a CPU's own ------------------------------------------------------------------------- */

/* Of one session on one CPU. Zeroed by the collector when a session takes the slot. */
struct profd_counters {
	__u64 filtered;	 /* runs that the filter refused */
	__u64 invisible; /* of those: tasks outside the collector's pid namespace */
	__u64 taken;	 /* runs that it accepted = emitted + the losses below */
	__u64 emitted;	 /* records that reached a ring */
	__u64 lost_scratch;
	__u64 lost_ring;
	__u64 missed; /* emitted samples whose stack is to be finished in user space */
	__u64 spent;  /* ns in the runs that were taken */
};

/* Of one heap session on one CPU, whose threads count down together: what a process has no memory
 * of can be shared. Zeroed as the counters. */
struct profd_heap_cpu {
	__u64 left;  /* bytes to the next sample, itself included; 0: not drawn yet */
	__u64 calls; /* of functions that are probed */
	__u64 rets;  /* with a probe that were passed */
};

/* All that a CPU keeps between runs, together, since each page that a sample touches costs a miss.
 * In an mmapable array, so that the collector reads and writes it without a system call. Written by
 * that CPU only, but for `tail`. */
struct profd_cpu {
	__u32 head;	    /* where the next sample begins in the CPU's sample ring */
	__u32 tail;	    /* the oldest sample that the collector has not read; he writes it */
	__u32 putting;	    /* a sample is being put into the sample ring */
	__u32 wake_pending; /* an urgent record waits to be told */
	__u64 last_wakeup;  /* when the collector was last woken from here */
	__u64 missed;	    /* when the next miss may carry its stack, at the earliest */
	__u32 busy[PROFD_SCRATCHES];
	__u32 pad[4];
	__u64 random; /* state of heap_random() */
	struct profd_counters counters[PROFD_MAX_SESSIONS];
	struct profd_heap_cpu heap[PROFD_MAX_SESSIONS];
	__u64 meters[PROFD_METERS]; /* calls of functions that are probed, and what rets cost */
	__u64 places[PROFD_PLACES]; /* hits of probes, without those at returns */
};
_Static_assert(sizeof(struct profd_counters) == 64, "a cache line");
_Static_assert(__builtin_offsetof(struct profd_cpu, counters) == 64, "a cache line");

/* A sample ring: samples one behind the other, each at a multiple of 8. None is divided: one that
 * begins below PROFD_SAMPLES_BYTES may reach beyond, and the next one then begins at 0. So head ==
 * tail means that there are none, and the programs never let `head` come round to `tail`. What is
 * before `head` is written before `head` is. */
#define PROFD_SAMPLES_BYTES (640 * 1024)
#define PROFD_SAMPLES_SLACK (72 * 1024) /* the largest sample */

struct profd_samples {
	__u8 bytes[PROFD_SAMPLES_BYTES + PROFD_SAMPLES_SLACK];
};

/* Is there room for another of `size` bytes? */
static inline int profd_samples_fit(__u32 head, __u32 tail, __u32 size)
{
	__u32 used = head >= tail ? head - tail : head + PROFD_SAMPLES_BYTES - tail;

	return used + size + 7 < PROFD_SAMPLES_BYTES;
}

/* Where the sample behind one of `size` bytes begins. */
static inline __u32 profd_samples_next(__u32 at, __u32 size)
{
	at += (size + 7) & ~7U;
	return at >= PROFD_SAMPLES_BYTES ? 0 : at;
}

#endif
