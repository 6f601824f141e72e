/* SPDX-License-Identifier: MIT */
/*
 * privileges.h - the capabilities that profd keeps, and why.
 *
 * It needs CAP_BPF (load programs), CAP_PERFMON (perf events, reading kernel memory in BPF),
 * CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (other users' /proc/PID and binaries), CAP_SYSLOG
 * (kallsyms), CAP_CHECKPOINT_RESTORE (/proc/PID/map_files): capabilities(7). CAP_SYS_ADMIN is
 * needed only where Debian's kernel.perf_event_paranoid=3 shuts perf_event_open(2) for all
 * others, and for heap profiles where kernels attach uprobes for nobody else: without multi-uprobes
 * (6.6), since the fix ba677dbe77af of 2025. Everywhere else it is given up at start.
 */
#ifndef PROFD_PRIVILEGES_H
#define PROFD_PRIVILEGES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct privileges {
	uid_t uid;
	int paranoid;	     /* kernel.perf_event_paranoid; INT_MAX: cannot be read */
	bool sys_admin;	     /* kept */
	bool for_uprobes;    /* that is why */
	char effective[256]; /* names, with a blank between two: "cap_bpf cap_perfmon" */
	char missing[256];   /* of the list above: what we never had */
};

/* Raises what a service gets from its unit, as far as this process may: locked memory (before 5.11
 * BPF maps count as that), descriptors, and priority. What drains the kernel's buffers does little,
 * but has to come to it where thousands of processes want the CPU: else records are lost just when
 * they matter. Call it before reducing. */
void privileges_raise_limits(void);
/* Of this process, to a nice value: what a helper does can wait. */
void privileges_lower_priority(int nice);
/* Gives up every capability that is not on the list, in all sets, and fills in *p. As root it
 * also keeps CAP_SETUID, CAP_SETGID and CAP_KILL, since the helper that parses becomes nobody
 * and still has to be ended. 0 or -errno. */
int privileges_reduce(struct privileges *p);
/* Whether BPF programs and perf events are open to us at all; if not, a line in `why`. */
bool privileges_suffice(const struct privileges *p, char *why, size_t why_size);
/* For status: {"uid":…,"capabilities":[…],"missing":[…],"sys_admin":"…"}; NULL without memory. */
cJSON *privileges_status(const struct privileges *p);

#endif
