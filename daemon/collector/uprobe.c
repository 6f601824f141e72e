// SPDX-License-Identifier: MIT
#include "collector/uprobe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

#define PMU_TYPE "/sys/bus/event_source/devices/uprobe/type"
/* Where in perf_event_attr.config the counter's offset is: format/ref_ctr_offset of the PMU, which
 * has said the same since it exists (4.20, a6ca88b241d5). */
#define COUNTER_SHIFT 32

static int pmu_type(void)
{
	_cleanup_fclose_ FILE *f = fopen(PMU_TYPE, "re");
	int type;

	return f && fscanf(f, "%d", &type) == 1 ? type : -ENOENT;
}

static int open_event(const struct uprobe *u)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr), .sample_period = 1, .wakeup_events = 1};
	char path[64];
	int type = pmu_type(), fd;

	if (type < 0)
		return type;
	if (u->counter >> (64 - COUNTER_SHIFT))
		return -EOVERFLOW;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", u->file);
	attr.type = (uint32_t)type;
	attr.config = u->counter << COUNTER_SHIFT;
	attr.config1 = (uintptr_t)path;
	attr.config2 = u->offset;
	fd = (int)syscall(
		SYS_perf_event_open, &attr, u->pid, u->pid < 0 ? 0 : -1, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* As much of union bpf_attr as this kind of BPF_LINK_CREATE has. */
struct multi_link {
	uint32_t program, target, type, flags;
	uint64_t path, offsets, counters, cookies;
	uint32_t count, multi_flags, pid, pad;
};

static int link_multi(const struct uprobe *u, const char *path)
{
	const struct multi_link link = {
		.program = (uint32_t)u->program,
		.type = UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)&u->offset,
		.counters = (uintptr_t)&u->counter,
		.cookies = (uintptr_t)&u->cookie,
		.count = 1,
		.pid = u->pid < 0 ? 0 : (uint32_t)u->pid,
	};
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link));

	return fd < 0 ? -errno : fd;
}

static int attach_multi(const struct uprobe *u)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", u->file);
	return link_multi(u, path);
}

static int attach_event(const struct uprobe *u)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .perf_event.bpf_cookie = u->cookie);
	_cleanup_close_ int event = open_event(u);
	int link;

	if (event < 0)
		return event;
	link = bpf_link_create(u->program, event, BPF_PERF_EVENT, &options);
	if (link >= 0)
		return link;
	/* Before 5.15 (b89fbfbb854c) the program hangs on the event itself. */
	if (ioctl(event, PERF_EVENT_IOC_SET_BPF, u->program) ||
		ioctl(event, PERF_EVENT_IOC_ENABLE, 0))
		return -errno;
	return take_fd(event);
}

bool uprobe_has_multi(void)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		.expected_attach_type = (enum bpf_attach_type)UPROBE_MULTI);
	/* r0 = 0; exit */
	const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
	_cleanup_close_ int program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "profd_nothing", "GPL",
		nothing, sizeof(nothing) / sizeof(*nothing), &options);

	return program >= 0 && link_multi(&(struct uprobe){.program = program}, "/") == -EBADF;
}

int uprobe_attach(const struct uprobe *u)
{
	return u->multi ? attach_multi(u) : attach_event(u);
}
