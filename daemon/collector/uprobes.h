/* SPDX-License-Identifier: MIT */
/*
 * uprobes.h - BPF programs on places in the code of one process.
 *
 * The kernel takes milliseconds to attach and some ten to detach, since it changes pages of the
 * process and waits until nobody is in a program any more. A thread of its own does that, job after
 * job in the order of asking, with others that wait beside it where many are to be detached;
 * whoever asked is told from the event loop, and everything here is called from there. The thread
 * has the capabilities that this process has when it starts.
 *
 * A probe is confined to the process's address space: all of its threads hit it. What a fork makes
 * of it has the traps too, until each is hit once, without a program. Exec ends it all; the link
 * stays until it is detached.
 */
#ifndef PROFD_COLLECTOR_UPROBES_H
#define PROFD_COLLECTOR_UPROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct uprobes;
struct uprobe_link;

/* How a program is attached; it must have been loaded for that, as BPF_PROG_TYPE_KPROBE. */
enum uprobe_way {
	UPROBE_PERF,	/* a perf event for each place; no expected attach type */
	UPROBE_MULTI,	/* all at once, 6.6; expected attach type UPROBE_ATTACH_MULTI */
	UPROBE_SESSION, /* the same, at the entry, and where it returns 0 there at the return, 6.13;
			   UPROBE_ATTACH_SESSION */
};

/* enum bpf_attach_type of newer headers. */
#define UPROBE_ATTACH_MULTI   48
#define UPROBE_ATTACH_SESSION 57

/* What this kernel lets us have, found by trying. */
struct uprobe_support {
	bool events;  /* UPROBE_PERF; since 2025 kernels ask for CAP_SYS_ADMIN */
	bool cookies; /* of UPROBE_PERF, 5.15: bpf_get_attach_cookie; the other ways have them */
	bool multi;   /* and its pid filter covers all threads: not before 6.6.35, 6.9.5, 6.10 */
	bool session;
	/* What one visit of an emulated instruction costs, and of a ret; 0: not measured. */
	uint64_t trap_ns, step_ns;
};

/* Places of one link, at most; and descriptors of all links together. */
#define UPROBE_MAX_PLACES 512
#define UPROBES_MAX_OPEN  4096

struct uprobe_place {
	uint64_t offset;  /* in the file; in an executable mapping of it, which the caller checks */
	uint64_t counter; /* ref_ctr_offset, below 4 GiB and even; 0: none */
	uint64_t cookie;
};

/* As a pid: every process that has the file mapped, or will have. */
#define UPROBE_EVERYWHERE -1

/* All of it is borrowed during uprobes_attach only. */
struct uprobe_request {
	enum uprobe_way way;
	bool at_return; /* not with UPROBE_SESSION, which has both */
	int program;	/* descriptor */
	int file;	/* descriptor of what the process has mapped */
	pid_t pid;	/* of the process, in this process's namespace; or UPROBE_EVERYWHERE */
	const struct uprobe_place *places;
	size_t n_places; /* 1..UPROBE_MAX_PLACES */
};

/* 0: the program runs at all places; or -errno: it does at none, and the link is gone when this
 * returns (-ESRCH: no such process, or its first thread has ended; -EACCES, -EPERM: not allowed;
 * -ENOTSUP: an instruction cannot be probed, or this kernel has no such way or no cookies). */
typedef void (*uprobe_attached)(void *userdata, struct uprobe_link *link, int error);
/* No run of the program is under way any more, and no trap of it is left. */
typedef void (*uprobe_detached)(void *userdata);
typedef void (*uprobe_supported)(void *userdata, const struct uprobe_support *support);

/* Starts the thread. 0 or -errno. */
int uprobes_new(struct uprobes **out, sd_event *event);
/* Detaches everything before it returns, which takes as long as that takes. Of callbacks only
 * `detached` of links that were given up is called any more, and all links are gone. Not from a
 * callback. NULL is fine. */
void uprobes_free(struct uprobes *u);

/* Tries what the kernel has, on this process itself; the second time it is known. `done` comes from
 * the loop, never before this returns. 0 or -ENOMEM. */
int uprobes_find_support(struct uprobes *u, uprobe_supported done, void *userdata);

/* 0: `attached` will be called, never before this returns; *out is the link, owned by u. -EINVAL,
 * -ENOMEM, -EMFILE, or -ENOSPC: too many links are there already. */
int uprobes_attach(struct uprobes *u, const struct uprobe_request *request,
	uprobe_attached attached, void *userdata, struct uprobe_link **out);
/* Gives the link up: it must not be used any more. If `attached` was not called yet it never will
 * be. detached: may be NULL; never called before this returns. */
void uprobes_detach(struct uprobe_link *link, uprobe_detached detached, void *userdata);

struct uprobes_stats {
	uint64_t links;		       /* attached, or about to be, or not detached yet */
	uint64_t open;		       /* descriptors that they take */
	uint64_t attached, failed;     /* since start */
	uint64_t attach_ns, detach_ns; /* that the thread has taken */
};
struct uprobes_stats uprobes_stats(const struct uprobes *u);

#endif
